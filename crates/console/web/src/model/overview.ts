// What an overview says in words, and the searches that its parts lead to.

import type { OverviewAnswer, OverviewPoint, OverviewReason, OverviewRow } from "../api/types";
import { termOf } from "./fields";
import { duration, parseTime, shortTime } from "./time";

export const CLASSES = ["2xx", "3xx", "1xx", "none", "4xx", "5xx"] as const;

/** A change as a signed percentage; "new" from nothing, "" where the period before was not counted. */
export function changeText(row: { count: number; before: { count: number } | null; change: number | null }): string {
  if (row.before === null) return "";
  if (row.change === null) return row.count > 0 ? "new" : "";
  if (Math.abs(row.change) < 0.005) return "±0 %";
  const percent = Math.abs(row.change * 100);
  const digits = percent >= 10 ? Math.round(percent).toLocaleString("en") : percent.toFixed(1);
  return `${row.change > 0 ? "+" : "−"}${digits} %`;
}

/** A part of a whole as a percentage; small ones are never shown as none. */
export function ratioText(part: number, whole: number): string {
  if (whole === 0 || part === 0) return "0 %";
  const percent = (part / whole) * 100;
  if (percent < 0.01) return "< 0.01 %";
  return `${percent >= 10 ? percent.toFixed(0) : percent.toFixed(percent < 1 ? 2 : 1)} %`;
}

/** A count for people. Those of sampled requests may have a fraction. */
export function countText(count: number): string {
  return count.toLocaleString("en", { maximumFractionDigits: count < 100 ? 1 : 0 });
}

export function timeText(micros: number | null): string {
  return micros === null ? "–" : duration(micros);
}

/** A time without seconds that are zero. */
export function minuteText(time: string): string {
  const micros = parseTime(time);
  return micros === null ? time : shortTime(micros).replace(/:00$/, "");
}

/** Why the period is not complete, in a sentence each; several collectors with the same reason are one. */
export function reasonTexts(answer: OverviewAnswer): string[] {
  const byWhy = new Map<string, OverviewReason[]>();
  for (const reason of answer.reasons) byWhy.set(reason.why, [...byWhy.get(reason.why) ?? [], reason]);
  return [...byWhy].map(([why, reasons]) => sentence(why, reasons));
}

function sentence(why: string, reasons: OverviewReason[]): string {
  const first = reasons.map((reason) => reason.at ?? "").filter((at) => at !== "").sort()[0];
  const since = first === undefined ? "" : ` since ${minuteText(first)}`;
  const many = reasons.length > 1 ? `${reasons.length} collectors` : "A collector";
  const waiting = reasons.reduce((sum, reason) => sum + (reason.waiting ?? 0), 0);
  switch (why) {
    case "silent": return `${many} reported nothing${since}: what was stored since is not counted yet.`;
    case "waiting": return `${waiting > 0 ? countText(waiting) : "Some"} records wait to be stored, and are counted then.`;
    case "future": return "This period has not begun.";
    case "off": return "A collector runs with GATELOG_ROLLUPS=off: what it stores is not counted.";
    case "refused": return "The database refuses counts of a collector: its log says why.";
    case "recount": return `${reasons.length === 1 ? "An hour is" : `${reasons.length} hours are`} being counted again.`;
    case "uncounted": return first === undefined ? "Nothing was ever counted." : `Counting began at ${minuteText(first)}: earlier records are not counted.`;
    case "unnamed": return "There were more organizations than are counted by name: some requests of yours may not be counted.";
    case "documents": return `There are more counts than are read at once: they go back to ${first === undefined ? "a part" : minuteText(first)} only.`;
    case "time": return `Reading took too long: counts go back to ${first === undefined ? "a part" : minuteText(first)} only.`;
    default: return why;
  }
}

type Named = { [key: string]: unknown };

/** The query that finds the records of a row, as far as the language can say it. */
export function queryOf(table: "routes" | "organizations" | "loggers" | "errors", row: OverviewRow): string {
  const named: Named = row;
  const term = (path: string, key: string): string | null => {
    const text = named[key];
    // A text of this length was cut.
    return typeof text === "string" && new TextEncoder().encode(text).length < 125 ? termOf(path, text) : null;
  };
  const kind = typeof named["kind"] === "string" ? named["kind"] : "";
  const terms = {
    routes: [term("logger_name", "logger"), term("function_name", "route")],
    organizations: [term("context.organization_id", "organization")],
    loggers: [term("logger_name", "logger")],
    errors: [
      "level:>=ERROR", term("logger_name", "logger"), term("function_name", "function"),
      /^[1-5]xx$/.test(kind) ? `status:${kind}` : kind === "none" ? null : term("error.type", "kind"),
    ],
  }[table];
  return terms.filter((one) => one !== null).join(" ");
}

/** The times that a band of the heatmap has, in µs: above the first, up to the second. */
export function bandOf(band: number): [above: number, upTo: number] {
  return [2 ** (band / 2), 2 ** ((band + 1) / 2)];
}

/** The query that finds what is in a band. */
export function bandQuery(band: number): string {
  const [above, upTo] = bandOf(band);
  return band < 0 ? "duration:<=1us" : `duration:>${Math.floor(above)}us duration:<=${Math.floor(upTo)}us`;
}

/** The bands that occur, from the slowest to the quickest, with their sums. */
export function bands(points: OverviewPoint[]): [band: number, count: number][] {
  const sums = new Map<number, number>();
  for (const point of points) for (const [band, count] of point.heat ?? []) sums.set(band, (sums.get(band) ?? 0) + count);
  const seen = [...sums.keys()];
  if (seen.length === 0) return [];
  const [low, high] = [Math.min(...seen), Math.max(...seen)];
  return Array.from({ length: high - low + 1 }, (_, index) => [high - index, sums.get(high - index) ?? 0]);
}

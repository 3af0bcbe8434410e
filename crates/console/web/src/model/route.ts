// The address of the page is its state: what is searched, when, and which record is open. Times in
// it are absolute, so a link shows the same to whoever opens it, and when.

import { useEffect, useState } from "preact/hooks";
import { now, parseTime, shortTime } from "./time";

/** What the address says. */
export interface Route {
  page: "overview" | "search" | "flow" | "live" | "delivery" | "unknown";
  /** The correlation id of a flow. */
  flow: string;
  query: string;
  /** Microseconds; null where the address names no valid time. */
  since: number | null;
  until: number | null;
  /** The open record, as LEVEL/ID; "" if there is none. */
  record: string;
  /** Whether to search also what no index of flows finds. */
  everything: boolean;
  /** Paths of the fields that have a column of their own. */
  columns: string[];
}

/** Columns that an address may add. */
export const COLUMNS = 8;

const MINUTE = 60_000_000;
/** The span shown when nothing else was chosen, in microseconds. */
export const DEFAULT_SPAN = 60 * MINUTE;
/** Spans to choose from, in microseconds. */
export const SPANS: [name: string, micros: number][] = [
  ["15 min", 15 * MINUTE],
  ["1 h", 60 * MINUTE],
  ["6 h", 360 * MINUTE],
  ["24 h", 1440 * MINUTE],
  ["7 d", 7 * 1440 * MINUTE],
  ["30 d", 30 * 1440 * MINUTE],
];

/** Reads an address. */
export function parseRoute(path: string, search: string): Route {
  const [, first = "", second = ""] = path.split("/");
  const given = new URLSearchParams(search);
  const pages: { [name: string]: Route["page"] } = {
    "": "overview", search: "search", flow: "flow", live: "live", delivery: "delivery",
  };
  const page = Object.hasOwn(pages, first) ? pages[first] ?? "unknown" : "unknown";
  return {
    page: page === "flow" && second === "" ? "unknown" : page,
    flow: decode(second),
    query: given.get("query") ?? "",
    since: parseTime(given.get("since") ?? ""),
    until: parseTime(given.get("until") ?? ""),
    record: given.get("record") ?? "",
    everything: given.get("reach") === "everything",
    columns: (given.get("columns") ?? "").split(",").filter((path) => path !== "").slice(0, COLUMNS),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a search, or of another page with a span. */
export function searchAddress(to: Partial<Route>, page: "search" | "live" | "" = "search"): string {
  const given = new URLSearchParams();
  if (to.query) given.set("query", to.query);
  if (to.since != null) given.set("since", `${shortTime(to.since, "T")}Z`);
  if (to.until != null) given.set("until", `${shortTime(to.until, "T")}Z`);
  if (to.everything) given.set("reach", "everything");
  if (to.columns && to.columns.length > 0) given.set("columns", to.columns.join(","));
  if (to.record) given.set("record", to.record);
  const text = given.toString();
  return `/${page}${text === "" ? "" : `?${text}`}`;
}

/** The address of a flow. */
export function flowAddress(correlation: string, record = ""): string {
  return `/flow/${encodeURIComponent(correlation)}${record === "" ? "" : `?record=${encodeURIComponent(record)}`}`;
}

/** The span of a search: what the address says, or else the last hour. */
export function spanOf(route: Route): { since: number; until: number } {
  const until = route.until ?? now();
  const since = route.since ?? until - DEFAULT_SPAN;
  return since < until ? { since, until } : { since: until - DEFAULT_SPAN, until };
}

const MOVED = "gatelog:moved";

/** Goes to an address of the console. */
export function go(address: string, replace = false): void {
  if (address === location.pathname + location.search) replace = true;
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  dispatchEvent(new Event(MOVED));
}

/** The address, read again whenever it changes. */
export function useRoute(): Route {
  const read = () => parseRoute(location.pathname, location.search);
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const moved = () => setRoute(read());
    addEventListener("popstate", moved);
    addEventListener(MOVED, moved);
    return () => {
      removeEventListener("popstate", moved);
      removeEventListener(MOVED, moved);
    };
  }, []);
  return route;
}

// The charts of an overview, side by side, with one point chosen in all of them; and the same as a
// table.

import { useMemo, useState } from "preact/hooks";
import type { OverviewAnswer, OverviewPoint } from "../api/types";
import { CLASSES, bandOf, bandQuery, bands, countText, minuteText, ratioText, timeText } from "../model/overview";
import { go, searchAddress } from "../model/route";
import { duration, parseTime } from "../model/time";
import { Chart, type Series } from "./chart";
import { Heatmap } from "./heatmap";
import { Link } from "./link";
import type { Points } from "./points";

const COLOURS: { [status: string]: string } = {
  "1xx": "--bar-debug", "2xx": "--bar-info", "3xx": "--s6", "4xx": "--bar-warning", "5xx": "--bar-error", none: "--bar-critical",
};
const QUANTILES: [name: "p99_us" | "p90_us" | "p50_us", label: string, colour: string][] = [
  ["p99_us", "p99", "--bar-error"], ["p90_us", "p90", "--s3"], ["p50_us", "p50", "--s0"],
];

interface Properties {
  answer: OverviewAnswer;
  onSpan: (since: number, until: number) => void;
}

export function OverTime({ answer, onSpan }: Properties) {
  const [chosen, onChosen] = useState<number | null>(null);
  const [asTable, setAsTable] = useState(false);
  const { series } = answer;
  const step = answer.step_ms * 1000;
  const until = parseTime(answer.until) ?? 0;
  const starts = useMemo(() => series.map((point) => parseTime(point.start) ?? 0), [answer]);
  const classes = useMemo<Series[]>(() => CLASSES.filter((name) => answer.totals.classes[name]).map((name) => ({
    name, colour: COLOURS[name] ?? "--s7", values: series.map((point) => point.count === null ? null : point.classes?.[name] ?? 0),
  })), [answer]);
  const times = useMemo<Series[]>(() => QUANTILES.map(([key, name, colour]) => ({ name, colour, values: series.map((point) => point[key] ?? null) })), [answer]);
  /** The search of a point, or of a part of it. */
  const addressOf = (index: number, query = "") => {
    const since = starts[index] ?? 0;
    return searchAddress({ query, since, until: Math.min(starts[index + 1] ?? since + step, until) });
  };
  const text = (index: number) => textOf(series[index]);
  const points: Points = { starts, chosen, onChosen, text, onOpen: (index) => go(addressOf(index)) };
  const each = `each point ${duration(step)}`;
  return (
    <section class="over-time" aria-label="Over time">
      <div class="charts">
        <figure>
          <figcaption><h2>Requests</h2><Legend of={classes.toReversed()} /></figcaption>
          <Chart label="Requests by class of status: choose a time" series={classes.length > 0 ? classes : NOTHING} stacked points={points} step={step} format={countText} onSpan={onSpan} />
        </figure>
        <figure>
          <figcaption><h2>Time</h2><Legend of={times} /></figcaption>
          <Chart label="Times of requests: choose a time" series={times} stacked={false} points={points} step={step} format={timeText} onSpan={onSpan} />
        </figure>
        <figure>
          <figcaption><h2>Distribution of times</h2></figcaption>
          <Heatmap series={series} points={points} step={step} onCell={(index, band) => go(addressOf(index, bandQuery(band)))} />
        </figure>
      </div>
      <p class="chosen-point">
        <span>{chosen === null ? `${each} · a point leads to its records, a stretch to a shorter period` : text(chosen)}</span>
        <button type="button" aria-expanded={asTable} onClick={() => setAsTable(!asTable)}>{asTable ? "Hide the numbers" : "Show the numbers"}</button>
      </p>
      {asTable && <Numbers answer={answer} addressOf={addressOf} />}
    </section>
  );
}

const NOTHING: Series[] = [{ name: "requests", colour: "--bar-info", values: [] }];

function Legend({ of }: { of: Series[] }) {
  return <ul class="legend">{of.map(({ name, colour }) => <li key={name}><i class="dot" style={{ background: `var(${colour})` }} aria-hidden="true" /> {name}</li>)}</ul>;
}

function textOf(point: OverviewPoint | undefined): string {
  if (!point) return "";
  const start = minuteText(point.start);
  if (point.count === null) return `${start}: not read`;
  const classes = CLASSES.filter((name) => point.classes?.[name]).map((name) => `${countText(point.classes?.[name] ?? 0)} ${name}`).join(", ");
  const sums = `${start}: ${countText(point.count)} requests, ${ratioText(point.errors ?? 0, point.count)} errors`;
  return point.count === 0 ? `${start}: no requests` : `${sums} (${classes}); p50 ${timeText(point.p50_us ?? null)}, p90 ${timeText(point.p90_us ?? null)}, p99 ${timeText(point.p99_us ?? null)}`;
}

/** The charts in numbers. */
function Numbers({ answer, addressOf }: { answer: OverviewAnswer; addressOf: (index: number) => string }) {
  const span = { since: parseTime(answer.from) ?? 0, until: parseTime(answer.until) ?? 0 };
  return (
    <div class="numbers">
      <div class="table" tabIndex={0} role="region" aria-label="Requests and times over time">
        <table>
          <thead><tr><th scope="col">from, UTC</th><th scope="col" class="n">requests</th><th scope="col" class="n">errors</th>{QUANTILES.toReversed().map(([key, name]) => <th key={key} scope="col" class="n">{name}</th>)}</tr></thead>
          <tbody>
            {answer.series.map((point, index) => (
              <tr key={point.start}>
                <th scope="row"><Link to={addressOf(index)}>{minuteText(point.start)}</Link></th>
                <td class="n">{point.count === null ? "not read" : countText(point.count)}</td><td class="n">{countText(point.errors ?? 0)}</td>
                {QUANTILES.toReversed().map(([key]) => <td key={key} class="n">{timeText(point[key] ?? null)}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="table" tabIndex={0} role="region" aria-label="Distribution of times">
        <table>
          <thead><tr><th scope="col">took</th><th scope="col" class="n">requests</th></tr></thead>
          <tbody>
            {bands(answer.series).map(([band, count]) => (
              <tr key={band}><th scope="row"><Link to={searchAddress({ ...span, query: bandQuery(band) })}>{timeText(bandOf(band)[0])} – {timeText(bandOf(band)[1])}</Link></th><td class="n">{countText(count)}</td></tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

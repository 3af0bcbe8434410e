// A chart over time, drawn by uPlot on a canvas: bars that stand on one another, or lines.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { colour, useColours } from "./colours";
import { PointKeys, type Points } from "./points";

export interface Series {
  name: string;
  /** A custom property of the style. */
  colour: string;
  values: (number | null)[];
}

interface Properties {
  label: string;
  series: Series[];
  stacked: boolean;
  points: Points;
  /** The length of a point, in microseconds. */
  step: number;
  /** A value of the axis. */
  format: (value: number) => string;
  /** A stretch of time was chosen, in microseconds. */
  onSpan: (since: number, until: number) => void;
}

const HEIGHT = 150;

export function Chart(the: Properties) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const current = useRef(the);
  current.current = the;
  const colours = useColours();

  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const made = new uPlot(options(current, element.clientWidth), data(current.current), element);
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.current = null;
      made.destroy();
    };
  }, [the.series, the.points.starts, colours]);

  const { chosen } = the.points;
  useEffect(() => {
    const made = plot.current;
    const start = chosen === null ? undefined : the.points.starts[chosen];
    if (!made || made.cursor.idx === (chosen ?? undefined)) return;
    const left = start === undefined ? -10 : made.valToPos((start + the.step / 2) / 1e6, "x");
    made.setCursor({ left, top: start === undefined ? -10 : 10 }, false);
  }, [chosen]);

  return <PointKeys label={the.label} points={the.points} class="chart"><div ref={box} class="plot" /></PointKeys>;
}

function options(current: { current: Properties }, width: number): uPlot.Options {
  const { series, stacked, step, format } = current.current;
  const ink = colour("--ink-soft");
  const grid = { stroke: colour("--line"), width: 1 };
  const font = "11px system-ui, sans-serif";
  const paths = stacked ? uPlot.paths.bars?.({ align: 1, size: [1, Infinity], gap: width > 900 ? 1 : 0 }) : uPlot.paths.linear?.();
  const line = (one: Series): uPlot.Series => stacked
    ? { label: one.name, fill: colour(one.colour), width: 0, points: { show: false }, ...(paths ? { paths } : {}) }
    : { label: one.name, stroke: colour(one.colour), width: 1.5, spanGaps: false, points: { show: false }, ...(paths ? { paths } : {}) };
  return {
    width, height: HEIGHT, padding: [8, 0, 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    legend: { show: false },
    scales: {
      x: { time: true, range: () => range(current.current) },
      y: { range: (_plot, _low, high) => [0, Math.max(1, high || 0) * 1.06] },
    },
    axes: [
      { stroke: ink, font, grid: { show: false }, ticks: grid, size: 26, values: timesOf },
      { stroke: ink, font, grid, ticks: { show: false }, size: 64, values: (_plot, values) => values.map(format) },
    ],
    series: [{}, ...series.map(line)],
    cursor: { y: false, points: { show: !stacked }, drag: { x: true, y: false, setScale: false }, focus: { prox: -1 } },
    hooks: {
      setCursor: [(plot) => {
        const { points } = current.current;
        const index = plot.cursor.left !== undefined && plot.cursor.left >= 0 ? pointAt(plot, current.current) : null;
        if (index !== points.chosen) points.onChosen(index);
      }],
      setSelect: [(plot) => {
        const { left, width: wide } = plot.select;
        if (wide < 4) return;
        const [since, until] = [plot.posToVal(left, "x") * 1e6, plot.posToVal(left + wide, "x") * 1e6];
        plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        current.current.onSpan(snap(since, step, Math.floor), snap(until, step, Math.ceil));
      }],
      init: [(plot) => {
        let down = 0;
        plot.over.addEventListener("pointerdown", (event) => { down = event.clientX; });
        plot.over.addEventListener("click", (event) => {
          const index = pointAt(plot, current.current);
          if (index !== null && Math.abs(event.clientX - down) < 4) current.current.points.onOpen(index);
        });
      }],
    },
  };
}

function range({ points, step }: Properties): [number, number] {
  const first = points.starts[0] ?? 0;
  return [first / 1e6, ((points.starts.at(-1) ?? first) + step) / 1e6];
}

/** The point under the pointer. */
function pointAt(plot: uPlot, { points }: Properties): number | null {
  const { left } = plot.cursor;
  if (left === undefined || left < 0) return null;
  const at = plot.posToVal(left, "x") * 1e6;
  const index = points.starts.findLastIndex((start) => start <= at);
  return index < 0 ? null : index;
}

function snap(micros: number, step: number, round: (value: number) => number): number {
  return round(micros / step) * step;
}

/** The axis of time: the date where a day begins, or else the time of day. */
function timesOf(_plot: uPlot, seconds: number[]): string[] {
  return seconds.map((at) => {
    const text = new Date(at * 1000).toISOString();
    return text.slice(11, 19) === "00:00:00" ? text.slice(5, 10) : text.slice(11, 16);
  });
}

/** Bars that stand on one another are drawn from the whole down: each covers what is below it. */
function data({ series, stacked, points }: Properties): uPlot.AlignedData {
  const times = points.starts.map((start) => start / 1e6);
  if (!stacked) return [times, ...series.map((one) => one.values)];
  const sums = series.map((_, from) => times.map((_time, at) => {
    const values = series.slice(from).map((one) => one.values[at] ?? null);
    return values.every((value) => value === null) ? null : values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  }));
  return [times, ...sums];
}

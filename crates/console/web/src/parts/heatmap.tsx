// How long requests took, over time: the darker a cell, the more requests.

import { useEffect, useRef } from "preact/hooks";
import type { OverviewPoint } from "../api/types";
import { bandOf, bands, timeText } from "../model/overview";
import { colour, useColours } from "./colours";
import { PointKeys, type Points } from "./points";

interface Properties {
  series: OverviewPoint[];
  points: Points;
  /** The length of a point, in microseconds. */
  step: number;
  onCell: (index: number, band: number) => void;
}

const HEIGHT = 150;
/** Room for the axes, in pixels. */
const LEFT = 64;
const BELOW = 4;

export function Heatmap({ series, points, step, onCell }: Properties) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const colours = useColours();
  const rows = bands(series);
  const { starts, chosen } = points;
  const first = starts[0] ?? 0;
  const length = Math.max(1, (starts.at(-1) ?? first) + step - first);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return undefined;
    const draw = () => paint(element, series, rows, starts.map((start) => (start - first) / length), step / length, chosen);
    const resized = new ResizeObserver(draw);
    resized.observe(element);
    return () => resized.disconnect();
  }, [series, colours, chosen]);

  const at = (event: MouseEvent): { index: number; band: number } | null => {
    const box = canvas.current?.getBoundingClientRect();
    if (!box || rows.length === 0) return null;
    const x = (event.clientX - box.left - LEFT) / Math.max(1, box.width - LEFT);
    const row = Math.floor(((event.clientY - box.top) / Math.max(1, box.height - BELOW)) * rows.length);
    const index = starts.findLastIndex((start) => (start - first) / length <= x);
    const band = rows[row]?.[0];
    return x < 0 || index < 0 || band === undefined ? null : { index, band };
  };
  const [slowest, quickest] = [rows[0]?.[0], rows.at(-1)?.[0]];
  const summary = slowest === undefined || quickest === undefined
    ? "Heatmap of times: no requests"
    : `Heatmap of times, from ${timeText(bandOf(quickest)[0])} to ${timeText(bandOf(slowest)[1])}: choose a time`;
  return (
    <PointKeys label={summary} points={points} class="chart">
      <canvas
        ref={canvas} class="heat" height={HEIGHT}
        onPointerMove={(event) => points.onChosen(at(event)?.index ?? null)} onPointerLeave={() => points.onChosen(null)}
        onClick={(event) => { const cell = at(event); if (cell) onCell(cell.index, cell.band); }}
      />
    </PointKeys>
  );
}

function paint(element: HTMLCanvasElement, series: OverviewPoint[], rows: [band: number, count: number][], lefts: number[], wide: number, chosen: number | null) {
  const scale = devicePixelRatio;
  const { clientWidth, clientHeight } = element;
  element.width = Math.round(clientWidth * scale);
  element.height = Math.round(clientHeight * scale);
  const context = element.getContext("2d");
  if (!context || rows.length === 0) return;
  context.scale(scale, scale);
  const [width, tall] = [clientWidth - LEFT, (clientHeight - BELOW) / rows.length];
  const top = rows[0]?.[0] ?? 0;
  const most = Math.max(1, ...series.flatMap((point) => (point.heat ?? []).map(([, count]) => count)));
  context.fillStyle = colour("--accent");
  series.forEach((point, index) => {
    const [left, right] = [LEFT + (lefts[index] ?? 0) * width, LEFT + ((lefts[index + 1] ?? (lefts[index] ?? 0) + wide)) * width];
    for (const [band, count] of point.heat ?? []) {
      // Few requests are to be seen beside many.
      context.globalAlpha = 0.12 + 0.88 * (Math.log1p(count) / Math.log1p(most));
      context.fillRect(left, (top - band) * tall, Math.max(1, right - left - 0.5), Math.max(1, tall - 0.5));
    }
  });
  context.globalAlpha = 1;
  if (chosen !== null) {
    context.strokeStyle = colour("--ink-soft");
    const left = LEFT + (lefts[chosen] ?? 0) * width;
    context.strokeRect(left, 0.5, Math.max(1, wide * width), clientHeight - BELOW - 1);
  }
  context.fillStyle = colour("--ink-soft");
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "right";
  const every = Math.ceil(16 / tall);
  rows.forEach(([band], index) => {
    if (index % every === 0) context.fillText(timeText(bandOf(band)[1]), LEFT - 6, Math.max(9, index * tall + Math.min(10, tall)));
  });
}

// Records over time, by level. A bar, or a stretch of them, can be chosen as the new span.

import { useRef, useState } from "preact/hooks";
import { type HistogramAnswer, LEVELS } from "../api/types";
import { duration, parseTime, shortTime } from "../model/time";

const HEIGHT = 56;
/** Units of the drawing's width; it is stretched to the page. */
const WIDTH = 1000;

interface Properties {
  answer: HistogramAnswer;
  /** Whether more is still being counted. */
  counting: boolean;
  since: number;
  until: number;
  onSpan: (since: number, until: number) => void;
}

export function Histogram({ answer, counting, since, until, onSpan }: Properties) {
  const svg = useRef<SVGSVGElement>(null);
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const [over, setOver] = useState<number | null>(null);
  const step = answer.step_ms * 1000;
  const span = until - since;
  const x = (micros: number) => Math.max(0, Math.min(WIDTH, ((micros - since) / span) * WIDTH));
  const bars = answer.buckets.map((bucket) => {
    const start = parseTime(bucket.start) ?? since;
    const counts = LEVELS.map((level) => bucket.counts[level] ?? 0);
    return { start, counts, sum: counts.reduce((sum, count) => sum + count, 0) };
  });
  const top = Math.max(1, ...bars.map((bar) => bar.sum));
  const all = bars.reduce((sum, bar) => sum + bar.sum, 0);
  const reached = answer.reach.complete ? since : parseTime(answer.reach.from) ?? since;

  const timeAt = (event: PointerEvent): number => {
    const box = svg.current?.getBoundingClientRect();
    if (!box || box.width === 0) return since;
    return since + Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * span;
  };
  const snap = (micros: number, up: boolean) => {
    const base = bars[0]?.start ?? since;
    const steps = (micros - base) / step;
    return base + (up ? Math.ceil(steps) : Math.floor(steps)) * step;
  };
  const choose = () => {
    if (!drag) return;
    const from = Math.max(since, snap(Math.min(drag.from, drag.to), false));
    const to = Math.min(until, Math.max(snap(Math.max(drag.from, drag.to), true), from + step));
    setDrag(null);
    if (to > from) onSpan(from, to);
  };
  const hovered = over === null ? undefined : bars.find((bar) => over >= bar.start && over < bar.start + step);
  const levels = LEVELS.map((level, index) => [level, bars.reduce((sum, bar) => sum + (bar.counts[index] ?? 0), 0)] as const);
  const summary = `${all.toLocaleString("en")} records counted: ${levels.filter(([, count]) => count > 0)
    .map(([level, count]) => `${count.toLocaleString("en")} ${level}`).join(", ") || "none"}`;
  return (
    <figure class="histogram">
      <svg
        ref={svg} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={summary}
        onPointerDown={(event) => { svg.current?.setPointerCapture(event.pointerId); const at = timeAt(event); setDrag({ from: at, to: at }); }}
        onPointerMove={(event) => { const at = timeAt(event); setOver(at); if (drag) setDrag({ from: drag.from, to: at }); }}
        onPointerUp={choose} onPointerLeave={() => setOver(null)} onPointerCancel={() => setDrag(null)}
      >
        {reached > since && <rect class="unread" x={0} y={0} width={x(reached)} height={HEIGHT} />}
        {bars.map((bar) => <Bar key={bar.start} left={x(bar.start)} right={x(bar.start + step)} counts={bar.counts} top={top} on={bar === hovered} />)}
        {drag && <rect class="chosen" x={x(Math.min(drag.from, drag.to))} y={0} width={Math.max(1, Math.abs(x(drag.to) - x(drag.from)))} height={HEIGHT} />}
      </svg>
      <figcaption>
        {hovered
          ? <span>{shortTime(hovered.start)} + {duration(step)}: {LEVELS.map((level, index) => hovered.counts[index]
            ? <b key={level} class={`level-text ${level}`}>{hovered.counts[index]} {level} </b> : null)}{hovered.sum === 0 && "none"}</span>
          : <span>{levels.map(([level, count]) => count > 0 && <b key={level} class={`level-text ${level}`}>{count.toLocaleString("en")} {level} </b>)}</span>}
        <span>{answer.reach.complete
          ? `each bar ${duration(step)} · highest ${top.toLocaleString("en")}`
          : counting ? `counting: ${all.toLocaleString("en")} so far, back to ${shortTime(reached).slice(0, 19)}`
          : `counts the newest ${all.toLocaleString("en")} only, back to ${shortTime(reached).slice(0, 19)}`}</span>
      </figcaption>
    </figure>
  );
}

function Bar({ left, right, counts, top, on }: { left: number; right: number; counts: number[]; top: number; on: boolean }) {
  const gap = Math.min(1, (right - left) * 0.15);
  let y = HEIGHT;
  // The worst stand at the bottom, where small counts can be compared.
  return (
    <g class={on ? "on" : ""}>
      {[4, 3, 2, 1, 0].map((index) => {
        const count = counts[index] ?? 0;
        if (count === 0) return null;
        const height = Math.max(1, (count / top) * (HEIGHT - 2));
        y -= height;
        return <rect key={index} class={LEVELS[index]} x={left} width={Math.max(0.5, right - left - gap)} y={y} height={height} />;
      })}
    </g>
  );
}

// One record in the waterfall, and the axis above all of them.

import { useRef, useState } from "preact/hooks";
import { duration } from "../model/time";
import { type Node, ticks } from "../model/waterfall";
import { Text } from "./text";

interface Properties {
  node: Node;
  since: number;
  until: number;
  folded: boolean;
  onFold: () => void;
}

export function FlowRow({ node, since, until, folded, onFold }: Properties) {
  const { entry, start, length, depth, colour, below, failedBelow } = node;
  const span = until - since;
  const left = ((start - since) / span) * 100;
  const right = ((start + length - since) / span) * 100;
  const kinds = [entry.error && "failed", entry.critical && "critical", entry.kind === "service" ? "line" : "exchange"].filter(Boolean).join(" ");
  const fold = (event: Event) => { event.stopPropagation(); onFold(); };
  const label = length > 0 ? duration(length) : "";
  return (
    <div class={`flow-row ${kinds}`}>
      <span class="name" style={{ paddingLeft: `${depth * 14}px` }}>
        <span class={below > 0 ? "fold" : "fold none"} aria-hidden="true" onClick={below > 0 ? fold : undefined}>{below === 0 ? "" : folded ? "▸" : "▾"}</span>
        <i class={`dot c${colour}`} aria-hidden="true" />
        {entry.error && <span class="cross" title="failed">✕<span class="hidden"> failed </span></span>}
        {entry.critical && <span class="path" title="on the critical path">◆<span class="hidden"> on the critical path </span></span>}
        {entry.kind === "service" && <span class={`level-text small ${entry.level}`}>{entry.level} </span>}
        <Text text={entry.title} most={200} />
        {folded && <span class="count"> +{below.toLocaleString("en")}{failedBelow > 0 && `, ${failedBelow.toLocaleString("en")} failed`}</span>}
      </span>
      <span class={`status s${String(entry.status ?? "").charAt(0)}`}><Text text={String(entry.status ?? "")} most={5} /></span>
      <span class="track">
        {right < 0 || left > 100
          ? <span class={left > 100 ? "beyond after" : "beyond"} title="outside of the time shown">{left > 100 ? "›" : "‹"}</span>
          : length > 0
            ? <Bar left={Math.max(0, left)} right={Math.min(100, right)} colour={colour} label={label} />
            : <span class={`tick c${colour}`} style={{ left: `${left}%` }} />}
      </span>
    </div>
  );
}

function Bar({ left, right, colour, label }: { left: number; right: number; colour: number; label: string }) {
  const width = Math.max(right - left, 0);
  // The label stands where there is room: after the bar, or else before it.
  const after = right < 82;
  return (
    <>
      <span class={`bar-of c${colour}`} style={{ left: `${left}%`, width: `max(2px, ${width}%)` }} />
      <span class={after || left > 12 ? "bar-label" : "bar-label within"} style={after ? { left: `calc(${right}% + 5px)` } : left > 12 ? { right: `calc(${100 - left}% + 5px)` } : { right: "4px" }}>{label}</span>
    </>
  );
}

interface RulerProperties {
  since: number;
  until: number;
  /** Where the flow begins: the marks count from here. */
  origin: number;
  onSpan: (since: number, until: number) => void;
}

/** The axis; dragging over it chooses the time to be shown. */
export function Ruler({ since, until, origin, onSpan }: RulerProperties) {
  const track = useRef<HTMLSpanElement>(null);
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const span = until - since;
  const fraction = (event: PointerEvent) => {
    const box = track.current?.getBoundingClientRect();
    return box && box.width > 0 ? Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) : 0;
  };
  const chosen = () => {
    if (!drag) return;
    const [from, to] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
    setDrag(null);
    if (to - from > 0.01 && span * (to - from) >= 10) onSpan(since + span * from, since + span * to);
  };
  const begin = Math.abs(since - origin) < 1 ? "0" : `at ${since < origin ? "−" : ""}${duration(Math.abs(since - origin))}`;
  return (
    <div class="ruler flow-row" aria-hidden="true">
      <span class="name">record</span><span class="status">status</span>
      <span
        class="track" ref={track}
        onPointerDown={(event) => { track.current?.setPointerCapture(event.pointerId); const at = fraction(event); setDrag({ from: at, to: at }); }}
        onPointerMove={(event) => { if (drag) setDrag({ from: drag.from, to: fraction(event) }); }}
        onPointerUp={chosen} onPointerCancel={() => setDrag(null)}
      >
        {ticks(span, 5).map((mark) => (
          <span key={mark} class="mark" style={{ left: `${(mark / span) * 100}%` }}>{mark === 0 ? begin : mark > span * 0.9 ? "" : `+${duration(mark)}`}</span>
        ))}
        {drag && <span class="chosen" style={{ left: `${Math.min(drag.from, drag.to) * 100}%`, width: `${Math.abs(drag.to - drag.from) * 100}%` }} />}
      </span>
    </div>
  );
}

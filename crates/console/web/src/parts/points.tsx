// What charts over time have in common: points that are chosen by pointer or keyboard, and what they
// say in words.

import type { ComponentChildren } from "preact";

export interface Points {
  /** When each begins, in microseconds. */
  starts: number[];
  /** The chosen one; null if none is. */
  chosen: number | null;
  onChosen: (index: number | null) => void;
  /** A point was opened. */
  onOpen: (index: number) => void;
  /** What a point says. */
  text: (index: number) => string;
}

interface Properties {
  label: string;
  points: Points;
  class?: string;
  children: ComponentChildren;
}

/** A frame around a chart: the arrow keys choose a point, Enter opens it. */
export function PointKeys({ label, points, children, ...rest }: Properties) {
  const { starts, chosen, onChosen, onOpen, text } = points;
  const last = starts.length - 1;
  const pressed = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || last < 0) return;
    const at = chosen ?? last + 1;
    const steps: { [key: string]: number } = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 10, PageDown: at + 10, Home: 0, End: last };
    const step = Object.hasOwn(steps, event.key) ? steps[event.key] : undefined;
    if (step !== undefined) onChosen(Math.max(0, Math.min(last, step)));
    else if (event.key === "Enter" && chosen !== null) onOpen(chosen);
    else if (event.key === "Escape" && chosen !== null) onChosen(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      {...rest} role="slider" tabIndex={0} aria-label={label} aria-valuemin={0} aria-valuemax={Math.max(0, last)} aria-valuenow={chosen ?? last}
      aria-valuetext={chosen === null ? "no point chosen" : text(chosen)} onKeyDown={pressed}
    >
      {children}
    </div>
  );
}

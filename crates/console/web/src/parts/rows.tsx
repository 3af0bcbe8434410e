// A list of any length of which only the rows in sight exist.

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** Rows kept above and below those in sight. */
const SPARE = 12;

interface Properties {
  /** Names the list, and begins the ids of its rows. */
  id: string;
  label: string;
  role: "listbox" | "tree";
  count: number;
  /** Pixels. */
  rowHeight: number;
  /** The row that the keys act on; -1 for none. */
  active: number;
  onActive: (index: number) => void;
  onOpen: (index: number) => void;
  /** Called when the last rows come into sight. */
  onEnd?: () => void;
  /** Keys besides those that every list has. */
  onKey?: (key: string) => boolean;
  /** What the row says of itself besides its place. */
  attributes?: (index: number) => { [name: string]: string | number | boolean | undefined };
  row: (index: number) => ComponentChildren;
  footer?: ComponentChildren;
}

export function Rows(the: Properties) {
  const scroller = useRef<HTMLDivElement>(null);
  const [first, setFirst] = useState(0);
  const [inSight, setInSight] = useState(40);
  const { count, rowHeight, active } = the;

  const measure = () => {
    const element = scroller.current;
    if (!element) return;
    setFirst(Math.floor(element.scrollTop / rowHeight));
    setInSight(Math.ceil(element.clientHeight / rowHeight) + 1);
  };
  useLayoutEffect(() => {
    measure();
    const observer = new ResizeObserver(measure);
    if (scroller.current) observer.observe(scroller.current);
    return () => observer.disconnect();
  }, [rowHeight]);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || active < 0) return;
    const top = active * rowHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + rowHeight > element.scrollTop + element.clientHeight) {
      element.scrollTop = top + rowHeight - element.clientHeight;
    }
  }, [active, rowHeight]);

  const from = Math.max(0, Math.min(first, count) - SPARE);
  const to = Math.min(count, first + inSight + SPARE);
  useEffect(() => {
    if (count > 0 && to === count) the.onEnd?.();
  }, [to, count]);

  const move = (index: number) => the.onActive(Math.max(0, Math.min(count - 1, index)));
  const pressed = (event: KeyboardEvent) => {
    const page = Math.max(1, inSight - 2);
    const steps: { [key: string]: number } = {
      ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: count - 1,
    };
    const step = Object.hasOwn(steps, event.key) ? steps[event.key] : undefined;
    if (event.target !== scroller.current || event.ctrlKey || event.metaKey || event.altKey || count === 0) return;
    if (step !== undefined) move(step);
    else if (!the.onKey?.(event.key)) return;
    event.preventDefault();
  };

  const rowRole = the.role === "listbox" ? "option" : "treeitem";
  const rows = [];
  for (let index = from; index < to; index += 1) {
    const isActive = index === active;
    rows.push(
      <div
        key={index} id={`${the.id}-${index}`} role={rowRole} aria-selected={isActive}
        aria-posinset={index + 1} aria-setsize={count} class={isActive ? "row active" : "row"}
        style={{ height: `${rowHeight}px` }}
        onClick={() => { the.onActive(index); the.onOpen(index); }}
        {...the.attributes?.(index)}
      >
        {the.row(index)}
      </div>,
    );
  }
  return (
    <div class="scroller">
      <div
        ref={scroller} class="rows" role={the.role} aria-label={the.label} tabIndex={0}
        aria-activedescendant={active >= from && active < to ? `${the.id}-${active}` : undefined}
        onScroll={measure} onKeyDown={pressed}
      >
        <div role="presentation" class="space" style={{ height: `${count * rowHeight}px` }}>
          <div role="presentation" style={{ transform: `translateY(${from * rowHeight}px)` }}>{rows}</div>
        </div>
      </div>
      {the.footer}
    </div>
  );
}

/** Whether the window is narrower than this many pixels. */
export function useNarrow(pixels: number): boolean {
  const query = `(max-width: ${pixels}px)`;
  const [narrow, setNarrow] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const changed = () => setNarrow(list.matches);
    list.addEventListener("change", changed);
    return () => list.removeEventListener("change", changed);
  }, [query]);
  return narrow;
}

// A flow laid out in time: when each record began and ended, and which of them are to be seen.

import type { FlowEntry } from "../api/types";
import { parseTime } from "./time";

/** Colours that tell sources apart. */
export const COLOURS = 8;

export interface Node {
  entry: FlowEntry;
  /** Microseconds since 1970. */
  start: number;
  /** Microseconds; 0 for a line of a log, which has no duration. */
  length: number;
  depth: number;
  /** From 0, below {@link COLOURS}: the source's. */
  colour: number;
  /** Records below it, at any depth. */
  below: number;
  /** Of these, the ones that failed. */
  failedBelow: number;
}

export interface Waterfall {
  nodes: Node[];
  /** The whole time, in microseconds; `until` is always after `since`. */
  since: number;
  until: number;
  errors: number;
  sources: string[];
}

/** Deepest indentation; records further down are at this depth. */
const DEPTH = 24;

/** Lays out entries that are in the order of their tree. */
export function layOut(entries: FlowEntry[]): Waterfall {
  const nodes: Node[] = [];
  const above: Node[] = [];
  const sources = new Map<string, number>();
  let since = Infinity;
  let until = -Infinity;
  let errors = 0;
  for (const entry of entries) {
    const start = parseTime(entry.start) ?? parseTime(entry.timestamp) ?? 0;
    const length = typeof entry.duration_us === "number" && entry.duration_us > 0 ? entry.duration_us : 0;
    const depth = Math.max(0, Math.min(entry.depth, above.length));
    const colour = sources.get(entry.source) ?? sources.size % COLOURS;
    sources.set(entry.source, colour);
    const node: Node = { entry, start, length, depth: Math.min(depth, DEPTH), colour, below: 0, failedBelow: 0 };
    above.length = depth;
    for (const one of above) {
      one.below += 1;
      if (entry.error) one.failedBelow += 1;
    }
    above.push(node);
    nodes.push(node);
    since = Math.min(since, start);
    until = Math.max(until, start + length);
    if (entry.error) errors += 1;
  }
  if (nodes.length === 0) return { nodes, since: 0, until: 1, errors, sources: [] };
  return { nodes, since, until: Math.max(until, since + 1), errors, sources: [...sources.keys()] };
}

export interface Shown {
  /** Only records that failed, and those above them. */
  errors: boolean;
  /** Only the critical path. */
  critical: boolean;
  /** Also the lines of services' logs. */
  lines: boolean;
  /** Ids of records whose children are folded away. */
  folded: ReadonlySet<string>;
}

/** The places of the nodes to be seen, in order. */
export function toBeSeen(nodes: Node[], shown: Shown): number[] {
  const out: number[] = [];
  for (let at = 0; at < nodes.length; at += 1) {
    const node = nodes[at];
    if (!node) continue;
    const { entry } = node;
    const line = entry.kind === "service" && node.length === 0 && node.below === 0;
    const wanted = (shown.lines || !line || entry.error) &&
      (!shown.errors || entry.error || node.failedBelow > 0) && (!shown.critical || entry.critical);
    if (wanted) out.push(at);
    if (entry.id !== null && shown.folded.has(entry.id)) at += node.below;
  }
  return out;
}

const DAY = 86_400_000_000;
/** Round steps of more than ten seconds, in microseconds: 15 s to a day. */
const CLOCK = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400].map((seconds) => seconds * 1_000_000);

/** Round marks on an axis from 0 to this many microseconds, at most `most` of them after 0. */
export function ticks(span: number, most: number): number[] {
  const rough = span / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1e-9)));
  const decimal = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const step = rough <= 10_000_000 ? decimal : CLOCK.find((micros) => micros >= rough) ?? Math.ceil(rough / DAY) * DAY;
  const out: number[] = [];
  for (let mark = 0; mark <= span && out.length <= most; mark += step) out.push(mark);
  return out;
}

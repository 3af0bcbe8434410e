// Counts of a search that come in several answers, the newest records first.

import type { Count, HistogramAnswer } from "../api/types";

/** The counts of one answer and of the one that goes on from it, of the same search. */
export function merged(newer: HistogramAnswer, older: HistogramAnswer): HistogramAnswer {
  const buckets = new Map(newer.buckets.map(({ start, counts }) => [start, counts]));
  for (const { start, counts } of older.buckets) {
    buckets.set(start, added(Object.entries(buckets.get(start) ?? {}), Object.entries(counts)));
  }
  const names = new Set([...Object.keys(newer.facets), ...Object.keys(older.facets)]);
  const facet = (name: string): [string, Count[]] => [name, facets(newer.facets[name] ?? [], older.facets[name] ?? [])];
  return {
    step_ms: newer.step_ms,
    records: newer.records + older.records,
    buckets: [...buckets].map(([start, counts]) => ({ start, counts })),
    facets: Object.fromEntries([...names].map(facet)),
    reach: { ...older.reach, until: newer.reach.until },
    next: older.next,
  };
}

function added(...lists: [string, number][][]): { [level: string]: number } {
  const sums = new Map<string, number>();
  for (const [name, count] of lists.flat()) sums.set(name, (sums.get(name) ?? 0) + count);
  return Object.fromEntries(sums);
}

/** The sums, the most frequent first. A text and a number are different values. */
function facets(newer: Count[], older: Count[]): Count[] {
  const sums = new Map<string | number, number>();
  for (const [found, count] of [...newer, ...older]) sums.set(found, (sums.get(found) ?? 0) + count);
  return [...sums].sort(([, a], [, b]) => b - a);
}

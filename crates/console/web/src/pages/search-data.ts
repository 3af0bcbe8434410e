// What the search page has fetched: pages of records, newest first, and counts. A failed chart
// never hides the rows.

import { useEffect, useRef, useState } from "preact/hooks";
import { type Asked, api, isAbort } from "../api/client";
import type { HistogramAnswer, LogRecord, Reach } from "../api/types";
import { merged } from "../model/histogram";

/** Records of one page. */
const PAGE = 200;
/** Records that the list holds; then the search goes on from the last one as a new one. */
export const LIST_RECORDS = 10_000;
/** Records that the chart counts, in all and of a value's distinct ones in each answer. */
const COUNTED = 5_000;
const VALUES = 1_000;
/** By when each answer is wanted, whatever was found by then: others have their turn in between. */
const WITHIN = "300ms";
/** How long a page, or the chart, is gone on with by itself, in milliseconds. */
const PATIENCE = 15_000;

export interface Found {
  records: LogRecord[];
  next: string | null;
  reach: Reach | null;
  loading: boolean;
  error: unknown;
}

const NOTHING: Found = { records: [], next: null, reach: null, loading: true, error: null };

/** The records that were asked for, shown as they come; `more` fetches the next page. */
export function useRecords(asked: Asked, again: number): Found & { more: () => void } {
  const key = JSON.stringify([asked, again]);
  const [state, setState] = useState<{ key: string; found: Found }>({ key: "", found: NOTHING });
  const running = useRef<AbortController | null>(null);
  const found = state.key === key ? state.found : NOTHING;

  const fetchPage = async (before: Found) => {
    if (running.current) return;
    const controller = new AbortController();
    running.current = controller;
    const full = before.records.length + PAGE;
    const until = Date.now() + PATIENCE;
    let now: Found = { ...before, loading: true, error: null };
    while (now.loading) {
      setState({ key, found: now });
      try {
        const after = now.next;
        const part = await api.search(asked, { limit: full - now.records.length, after, within: WITHIN }, controller.signal);
        // The first part begins at the top of the span, and so do all of them together.
        const reach = { ...part.reach, until: now.reach?.until ?? part.reach.until };
        const records = [...now.records, ...part.records];
        const on = part.next !== null && part.next !== after && part.reach.reason === "time";
        now = { records, next: part.next, reach, loading: on && records.length < full && Date.now() < until, error: null };
      } catch (error) {
        if (isAbort(error)) return;
        now = { ...now, loading: false, error };
      }
      if (running.current !== controller) return;
    }
    running.current = null;
    setState({ key, found: now });
  };
  useEffect(() => {
    void fetchPage(NOTHING);
    return () => {
      running.current?.abort();
      running.current = null;
    };
  }, [key]);

  const more = () => {
    if (!found.loading && found.next !== null && found.records.length < LIST_RECORDS) void fetchPage(found);
  };
  return { ...found, more };
}

export interface Counted {
  answer: HistogramAnswer | null;
  error: unknown;
  /** Whether it is still counted. */
  counting: boolean;
}

/** The counts of what was asked for, shown as they come. Until they do, those of the search before. */
export function useHistogram(asked: Asked, again: number): Counted {
  const key = JSON.stringify([asked, again]);
  const [counted, setCounted] = useState<Counted>({ answer: null, error: null, counting: true });
  useEffect(() => {
    const controller = new AbortController();
    const count = async () => {
      const until = Date.now() + PATIENCE;
      let answer: HistogramAnswer | null = null;
      for (let counting = true; counting;) {
        const after: string | null = answer?.next ?? null;
        const part: HistogramAnswer = await api.histogram(asked, { limit: COUNTED - (answer?.records ?? 0), after, within: WITHIN, values: VALUES }, controller.signal);
        answer = answer === null ? part : merged(answer, part);
        counting = part.next !== null && part.next !== after && part.reach.reason === "time" && answer.records < COUNTED && Date.now() < until;
        if (controller.signal.aborted) return;
        setCounted({ answer, error: null, counting });
      }
    };
    count().catch((error: unknown) => { if (!isAbort(error)) setCounted({ answer: null, error, counting: false }); });
    return () => controller.abort();
  }, [key]);
  return counted;
}

/** The record that an address names: from the list if it is there, or else fetched. */
export function useRecord(key: string, records: LogRecord[], index: number): { record: LogRecord | null; error: unknown } {
  const listed = index >= 0 ? records[index] ?? null : null;
  const [fetched, setFetched] = useState<{ key: string; record: LogRecord | null; error: unknown }>({ key: "", record: null, error: null });
  const wanted = listed === null ? key : "";
  useEffect(() => {
    const slash = wanted.indexOf("/");
    if (slash < 1) return undefined;
    const controller = new AbortController();
    api.record(wanted.slice(0, slash), wanted.slice(slash + 1), controller.signal).then(
      ({ record }) => setFetched({ key: wanted, record, error: null }),
      (error: unknown) => { if (!isAbort(error)) setFetched({ key: wanted, record: null, error }); },
    );
    return () => controller.abort();
  }, [wanted]);
  if (listed) return { record: listed, error: null };
  return fetched.key === key ? fetched : { record: null, error: null };
}

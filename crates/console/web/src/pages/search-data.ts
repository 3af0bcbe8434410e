// What the search page has fetched: pages of records, newest first, and counts. A failed chart
// never hides the rows.

import { useEffect, useRef, useState } from "preact/hooks";
import { type Asked, api, isAbort } from "../api/client";
import type { HistogramAnswer, LogRecord, Reach } from "../api/types";

/** Records of one page. */
const PAGE = 200;
/** Records that the list holds; then the search goes on from the last one as a new one. */
export const LIST_RECORDS = 10_000;

export interface Found {
  records: LogRecord[];
  next: string | null;
  reach: Reach | null;
  loading: boolean;
  error: unknown;
}

const NOTHING: Found = { records: [], next: null, reach: null, loading: true, error: null };

/** The records that were asked for; `more` fetches the next page. */
export function useRecords(asked: Asked, again: number): Found & { more: () => void } {
  const key = JSON.stringify([asked, again]);
  const [state, setState] = useState<{ key: string; found: Found }>({ key: "", found: NOTHING });
  const running = useRef<AbortController | null>(null);
  const found = state.key === key ? state.found : NOTHING;

  const fetchPage = async (before: Found) => {
    if (running.current) return;
    const controller = new AbortController();
    running.current = controller;
    setState({ key, found: { ...before, loading: true, error: null } });
    let after: Found;
    try {
      const page = await api.search(asked, { limit: PAGE, after: before.next }, controller.signal);
      // The first page begins at the top of the span, and so do all of them together.
      const reach = { ...page.reach, until: before.reach?.until ?? page.reach.until };
      after = { records: [...before.records, ...page.records], next: page.next, reach, loading: false, error: null };
    } catch (error) {
      if (isAbort(error)) return;
      after = { ...before, loading: false, error };
    }
    if (running.current !== controller) return;
    running.current = null;
    setState({ key, found: after });
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
}

/** The counts of what was asked for. Until they come, those of the search before. */
export function useHistogram(asked: Asked, again: number): Counted {
  const key = JSON.stringify([asked, again]);
  const [counted, setCounted] = useState<Counted>({ answer: null, error: null });
  useEffect(() => {
    const controller = new AbortController();
    api.histogram(asked, controller.signal).then(
      (answer) => setCounted({ answer, error: null }),
      (error: unknown) => { if (!isAbort(error)) setCounted({ answer: null, error }); },
    );
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

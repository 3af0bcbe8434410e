// The live page: records as they arrive, newest first.

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, isAbort } from "../api/client";
import { type TailListener, listen } from "../api/tail";
import type { LogRecord } from "../api/types";
import { type Route, go, searchAddress } from "../model/route";
import { withTerm } from "../model/query";
import { useKeys } from "../parts/keys";
import { ErrorNote, Note } from "../parts/note";
import { QueryBox } from "../parts/query-box";
import { RecordPanel } from "../parts/record-panel";
import { RecordRow } from "../parts/record-row";
import { Rows, useNarrow } from "../parts/rows";
import { Text } from "../parts/text";
import { Collectors, type Followed } from "../parts/collectors";

/** Records that the page keeps; then the oldest go. */
const KEPT = 2000;
/** Lost collectors that are shown by a note; all are in the list. */
const LOST_SHOWN = 5;
/** Milliseconds between two drawings of what arrived. */
const DRAWN_EVERY = 250;
/** Milliseconds until the next try after the stream broke off. */
const AGAIN_AFTER = [1000, 2000, 5000, 10_000, 30_000];

interface Tail {
  /** Newest first. */
  records: LogRecord[];
  state: "connecting" | "open" | "refused";
  /** Left out by the server, as far as their number is known. */
  skipped: number;
  /** Whether a collector left out records, and it is not told how many. */
  skippedSome: boolean;
  /** How often the stream broke off. */
  broken: number;
  /** Gone from this page past its bound. */
  gone: number;
  /** Waiting while the page is paused. */
  waiting: number;
  collectors: Followed[];
  error: unknown;
}

export function LivePage({ route }: { route: Route }) {
  const [paused, setPaused] = useState(false);
  const tail = useTail(route.query, paused);
  const [opened, setOpened] = useState<LogRecord | null>(null);
  const [active, setActive] = useState(-1);
  const narrow = useNarrow(700);
  const { records } = tail;
  // The active record stays the same one while others arrive above it.
  const chosen = useRef<LogRecord | null>(null);
  useEffect(() => { if (chosen.current) setActive(records.indexOf(chosen.current)); }, [records]);

  const select = (at: number) => {
    const bounded = Math.max(0, Math.min(records.length - 1, at));
    chosen.current = records[bounded] ?? null;
    setActive(bounded);
    if (opened) setOpened(chosen.current);
  };
  const show = (at: number) => { select(at); setOpened(records[at] ?? null); };
  const toQuery = (query: string) => go(searchAddress({ query }, "live"));
  const onTerm = (term: string, exclude: boolean) => { const query = withTerm(route.query, term, exclude); if (query !== null) toQuery(query); };
  useKeys({
    j: () => select(active + 1), k: () => select(active - 1), Enter: () => { if (active >= 0) show(active); },
    p: () => setPaused(!paused), Escape: () => setOpened(null),
  });
  const queryError = tail.error instanceof ApiError && tail.error.status === 400 ? tail.error : null;
  return (
    <main class="live">
      <h1 class="hidden">Live</h1>
      <QueryBox query={route.query} error={queryError} onQuery={toQuery} />
      <div class="bar">
        <p class="facts" role="status">
          <i class={`dot ${paused ? "paused" : tail.state}`} aria-hidden="true" /> {paused ? `paused, ${tail.waiting.toLocaleString("en")} waiting` : tail.state === "open" ? "live" : tail.state}
          {tail.skipped > 0 && ` · ${tail.skipped.toLocaleString("en")} skipped: they came faster than this page could read`}
          {tail.skippedSome && " · a collector skipped some records"}
          {tail.broken > 0 && ` · interrupted ${tail.broken}×: what came meanwhile is in the search`}
          {tail.gone > 0 && ` · the last ${KEPT.toLocaleString("en")} are kept, ${tail.gone.toLocaleString("en")} older are gone`}
        </p>
        <div class="bar-end"><Collectors list={tail.collectors} /><button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>{paused ? "Go on" : "Pause"}</button></div>
      </div>
      {tail.error !== null && queryError === null && <ErrorNote error={tail.error} what="Not live:" />}
      {tail.collectors.filter((one) => one.lost !== null).slice(0, LOST_SHOWN).map((one) => <Note key={one.name} kind="warn"><b>Without the collector <Text text={one.name} most={200} />:</b> <Text text={one.lost ?? ""} />, tried again</Note>)}
      <div class={opened ? "split open" : "split"}>
        <section class="list" aria-label="Records">
          <Rows
            id="live" label="Records as they arrive, newest first" role="listbox" count={records.length} rowHeight={narrow ? 46 : 24}
            active={active} onActive={select} onOpen={show} onKey={(key) => { if (key !== "Enter" || active < 0) return false; show(active); return true; }}
            row={(at) => { const record = records[at]; return record && <RecordRow record={record} columns={NONE} dates={false} />; }}
            footer={<div class="reach">{records.length.toLocaleString("en")} records since the page was opened. A tail shows what arrives; a search shows what is stored.</div>}
          />
        </section>
        {opened && <RecordPanel record={opened} onClose={() => setOpened(null)} onTerm={onTerm} />}
      </div>
    </main>
  );
}

const NONE: string[] = [];
const START = (): Tail => ({ records: [], state: "connecting", skipped: 0, skippedSome: false, broken: 0, gone: 0, waiting: 0, collectors: [], error: null });

function useTail(query: string, paused: boolean): Tail {
  const [tail, setTail] = useState(START);
  const arrived = useRef<LogRecord[]>([]);
  const holding = useRef(paused);
  holding.current = paused;
  useEffect(() => {
    const controller = new AbortController();
    arrived.current = [];
    let gone = 0;
    setTail(START());
    const draw = setInterval(() => {
      if (arrived.current.length === 0) return;
      const left = gone;
      gone = 0;
      if (holding.current) {
        const waiting = arrived.current.length;
        setTail((before) => ({ ...before, waiting, gone: before.gone + left }));
      } else {
        const news = arrived.current.reverse();
        arrived.current = [];
        setTail((before) => {
          const records = [...news, ...before.records];
          const over = Math.max(0, records.length - KEPT);
          return { ...before, records: records.slice(0, KEPT), waiting: 0, gone: before.gone + left + over };
        });
      }
    }, DRAWN_EVERY);
    void keepListening(query, controller.signal, {
      set: (change) => setTail((before) => ({ ...before, ...change })),
      record: (record) => {
        arrived.current.push(record);
        if (arrived.current.length > KEPT) { arrived.current.shift(); gone += 1; }
      },
      change: (made) => setTail((before) => ({ ...before, ...made(before) })),
    });
    return () => { controller.abort(); clearInterval(draw); };
  }, [query]);
  return tail;
}

interface Sink {
  set: (change: Partial<Tail>) => void;
  record: (record: LogRecord) => void;
  change: (made: (before: Tail) => Partial<Tail>) => void;
}

/** Listens, and tries again when the stream breaks off, until the signal comes or the server refuses. */
async function keepListening(query: string, signal: AbortSignal, sink: Sink): Promise<void> {
  const told = (name: string, answers: boolean, lost: string | null) => sink.change(({ collectors }) => ({
    collectors: collectors.map((one) => (one.name === name ? { name, answers, lost } : one)),
  }));
  let open = false;
  const listener: TailListener = {
    record: sink.record,
    open: () => { open = true; sink.set({ state: "open", error: null }); },
    skipped: (count) => sink.change(({ skipped, skippedSome }) => ({ skipped: skipped + (count ?? 0), skippedSome: skippedSome || count === null })),
    collectors: (list) => sink.change(({ collectors }) => ({
      collectors: list.map((name) => collectors.find((one) => one.name === name) ?? { name, answers: false, lost: null }),
    })),
    following: (name) => told(name, true, null),
    lost: (name, message) => told(name, false, message),
  };
  for (let tries = 0; !signal.aborted; tries += 1) {
    try {
      sink.set({ state: "connecting", collectors: [] });
      await listen(query, listener, signal);
    } catch (error) {
      if (isAbort(error)) return;
      const refused = error instanceof ApiError && [400, 401, 403, 404].includes(error.status);
      sink.set({ error, state: refused ? "refused" : "connecting" });
      if (refused) return;
    }
    if (open) {
      tries = 0;
      open = false;
      sink.change(({ broken }) => ({ broken: broken + 1 }));
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER[Math.min(tries, AGAIN_AFTER.length - 1)]));
  }
}

// The flow page: everything with one correlation id, gateway and services, in time.

import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiError, api, isAbort } from "../api/client";
import type { FlowAnswer } from "../api/types";
import { type Route, flowAddress, go, searchAddress } from "../model/route";
import { duration, shortTime } from "../model/time";
import { COLOURS, type Node, layOut, toBeSeen } from "../model/waterfall";
import { value } from "../model/query";
import { Copy } from "../parts/copy";
import { FlowRow, Ruler } from "../parts/flow-row";
import { Icon } from "../parts/icon";
import { useKeys } from "../parts/keys";
import { Link } from "../parts/link";
import { ErrorNote, Note } from "../parts/note";
import { RecordPanel } from "../parts/record-panel";
import { Rows, useNarrow } from "../parts/rows";
import { Text } from "../parts/text";
import { useRecord } from "./search-data";

const NOTHING_FOLDED: ReadonlySet<string> = new Set();

export function FlowPage({ route }: { route: Route }) {
  const { answer, error, retry } = useFlow(route.flow);
  const unknown = error instanceof ApiError && error.status === 404;
  return (
    <main class="flow">
      <header class="flow-head">
        <h1>Flow <span class="id"><Text text={route.flow} most={128} /></span></h1>
        <Copy text={() => route.flow} label="Copy the correlation id" class="tool"><Icon name="copy" /></Copy>
      </header>
      {unknown && <Note>No record has this correlation id, none that you may see, or its time is over.</Note>}
      {error !== null && !unknown && <ErrorNote error={error} what="The flow cannot be shown:" onRetry={retry} />}
      {answer === null && error === null && <Note>Fetching the flow …</Note>}
      {answer && <Waterfall route={route} answer={answer} />}
    </main>
  );
}

function useFlow(correlation: string) {
  const [again, setAgain] = useState(0);
  const [state, setState] = useState<{ of: string; answer: FlowAnswer | null; error: unknown }>({ of: "", answer: null, error: null });
  useEffect(() => {
    const controller = new AbortController();
    setState({ of: correlation, answer: null, error: null });
    api.flow(correlation, controller.signal).then(
      (answer) => setState({ of: correlation, answer, error: null }),
      (error: unknown) => { if (!isAbort(error)) setState({ of: correlation, answer: null, error }); },
    );
    return () => controller.abort();
  }, [correlation, again]);
  const current = state.of === correlation ? state : { answer: null, error: null };
  return { ...current, retry: () => setAgain(again + 1) };
}

function Waterfall({ route, answer }: { route: Route; answer: FlowAnswer }) {
  const flow = useMemo(() => layOut(answer.records), [answer]);
  const [show, setShow] = useState({ errors: false, critical: false, lines: true });
  const [folded, setFolded] = useState(NOTHING_FOLDED);
  const [zoom, setZoom] = useState<{ since: number; until: number } | null>(null);
  const [active, setActive] = useState(-1);
  const narrow = useNarrow(700);
  useEffect(() => { setFolded(NOTHING_FOLDED); setZoom(null); }, [answer]);

  const seen = useMemo(() => toBeSeen(flow.nodes, { ...show, folded }), [flow, show, folded]);
  const { since, until } = zoom ?? flow;
  const node = (at: number) => flow.nodes[seen[at] ?? -1];
  const keyOf = (at: number) => { const entry = node(at)?.entry; return entry?.id != null ? `${entry.level}/${entry.id}` : ""; };
  const opened = useMemo(() => {
    const id = route.record.slice(route.record.indexOf("/") + 1);
    return id === "" ? -1 : flow.nodes.findIndex(({ entry }) => entry.id === id);
  }, [flow, route.record]);
  useEffect(() => { const at = seen.indexOf(opened); if (opened >= 0 && at >= 0) setActive(at); }, [opened, seen]);

  const open = (at: number) => go(flowAddress(route.flow, keyOf(at)), route.record !== "");
  const close = () => go(flowAddress(route.flow), true);
  const select = (at: number) => {
    if (seen.length === 0) return;
    const bounded = Math.max(0, Math.min(seen.length - 1, at));
    setActive(bounded);
    if (route.record !== "") open(bounded);
  };
  const fold = (at: number, to: boolean) => {
    const one = node(at);
    const id = one?.entry.id ?? null;
    if (!one || one.below === 0 || id === null || folded.has(id) === to) return false;
    const next = new Set(folded);
    if (to) next.add(id); else next.delete(id);
    setFolded(next);
    return true;
  };
  const isFolded = ({ entry }: Node) => entry.id !== null && folded.has(entry.id);
  const nextError = (step: 1 | -1) => {
    for (let at = active + step; at >= 0 && at < seen.length; at += step) if (node(at)?.entry.error) return select(at);
  };
  const zoomTo = (at: number) => {
    const one = node(at);
    if (!one) return;
    const room = Math.max(one.length, (until - since) / 50, 100) * 0.1;
    setZoom({ since: one.start - room, until: one.start + Math.max(one.length, room * 2) + room });
  };
  useKeys({
    j: () => select(active + 1), k: () => select(active - 1), Enter: () => { if (active >= 0) open(active); },
    e: () => nextError(1), E: () => nextError(-1), z: () => zoomTo(active), Z: () => setZoom(null),
    Escape: () => { if (route.record !== "") close(); else setZoom(null); },
  });
  const treeKey = (key: string) => {
    if (key === "Enter" && active >= 0) { open(active); return true; }
    if (key === "ArrowLeft") {
      if (fold(active, true)) return true;
      const depth = node(active)?.depth ?? 0;
      for (let at = active - 1; at >= 0; at -= 1) if ((node(at)?.depth ?? 0) < depth) { select(at); return true; }
      return true;
    }
    if (key === "ArrowRight") { if (!fold(active, false)) select(active + 1); return true; }
    return false;
  };
  const toggle = (name: keyof typeof show, text: string) => (
    <label class="switch"><input type="checkbox" checked={show[name]} onChange={() => setShow({ ...show, [name]: !show[name] })} /> {text}</label>
  );
  // The answer has what flows keep of a record, and past a bound only its id: the whole is asked for.
  const given = flow.nodes[opened]?.entry.record;
  const fetched = useRecord(given === undefined ? "" : route.record, [], -1);
  const record = fetched.record ?? (given !== undefined && Object.keys(given).length > 1 ? given : null);
  const failed = record === null && fetched.error !== null;
  return (
    <>
      <div class="bar">
        <p class="facts" role="status">
          <b>{flow.nodes.length.toLocaleString("en")}</b> records · <b class={flow.errors > 0 ? "level-text ERROR" : ""}>{flow.errors.toLocaleString("en")}</b> failed · <b>{duration(flow.until - flow.since)}</b>{" "}
          · from {flow.nodes.length > 0 ? `${shortTime(flow.since)} UTC` : "–"}
        </p>
        <div class="bar-end">
          {toggle("errors", "failed only")}
          {toggle("critical", "critical path only")}
          {toggle("lines", "lines of logs")}
          {zoom && <button type="button" onClick={() => setZoom(null)}>Whole time</button>}
          <Link to={searchAddress({ query: `correlation:${value(answer.correlation_id ?? route.flow)}`, since: flow.since - 1_000_000, until: flow.until + 1_000_000 })}>As a list</Link>
        </div>
      </div>
      <Completeness answer={answer} />
      <p class="sources" aria-label="Sources">{flow.sources.slice(0, 30).map((source, at) => <span key={source}><i class={`dot c${at % COLOURS}`} /> <Text text={source} most={60} /></span>)}</p>
      <div class={record || failed ? "split open" : "split"}>
        <section class="list" aria-label="Waterfall">
          <Ruler since={since} until={until} origin={flow.since} onSpan={(from, to) => setZoom({ since: from, until: to })} />
          <Rows
            id="flow" label="Records of the flow, as a tree in time" role="tree" count={seen.length} rowHeight={narrow ? 40 : 24}
            active={active} onActive={setActive} onOpen={open} onKey={treeKey}
            attributes={(at) => {
              const one = node(at);
              return { "aria-level": (one?.depth ?? 0) + 1, "aria-expanded": one && one.below > 0 ? !isFolded(one) : undefined };
            }}
            row={(at) => {
              const one = node(at);
              return one && <FlowRow node={one} since={since} until={until} folded={isFolded(one)} onFold={() => fold(at, !isFolded(one))} />;
            }}
            footer={<div class="reach">{seen.length < flow.nodes.length ? `${seen.length.toLocaleString("en")} of ${flow.nodes.length.toLocaleString("en")} records shown` : `${seen.length.toLocaleString("en")} records`}</div>}
          />
        </section>
        {record && <RecordPanel record={record} onClose={close} inFlow />}
        {failed && <aside class="panel" aria-label="Record"><ErrorNote error={fetched.error} what="The record cannot be shown:" /><button type="button" onClick={close}>Close</button></aside>}
      </div>
    </>
  );
}

const REASONS: { [reason: string]: string } = {
  records: "It has more records than can be shown at once.",
  time: "It took too long to look everywhere.",
  "": "Its end was not reached.",
};

function Completeness({ answer }: { answer: FlowAnswer }) {
  return (
    <>
      {!answer.complete && <Note kind="warn"><b>Not all of this flow.</b> {Object.hasOwn(REASONS, answer.reason ?? "") ? REASONS[answer.reason ?? ""] : <Text text={String(answer.reason)} />}</Note>}
      {answer.hidden && <Note kind="warn"><b>Other organizations took part.</b> Their records are not shown to you.</Note>}
      {answer.records.length === 0 && <Note>No record has this correlation id, or its time is over.</Note>}
    </>
  );
}

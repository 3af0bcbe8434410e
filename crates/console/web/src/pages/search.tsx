// The search page: a query, a span of time, counts, and the records, newest first.

import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiError, api } from "../api/client";
import { FACETS } from "../model/fields";
import { withTerm } from "../model/query";
import { COLUMNS, type Route, go, searchAddress, spanOf } from "../model/route";
import { dateOf, rfc3339 } from "../model/time";
import { Facets } from "../parts/facets";
import { Histogram } from "../parts/histogram";
import { Icon } from "../parts/icon";
import { useKeys } from "../parts/keys";
import { ErrorNote, Note } from "../parts/note";
import { QueryBox } from "../parts/query-box";
import { RecordPanel, keyOf } from "../parts/record-panel";
import { RecordRow } from "../parts/record-row";
import { Rows, useNarrow } from "../parts/rows";
import { Span } from "../parts/span";
import { Text } from "../parts/text";
import { Views } from "../parts/views";
import { FindNotes, useFind } from "./find";
import { useHistogram, useRecord, useRecords } from "./search-data";
import { SearchFooter } from "./search-footer";

export function SearchPage({ route }: { route: Route }) {
  const { since, until } = useMemo(() => spanOf(route), [route.since, route.until]);
  const [again, setAgain] = useState(0);
  const [active, setActive] = useState(-1);
  const find = useFind();
  const narrow = useNarrow(700);

  const here = { ...route, since, until };
  const to = (change: Partial<Route>, replace = false) => go(searchAddress({ ...here, ...change }), replace);
  // An address without absolute times gets them at once.
  useEffect(() => {
    if (route.since !== since || route.until !== until) to({}, true);
  }, [since, until]);

  const asked = { query: route.query, since: rfc3339(since), until: rfc3339(until), reach: route.everything ? "everything" as const : null };
  const found = useRecords(asked, again);
  const { answer, error: histogramError, counting } = useHistogram(asked, again);
  const { records } = found;
  const searched = `${route.query} ${since} ${until} ${route.everything} ${again}`;
  useEffect(() => { setActive(-1); find.forget(); }, [searched]);

  const index = useMemo(() => route.record === "" ? -1 : records.findIndex((record) => keyOf(record) === route.record), [records, route.record]);
  useEffect(() => { if (index >= 0) setActive(index); }, [index]);
  const opened = useRecord(route.record, records, index);

  const show = (at: number) => { const record = records[at]; if (record) to({ record: keyOf(record) }, route.record !== ""); };
  const close = () => to({ record: "" }, true);
  const select = (at: number) => {
    if (records.length === 0) return;
    const bounded = Math.max(0, Math.min(records.length - 1, at));
    setActive(bounded);
    if (route.record !== "") show(bounded);
  };
  const onTerm = (term: string, exclude: boolean) => {
    const query = withTerm(route.query, term, exclude);
    if (query !== null) to({ query });
  };
  const onQuery = (query: string) => {
    if (find.start(query)) return;
    if (query === route.query) setAgain(again + 1);
    else to({ query, record: "" });
  };
  useKeys({
    j: () => select(active + 1),
    k: () => select(active - 1),
    Enter: () => show(active),
    Escape: () => { if (route.record !== "") close(); },
  });

  const queryError = found.error instanceof ApiError && found.error.status === 400 ? found.error : null;
  const dates = dateOf(since) !== dateOf(until);
  const onColumn = (path: string) => {
    const columns = route.columns.includes(path) ? route.columns.filter((other) => other !== path) : [...route.columns, path].slice(-COLUMNS);
    to({ columns });
  };
  const onSpan = (from: number, before: number) => to({ since: from, until: before });
  const facets = answer && <Facets facets={answer.facets} complete={answer.reach.complete} onTerm={onTerm} />;
  const facetCount = Object.keys(answer?.facets ?? {}).filter((name) => Object.hasOwn(FACETS, name)).length;
  return (
    <main class="search">
      <h1 class="hidden">Search</h1>
      <QueryBox query={route.query} error={queryError} onQuery={onQuery} busy={find.finding} />
      <div class="bar">
        <Span since={since} until={until} onSpan={onSpan} />
        <div class="bar-end">
          {route.everything && <button type="button" aria-pressed={true} onClick={() => to({ everything: false })} title="Reads all records of the time; press to use the index of flows again">Everything ✕</button>}
          <Views route={here} />
          <details class="menu">
            <summary>Export</summary>
            <div class="menu-body">
              <a href={api.exportAddress(asked, "ndjson")} download>NDJSON, one record a line</a>
              <a href={api.exportAddress(asked, "csv")} download>CSV, for spreadsheets</a>
              <p class="hint">The records of this search. An export has a bound; its last line says whether it was reached.</p>
            </div>
          </details>
        </div>
      </div>
      <FindNotes find={find} here={here} />
      {queryError === null && (answer
        ? <Histogram answer={answer} counting={counting} since={since} until={until} onSpan={onSpan} />
        : <div class="histogram">{histogramError !== null && <ErrorNote error={histogramError} what="Not counted:" />}</div>)}
      <div class={route.record === "" ? "split" : "split open"}>
        {narrow
          ? facets && <details class="facets-menu"><summary>Filter by {facetCount} fields</summary>{facets}</details>
          : <div class="side" tabIndex={0} role="region" aria-label="Filters">{facets}</div>}
        <section class="list" aria-label="Records">
          {!narrow && <Heads columns={route.columns} dates={dates} onColumn={onColumn} />}
          <Rows
            id="record" label="Records, newest first" role="listbox" count={records.length} rowHeight={narrow ? 46 : 24}
            active={active} onActive={setActive} onOpen={show} onKey={(key) => { if (key !== "Enter" || active < 0) return false; show(active); return true; }}
            onEnd={() => { if (found.reach?.reason !== "time") found.more(); }}
            row={(at) => { const record = records[at]; return record && <RecordRow record={record} columns={narrow ? NONE : route.columns} dates={dates} />; }}
            footer={<SearchFooter found={found} bad={queryError !== null} onRetry={() => records.length > 0 ? found.more() : setAgain(again + 1)} onEverything={() => to({ everything: true })} onGoOn={(before) => to({ until: before, since: Math.min(since, before - 1000) })} />}
          />
        </section>
        {opened.record
          ? <RecordPanel record={opened.record} onClose={close} onTerm={onTerm} columns={route.columns} onColumn={onColumn} />
          : route.record !== "" && (
            <aside class="panel" aria-label="Record">
              {opened.error === null ? <Note>Fetching the record …</Note> : <ErrorNote error={opened.error} what="The record cannot be shown:" />}
              <button type="button" onClick={close}>Close</button>
            </aside>
          )}
      </div>
    </main>
  );
}

const NONE: string[] = [];

function Heads({ columns, dates, onColumn }: { columns: string[]; dates: boolean; onColumn: (path: string) => void }) {
  return (
    <div class="heads row">
      <span class="when">{dates ? "date, time" : "time"}</span><span class="level">level</span><span class="source">service</span>
      <span class="status">status</span><span class="took">duration</span><span class="message">message</span>
      {columns.map((path) => (
        <span class="column" key={path}>
          <Text text={path} most={60} />
          <button type="button" class="tool" aria-label={`Remove the column ${path.slice(0, 80)}`} onClick={() => onColumn(path)}><Icon name="close" /></button>
        </span>
      ))}
    </div>
  );
}

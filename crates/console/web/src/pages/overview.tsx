// The overview: how many requests, errors and how long, over a period; by what; and how that changed.

import { useEffect, useMemo, useState } from "preact/hooks";
import { api, isAbort } from "../api/client";
import type { OverviewAnswer } from "../api/types";
import { changeText, countText, minuteText, ratioText, reasonTexts, timeText } from "../model/overview";
import { type Route, go, searchAddress, spanOf } from "../model/route";
import { parseTime, rfc3339 } from "../model/time";
import { Counts } from "../parts/counts";
import { ErrorNote, Note } from "../parts/note";
import { OverTime } from "../parts/over-time";
import { QueryBox } from "../parts/query-box";
import { Span } from "../parts/span";
import { Text } from "../parts/text";
import { FindNotes, useFind } from "./find";

const TABLES = ["routes", "errors", "organizations", "loggers"] as const;

export function OverviewPage({ route }: { route: Route }) {
  const { since, until } = useMemo(() => spanOf(route), [route.since, route.until]);
  const [again, setAgain] = useState(0);
  const find = useFind();
  const onSpan = (from: number, before: number, replace = false) => go(searchAddress({ since: from, until: before }, ""), replace);
  // An address without absolute times gets them at once.
  useEffect(() => {
    if (route.since !== since || route.until !== until) onSpan(since, until, true);
  }, [since, until]);
  const { answer, error } = useOverview(since, until, again);
  const onQuery = (query: string) => {
    if (!find.start(query)) go(searchAddress({ query, since, until }));
  };
  const span = answer && { since: parseTime(answer.from) ?? since, until: parseTime(answer.until) ?? until };
  const address = (query: string) => searchAddress({ query, since: span?.since ?? since, until: span?.until ?? until });
  return (
    <main class="overview">
      <h1 class="hidden">Overview</h1>
      <QueryBox query="" error={null} onQuery={onQuery} busy={find.finding} />
      <div class="bar"><Span since={since} until={until} onSpan={onSpan} /></div>
      <FindNotes find={find} here={{ since, until }} />
      {error !== null && <ErrorNote error={error} what="The overview cannot be shown:" onRetry={() => setAgain(again + 1)} />}
      {answer === null && error === null && <Note>Fetching the counts …</Note>}
      {answer && error === null && (
        <>
          <Completeness answer={answer} />
          <Totals answer={answer} />
          <OverTime answer={answer} onSpan={onSpan} />
          <div class="tables">
            {TABLES.map((name) => { const table = answer[name]; return table && (answer.routes || name !== "organizations" || table.names > 1) && <Counts key={name} name={name} table={table} address={address} />; })}
          </div>
        </>
      )}
    </main>
  );
}

function useOverview(since: number, until: number, again: number): { answer: OverviewAnswer | null; error: unknown } {
  const [state, setState] = useState<{ answer: OverviewAnswer | null; error: unknown }>({ answer: null, error: null });
  useEffect(() => {
    const controller = new AbortController();
    api.overview({ since: rfc3339(since), until: rfc3339(until) }, controller.signal).then(
      (answer) => setState({ answer, error: null }),
      (error: unknown) => { if (!isAbort(error)) setState((before) => ({ ...before, error })); },
    );
    return () => controller.abort();
  }, [since, until, again]);
  return state;
}

/** Whether the numbers are all, and how to get them counted if they are not. */
function Completeness({ answer }: { answer: OverviewAnswer }) {
  const period = `${minuteText(answer.from)} – ${minuteText(answer.until)} UTC, by the ${answer.resolution}`;
  const open = answer.counted_to < answer.until;
  return (
    <>
      {!answer.counting && <Note kind="warn"><b>Nobody counts.</b> <Text text={answer.explanation ?? ""} most={400} /></Note>}
      <p class="completeness" role="status">
        {answer.complete
          ? <b class="whole-mark">Complete{open && ` up to ${minuteText(answer.counted_to).slice(0, 19)}`}.</b>
          : <><b class="part-mark">Not complete.</b> {reasonTexts(answer).map((text) => <span key={text}><Text text={text} most={300} /> </span>)}</>}{" "}
        <span class="hint">{period}</span>
      </p>
    </>
  );
}

function Totals({ answer }: { answer: OverviewAnswer }) {
  const { totals } = answer;
  const { before } = totals;
  const was = (text: string) => before && before.count > 0 && <span class="hint">{text} before</span>;
  return (
    <dl class="totals">
      <div><dt>requests</dt><dd>{countText(totals.count)} <span class="hint">{changeText(totals)}</span></dd></div>
      <div class={totals.errors > 0 ? "some" : ""}><dt>errors</dt><dd>{ratioText(totals.errors, totals.count)} {before && was(ratioText(before.errors, before.count))}</dd></div>
      {(["p50_us", "p90_us", "p99_us", "mean_us"] as const).map((key) => (
        <div key={key}><dt>{key.replace("_us", "")}</dt><dd>{timeText(totals[key])} {before && was(timeText(before[key]))}</dd></div>
      ))}
    </dl>
  );
}

// The delivery page: where every record is, by gateway and service, and what is missing.

import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiError, api, isAbort } from "../api/client";
import type { Boot, DeliveryAnswer, Terms } from "../api/types";
import { MEANINGS, PLACES, type Sender, difference, senders, sum, verdict } from "../model/delivery";
import { parseTime, shortTime } from "../model/time";
import { Copy } from "../parts/copy";
import { Icon } from "../parts/icon";
import { ErrorNote, Note } from "../parts/note";
import { Text } from "../parts/text";

/** Milliseconds between two looks. */
const EVERY = 10_000;
/** Senders, and boots of one, that are shown at first. */
const FIRST = 100;

export function DeliveryPage() {
  const { answer, error, at, retry } = useDelivery();
  const [all, setAll] = useState(false);
  const list = useMemo(() => answer ? senders(answer) : [], [answer]);
  if (error instanceof ApiError && error.status === 403) {
    return <main class="delivery"><h1>Delivery</h1><Note kind="warn">The accounting is of all organizations, so only those who may see all of them may see it.</Note></main>;
  }
  const total = answer && sum(answer.sums ? [answer.sums] : answer.boots);
  return (
    <main class="delivery" tabIndex={-1}>
      <h1>Delivery</h1>
      {error !== null && <ErrorNote error={error} what={answer ? "No longer current:" : "The accounting cannot be shown:"} onRetry={retry} />}
      {answer === null && error === null && <Note>Fetching the accounting …</Note>}
      {answer && total && (
        <>
          <Total total={total} answer={answer} at={at} />
          <div class="table" tabIndex={0} role="region" aria-label="Accounting by gateway and service">
            <table>
              <thead>
                <tr>
                  <th scope="col">gateway or service</th><th scope="col">state</th><th scope="col" class="n">assigned</th>
                  {PLACES.map((place) => <th key={place} scope="col" class="n" title={MEANINGS[place]}>{place}</th>)}
                  <th scope="col" class="n" title="requests without a record, by the configuration">sampled out</th><th scope="col">last report, UTC</th>
                </tr>
              </thead>
              {list.slice(0, all ? undefined : FIRST).map((sender) => <SenderRows key={sender.name} sender={sender} />)}
            </table>
          </div>
          {list.length === 0 && <Note>No gateway has reported yet.</Note>}
          {!all && list.length > FIRST && <button type="button" onClick={() => setAll(true)}>Show all {list.length}</button>}
          {answer.complete === false && <Note kind="warn">Not all accounts of the collectors could be read: what is here is not all.</Note>}
          {answer.next && <Note kind="warn">There are more boots than one answer has: these are the first {answer.boots.length.toLocaleString("en")}.</Note>}
        </>
      )}
    </main>
  );
}

function useDelivery() {
  const [again, setAgain] = useState(0);
  const [state, setState] = useState<{ answer: DeliveryAnswer | null; error: unknown; at: number }>({ answer: null, error: null, at: 0 });
  useEffect(() => {
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      try {
        const answer = await api.delivery(controller.signal);
        setState({ answer, error: null, at: Date.now() });
      } catch (error) {
        if (isAbort(error)) return;
        setState((before) => ({ ...before, error }));
        if (error instanceof ApiError && error.status === 403) return;
      }
      if (!controller.signal.aborted) timer = setTimeout(look, EVERY);
    };
    void look();
    return () => { controller.abort(); clearTimeout(timer); };
  }, [again]);
  return { ...state, retry: () => setAgain(again + 1) };
}

function Total({ total, answer, at }: { total: Terms; answer: DeliveryAnswer; at: number }) {
  const off = difference(total);
  const lost = total.missing + total.unknown + total.dropped + total.quarantined;
  const state = verdict(total);
  const unnumbered = answer.unnumbered;
  return (
    <section class="total" aria-label="All together">
      <p class={`verdict ${state.replaceAll(" ", "-")}`} role="status">
        <b>{state === "complete" ? "Everything is in the database." : state === "on its way" ? "Nothing is lost; some records are on their way." : lost === 0 ? "Nobody can tell whether everything is in the database." : `${lost.toLocaleString("en")} records are not in the database.`}</b>{" "}
        <span class="hint">as of {at === 0 ? "–" : shortTime(at * 1000).slice(0, 19)} UTC</span>
      </p>
      <Places terms={total} tall />
      <dl class="terms">
        <div><dt>assigned</dt><dd>{total.assigned.toLocaleString("en")}</dd></div>
        {PLACES.map((place) => <div key={place} title={MEANINGS[place]}><dt><i class={`dot ${place}`} aria-hidden="true" /> {place}</dt><dd>{total[place].toLocaleString("en")}</dd></div>)}
      </dl>
      {off !== 0 && <Note kind="warn">The counts do not reconcile: {Math.abs(off).toLocaleString("en")} {off > 0 ? "assigned records are in no place" : "more records are in some place than were assigned"}.</Note>}
      {unnumbered && unnumbered.accepted + unnumbered.quarantined > 0 && (
        <p class="hint">Besides, {unnumbered.accepted.toLocaleString("en")} records without a number were accepted and {unnumbered.quarantined.toLocaleString("en")} refused. Nobody can tell whether any of those are missing.</p>
      )}
    </section>
  );
}

/** A bar with the share of each place. The smallest is still to be seen. */
function Places({ terms, tall = false }: { terms: Terms; tall?: boolean }) {
  const there = PLACES.filter((place) => terms[place] > 0);
  const label = there.map((place) => `${terms[place].toLocaleString("en")} ${place}`).join(", ") || "no records";
  return (
    <span class={tall ? "places tall" : "places"} role="img" aria-label={label}>
      {there.map((place) => <span key={place} class={place} style={{ flexGrow: terms[place] }} />)}
    </span>
  );
}

function SenderRows({ sender }: { sender: Sender }) {
  const [open, setOpen] = useState(false);
  return (
    <tbody>
      <tr class="sender">
        <th scope="row">
          <button type="button" class="fold" aria-expanded={open} onClick={() => setOpen(!open)}>
            <span aria-hidden="true">{open ? "▾" : "▸"}</span> <Text text={sender.name} most={128} />
            <span class="count"> {sender.boots.length.toLocaleString("en")} {sender.boots.length === 1 ? "boot" : "boots"}</span>
          </button>
          <Places terms={sender.sum} />
        </th>
        <Numbers terms={sender.sum} updated={sender.updated} />
      </tr>
      {open && sender.boots.slice(0, FIRST).map((boot) => <BootRow key={boot.boot} boot={boot} />)}
      {open && sender.boots.length > FIRST && <tr><td colSpan={12} class="hint">{sender.boots.length - FIRST} older boots are not listed; the sum has them.</td></tr>}
    </tbody>
  );
}

function BootRow({ boot }: { boot: Boot }) {
  const reasons = Object.entries(boot.dropped_by_reason ?? {}).filter(([, count]) => count > 0);
  const gaps = Array.isArray(boot.gaps) ? boot.gaps : [];
  return (
    <tr class="boot">
      <th scope="row">
        <code><Text text={boot.boot} most={40} /></code> <Copy text={() => boot.boot} label="Copy the boot" class="tool"><Icon name="copy" /></Copy>
        {reasons.length > 0 && <div class="hint">dropped: {reasons.slice(0, 20).map(([reason, count]) => <span key={reason}>{count.toLocaleString("en")} <Text text={reason} most={64} /> </span>)}</div>}
        {gaps.length > 0 && <div class="hint">missing numbers: <Text text={gaps.slice(0, 20).map((gap) => Array.isArray(gap) ? gap.join("–") : JSON.stringify(gap)).join(", ")} most={400} />{gaps.length > 20 && " …"}</div>}
      </th>
      <Numbers terms={boot} updated={boot.updated} />
    </tr>
  );
}

function Numbers({ terms, updated }: { terms: Terms; updated: string }) {
  const state = verdict(terms);
  const time = parseTime(updated);
  return (
    <>
      <td><span class={`state ${state.replaceAll(" ", "-")}`}>{state}</span></td>
      <td class="n">{(terms.assigned ?? 0).toLocaleString("en")}</td>
      {PLACES.map((place) => <td key={place} class={terms[place] > 0 ? `n some ${place}` : "n zero"}>{(terms[place] ?? 0).toLocaleString("en")}</td>)}
      <td class={terms.sampled > 0 ? "n" : "n zero"}>{(terms.sampled ?? 0).toLocaleString("en")}</td>
      <td class="time-cell">{time === null ? "–" : shortTime(time).slice(0, 19)}</td>
    </>
  );
}

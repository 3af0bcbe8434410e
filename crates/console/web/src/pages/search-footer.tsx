// Below the list: how many records, how far back was searched, and how to go on.

import { parseTime, shortTime } from "../model/time";
import { textAt } from "../model/fields";
import { ErrorNote } from "../parts/note";
import { type Found, LIST_RECORDS } from "./search-data";

interface Properties {
  found: Found & { more: () => void };
  /** The query itself was refused, which is said elsewhere. */
  bad: boolean;
  onRetry: () => void;
  /** Searches also what belongs to no flow. */
  onEverything: () => void;
  /** Searches on as a new search that ends at this time, in microseconds. */
  onGoOn: (before: number) => void;
}

export function SearchFooter({ found, bad, onRetry, onEverything, onGoOn }: Properties) {
  const { records, reach, next, loading, error } = found;
  if (bad) return <div class="reach">The query cannot be read.</div>;
  if (error !== null) {
    return <div class="reach"><ErrorNote error={error} what={records.length > 0 ? "No further records:" : "No records:"} onRetry={onRetry} /></div>;
  }
  const count = records.length === 0 ? "No records" : `${records.length.toLocaleString("en")} ${records.length === 1 ? "record" : "records"}`;
  const last = parseTime(records.at(-1) ? textAt(records.at(-1) ?? {}, "timestamp") : "");
  const full = records.length >= LIST_RECORDS && next !== null;
  const from = reach && shortTime(parseTime(reach.from) ?? 0).slice(0, 23);
  return (
    <div class="reach" role="status">
      {loading || reach === null
        ? <span class="busy">{reach === null ? "Searching …" : `${count} so far, searched back to ${from}, searching on …`}</span>
        : next === null && reach.complete
          ? <span><b class="whole-mark">●</b> {count}: all that match, searched back to {from}.</span>
          : <span><b class="part-mark">◐</b> {count} so far, searched back to {from}{reach.reason === "time" && ": the search took too long"}.</span>}
      {!loading && next !== null && !full && <button type="button" onClick={found.more}>{reach?.reason === "time" ? "Search on" : "Go on"}</button>}
      {!loading && reach?.only_flows && (
        <span>Only records that belong to a flow. <button type="button" onClick={onEverything}>Search everything</button></span>
      )}
      {full && last !== null && (
        <span>The list holds {LIST_RECORDS.toLocaleString("en")}. <button type="button" onClick={() => onGoOn(last + 1)}>Go on from its end</button></span>
      )}
    </div>
  );
}

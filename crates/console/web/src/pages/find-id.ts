// Finding a request by an id that somebody pasted, whatever id it is, and whenever it was.

import { api } from "../api/client";
import type { LogRecord } from "../api/types";
import { textAt } from "../model/fields";
import { value } from "../model/query";
import { flowAddress, searchAddress } from "../model/route";
import { now, parseTime, rfc3339 } from "../model/time";
import { keyOf } from "../parts/record-panel";

/** How far back: the longest time that records are kept by default. */
const DAYS = 120;
/** Records of one look-up: a request, and what services logged meanwhile. */
const RECORDS = 100;
/** Pages read of one look-up that runs out of time, before it gives up. */
const PAGES = 5;
/** What is shown around a record that was found, in microseconds. */
const AROUND = 15 * 60_000_000;

export interface NotFound {
  id: string;
  /** Back to when it was looked for. */
  from: string;
  complete: boolean;
}

/** The address of what the id names, or that it names nothing. */
export async function findId(id: string, signal: AbortSignal): Promise<string | NotFound> {
  const lower = id.toLowerCase();
  // A request id is compared letter by letter; ids are nearly always in lower case.
  const ids = lower === id ? [id] : [id, lower];
  const until = now() + 60_000_000;
  let from = rfc3339(until - DAYS * 86_400_000_000);
  let complete = true;
  for (const one of ids) {
    const looks = await Promise.all([
      ...["request", "correlation", "trace"].map((field) => lookUp(`${field}:${value(one)}`, from, rfc3339(until), signal)),
      ...(one.length === 36 ? [lookUp(`id:${value(one)}`, from, rfc3339(until), signal)] : []),
    ]);
    const [request, correlation, trace, record] = looks;
    const own = request?.record ?? record?.record;
    if (own) return besides(own, request?.record ? `request:${value(one)}` : `id:${value(one)}`);
    if (correlation?.record) return flowAddress(one);
    const flow = trace?.record ? textAt(trace.record, "context.correlation_id") : "";
    if (flow !== "") return flowAddress(flow);
    for (const look of looks) {
      complete &&= look.complete;
      if (look.from > from) from = look.from;
    }
  }
  return { id, from, complete };
}

/** The search that shows the record, with the record open. */
function besides(record: LogRecord, query: string): string {
  const micros = parseTime(textAt(record, "timestamp")) ?? now();
  return searchAddress({ query, since: micros - AROUND, until: micros + AROUND, record: keyOf(record) });
}

interface Look {
  record: LogRecord | null;
  from: string;
  complete: boolean;
}

async function lookUp(query: string, since: string, until: string, signal: AbortSignal): Promise<Look> {
  let after: string | null = null;
  let from = until;
  for (let page = 0; page < PAGES; page += 1) {
    const found: Awaited<ReturnType<typeof api.search>> = await api.search({ query, since, until, reach: null }, { limit: RECORDS, after }, signal);
    // The gateway's record says most: not what services logged meanwhile, and not its second, of level DEBUG.
    const best = (one: LogRecord) => textAt(one, "source.gateway") !== "" && textAt(one, "level") !== "DEBUG";
    const record = found.records.find(best) ?? found.records[0];
    if (record) return { record, from: since, complete: true };
    from = found.reach.from;
    if (found.next === null) return { record: null, from, complete: found.reach.complete };
    after = found.next;
  }
  return { record: null, from, complete: false };
}

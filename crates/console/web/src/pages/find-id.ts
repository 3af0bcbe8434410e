// Finding a request by an id that somebody pasted, whatever id it is, and whenever it was.

import { ApiError, api } from "../api/client";
import { LEVELS, type LogRecord } from "../api/types";
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

/** The address of what the id names, or that it names nothing. All ways to look for it have an index. */
export async function findId(id: string, signal: AbortSignal): Promise<string | NotFound> {
  const until = now() + 60_000_000;
  const since = until - DAYS * 86_400_000_000;
  const span = { since: rfc3339(since), until: rfc3339(until) };
  let { since: from } = span;
  let complete = true;
  // An id is compared letter by letter, and nearly always in lower case.
  for (const one of new Set([id, id.toLowerCase()])) {
    const [request, correlation, record] = await Promise.all([
      lookUp(`request:${value(one)}`, span, signal),
      lookUp(`correlation:${value(one)}`, span, signal),
      one.includes("-") ? byItsId(one, signal) : null,
    ]);
    if (request.record) return besides(request.record, `request:${value(one)}`);
    if (correlation.record) return flowAddress(one);
    if (record) return besides(record, `id:${value(one)}`);
    for (const look of [request, correlation]) {
      complete &&= look.complete;
      if (look.from > from) from = look.from;
    }
  }
  return { id, from, complete };
}

/** The record with this id of its own. */
async function byItsId(id: string, signal: AbortSignal): Promise<LogRecord | null> {
  const found = await Promise.all(LEVELS.map(async (level) => {
    try {
      return (await api.record(level, id, signal)).record;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }));
  return found.find((record) => record !== null) ?? null;
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

async function lookUp(query: string, span: { since: string; until: string }, signal: AbortSignal): Promise<Look> {
  let after: string | null = null;
  let from = span.until;
  for (let page = 0; page < PAGES; page += 1) {
    const found: Awaited<ReturnType<typeof api.search>> = await api.search({ query, ...span, reach: null }, { limit: RECORDS, after }, signal);
    // The gateway's record says most: not what services logged meanwhile, and not its second, of level DEBUG.
    const best = (one: LogRecord) => textAt(one, "source.gateway") !== "" && textAt(one, "level") !== "DEBUG";
    const record = found.records.find(best) ?? found.records[0];
    if (record) return { record, from: span.since, complete: true };
    from = found.reach.from;
    if (found.next === null) return { record: null, from, complete: found.reach.complete };
    after = found.next;
  }
  return { record: null, from, complete: false };
}

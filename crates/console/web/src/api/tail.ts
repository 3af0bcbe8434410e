// The live tail: server-sent events, read with fetch so that the status of a refusal is known.

import { ApiError, address, isAbort, respond } from "./client";
import type { LogRecord } from "./types";

/** Characters of one event; a larger one ends the stream. */
const EVENT_CHARACTERS = 4 << 20;

export interface TailListener {
  /** The stream stands. */
  open(): void;
  record(record: LogRecord): void;
  /** Records were left out: this many, or null if that is not told. */
  skipped(count: number | null): void;
  /** These collectors are followed from now on, and no others. */
  collectors(list: string[]): void;
  /** A collector answers. */
  following(collector: string): void;
  /** A collector cannot be reached, and is tried again. */
  lost(collector: string, message: string): void;
}

/** Listens until the stream ends or the signal comes. Fails if the server refuses. */
export async function listen(query: string, listener: TailListener, signal: AbortSignal): Promise<void> {
  const response = await respond(address("tail", { query }), { signal, headers: { accept: "text/event-stream" } });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  listener.open();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const events = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
      rest = events.pop() ?? "";
      if (rest.length > EVENT_CHARACTERS) throw new ApiError("an event is too large", 0);
      for (const event of events) take(event, listener);
    }
  } catch (error) {
    if (isAbort(error) || error instanceof ApiError) throw error;
    throw new ApiError("the stream broke off", 0);
  }
}

/** Tells the listener about one event; one that cannot be read is passed over. */
export function take(event: string, listener: TailListener): void {
  let name = "message";
  const data: string[] = [];
  for (const line of event.split("\n")) {
    const text = line.slice(line.indexOf(":") + 1).replace(/^ /, "");
    if (line.startsWith("event:")) name = text;
    else if (line.startsWith("data:")) data.push(text);
  }
  if (data.length === 0) return;
  let body: unknown;
  try {
    body = JSON.parse(data.join("\n"));
  } catch {
    return;
  }
  if (typeof body !== "object" || body === null) return;
  const fields = body as { [name: string]: unknown };
  if (name === "record") listener.record(body as LogRecord);
  else if (name === "skipped") listener.skipped(typeof fields.count === "number" ? fields.count : null);
  else if (name === "collectors") listener.collectors(Array.isArray(fields.collectors) ? fields.collectors.map(String) : []);
  else if (name === "following") listener.following(String(fields.collector));
  else if (name === "lost") listener.lost(String(fields.collector), String(fields.message));
}

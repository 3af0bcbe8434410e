// The live tail: server-sent events, read with fetch so that the status of a refusal is known.

import { ApiError, address, isAbort, respond } from "./client";
import type { LogRecord } from "./types";

/** Characters of one event; a larger one ends the stream. */
const EVENT_CHARACTERS = 4 << 20;

export interface TailListener {
  /** The stream stands. */
  open(): void;
  record(record: LogRecord): void;
  /** The server left out this many. */
  skipped(count: number): void;
  /** A collector cannot be reached. */
  lost(collector: string, message: string): void;
}

/** Whether the server has a tail at all. */
export async function hasTail(): Promise<boolean> {
  const controller = new AbortController();
  try {
    await respond(address("tail", { query: "" }), { signal: controller.signal, headers: { accept: "text/event-stream" } });
    return true;
  } catch (error) {
    return error instanceof ApiError && error.status !== 404 && error.status !== 0;
  } finally {
    controller.abort();
  }
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
  else if (name === "skipped") listener.skipped(Number(fields.count) || 0);
  else if (name === "lost") listener.lost(String(fields.collector), String(fields.message));
}

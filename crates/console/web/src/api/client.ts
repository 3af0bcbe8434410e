// Calls of the API. It is of the same origin, and the session is a cookie that no script can read.

import type {
  DeliveryAnswer, FlowAnswer, HistogramAnswer, LogRecord, OverviewAnswer, SearchPage, Session, ViewsAnswer,
} from "./types";

/** A failed call. */
export class ApiError extends Error {
  constructor(
    message: string,
    /** The HTTP status; 0 if there was no response. */
    readonly status: number,
    /** Where in the query it is, in characters from 0. */
    readonly at: number | null = null,
    /** Seconds after which another try makes sense. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

/** Whether a call failed only because the page gave it up. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

let signedOut: () => void = () => {};

/** Called when the server no longer knows the session. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener;
}

type Parameters = { [name: string]: string | number | null | undefined };

/** The address of a call, without the parameters that have no value. */
export function address(path: string, parameters: Parameters = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined) search.set(name, String(value));
  }
  const text = search.toString();
  return `/api/v1/${path}${text === "" ? "" : `?${text}`}`;
}

/** The response of a call that succeeded. */
export async function respond(url: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: "same-origin", cache: "no-store", ...init });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError("the console's server cannot be reached", 0);
  }
  if (response.ok) return response;
  const error = await failure(response);
  if (response.status === 401 && !url.endsWith("/session")) signedOut();
  throw error;
}

async function failure(response: Response): Promise<ApiError> {
  const after = Number(response.headers.get("retry-after") ?? "");
  const retryAfter = after > 0 ? after : null;
  try {
    const { error } = await response.json() as { error: { message: string; at: number | null } };
    return new ApiError(String(error.message), response.status, error.at ?? null, retryAfter);
  } catch {
    return new ApiError(`the server responded with status ${response.status}`, response.status, null, retryAfter);
  }
}

async function get<T>(url: string, signal?: AbortSignal): Promise<T> {
  const response = await respond(url, signal ? { signal } : {});
  return await response.json() as T;
}

export interface Asked {
  query: string;
  since: string;
  until: string;
  /** Also what no index of flows finds. */
  reach: "everything" | null;
}

/** The part of a search that an answer has. */
interface Part {
  limit: number;
  /** `next` of the answer that it goes on from. */
  after?: string | null;
  /** By when an answer is wanted, whatever was found by then. */
  within?: string;
}

export const api = {
  session: () => get<Session>(address("session")),

  async signIn(credentials: { token: string } | { code: string }): Promise<Session> {
    const response = await respond(address("session"), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(credentials),
    });
    return await response.json() as Session;
  },

  signOut: () =>
    respond(address("session"), { method: "DELETE", headers: { "content-type": "application/json" } }),

  search: (asked: Asked, more: Part, signal?: AbortSignal) =>
    get<SearchPage>(address("search", { ...asked, ...more }), signal),

  histogram: (asked: Asked, more: Part & { values: number }, signal?: AbortSignal) =>
    get<HistogramAnswer>(address("histogram", { ...asked, ...more }), signal),

  record: (level: string, id: string, signal?: AbortSignal) =>
    get<{ record: LogRecord }>(
      address(`records/${encodeURIComponent(level)}/${encodeURIComponent(id)}`), signal,
    ),

  flow: (correlation: string, signal?: AbortSignal) =>
    get<FlowAnswer>(address(`flows/${encodeURIComponent(correlation)}`), signal),

  overview: (span: { since: string; until: string }, signal?: AbortSignal) =>
    get<OverviewAnswer>(address("overview", { ...span }), signal),

  delivery: (signal?: AbortSignal) => get<DeliveryAnswer>(address("delivery"), signal),

  views: () => get<ViewsAnswer>(address("views")),

  saveView: (view: { name: string; address: string; shared: boolean }) =>
    respond(address("views"), { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(view) }),

  deleteView: (name: string) =>
    respond(address("views", { name }), { method: "DELETE", headers: { "content-type": "application/json" } }),

  exportAddress: (asked: Asked, format: "ndjson" | "csv") => address("export", { ...asked, format }),
};

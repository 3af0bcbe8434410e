// What went wrong, or what is not there, said in place.

import type { ComponentChildren } from "preact";
import { ApiError } from "../api/client";
import { Text } from "./text";

/** An error, with a way to try again where that makes sense. */
export function ErrorNote({ error, what, onRetry }: { error: unknown; what: string; onRetry?: () => void }) {
  const api = error instanceof ApiError ? error : null;
  const message = error instanceof Error ? error.message : String(error);
  return (
    <div class="note bad" role="alert">
      <b>{what}</b> <Text text={message} most={600} />
      {api?.retryAfter != null && <> Try again in {api.retryAfter} s.</>}
      {onRetry && <button type="button" onClick={onRetry}>Try again</button>}
    </div>
  );
}

export function Note({ children, kind = "plain" }: { children: ComponentChildren; kind?: "plain" | "warn" | "good" }) {
  return <div class={`note ${kind}`} role="status">{children}</div>;
}

// The search box, and an error of the query shown at its place.

import { useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api/client";
import { loneId, place } from "../model/query";
import { Text } from "./text";
import { useKeys } from "./keys";

interface Properties {
  query: string;
  /** What the server said of it. */
  error: ApiError | null;
  onQuery: (query: string) => void;
  busy?: boolean;
}

export function QueryBox({ query, error, onQuery, busy }: Properties) {
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(query);
  useEffect(() => setText(query), [query]);
  useKeys({ "/": () => { input.current?.focus(); input.current?.select(); } });

  const at = error?.at == null ? null : Math.min(place(query, error.at), query.length);
  const toPlace = () => {
    if (at === null) return;
    input.current?.focus();
    input.current?.setSelectionRange(at, endOfWord(query, at));
  };
  useEffect(toPlace, [error]);

  const submit = (event: Event) => {
    event.preventDefault();
    onQuery(text.trim());
  };
  return (
    <form class="query" role="search" onSubmit={submit}>
      <div class="box">
        <label class="hidden" for="query">Search</label>
        <input
          ref={input} id="query" type="text" value={text} maxLength={4096} autocomplete="off" autocapitalize="off" spellcheck={false}
          placeholder={'level:>=ERROR path:/api/* "no healthy", or an id'}
          aria-invalid={error !== null} aria-describedby={error ? "query-error" : undefined}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" class="primary" disabled={busy}>{loneId(text) === null ? "Search" : "Find this id"}</button>
      </div>
      {error && (
        <div class="query-error" id="query-error" role="alert">
          {at !== null && (
            <button type="button" class="place" onClick={toPlace} title="Go to the place">
              <Text text={query.slice(Math.max(0, at - 60), at)} />
              <mark><Text text={query.slice(at, endOfWord(query, at)) || " "} most={80} /></mark>
              <Text text={query.slice(endOfWord(query, at))} most={60} />
            </button>
          )}
          <span><Text text={error.message} most={600} /></span>
        </div>
      )}
    </form>
  );
}

function endOfWord(query: string, at: number): number {
  const length = query.slice(at).search(/[\s()]/);
  return length === -1 ? query.length : at + Math.max(1, length);
}

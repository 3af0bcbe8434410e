// Asks for a token. It is sent once, and kept by nobody here: the server answers with a cookie.

import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../api/client";
import type { Session } from "../api/types";
import { ErrorNote } from "./note";

interface Properties {
  /** Why, if the reader should know. */
  reason: unknown;
  onSession: (session: Session) => void;
}

export function SignIn({ reason, onSession }: Properties) {
  const input = useRef<HTMLInputElement>(null);
  const [error, setError] = useState<unknown>(reason);
  const [busy, setBusy] = useState(false);
  useEffect(() => input.current?.focus(), []);
  const submit = async (event: Event) => {
    event.preventDefault();
    const token = input.current?.value.trim() ?? "";
    if (token === "" || busy) return;
    setBusy(true);
    try {
      const session = await api.signIn({ token });
      if (input.current) input.current.value = "";
      onSession(session);
    } catch (failed) {
      setError(failed);
      setBusy(false);
    }
  };
  return (
    <main class="sign-in">
      <form onSubmit={submit}>
        <h1><img src="/assets/icon.svg" alt="" width="28" height="28" /> gatelog</h1>
        <label for="token">Token</label>
        <input ref={input} id="token" type="password" autocomplete="current-password" maxLength={4096} aria-invalid={error !== null} />
        <button type="submit" class="primary" disabled={busy}>{busy ? "Signing in …" : "Sign in"}</button>
        {error !== null && <ErrorNote error={error} what="Not signed in:" />}
        <p class="hint">Whoever runs the console gives out tokens. It is exchanged for a session that no script can read.</p>
      </form>
    </main>
  );
}

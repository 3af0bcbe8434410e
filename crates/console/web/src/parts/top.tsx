// The bar at the top: the pages, who is signed in, and how it looks.

import { useState } from "preact/hooks";
import type { Session } from "../api/types";
import { type Theme, setTheme, theme } from "../model/preferences";
import type { Route } from "../model/route";
import { Link } from "./link";
import { Text } from "./text";

interface Properties {
  route: Route;
  session: Session;
  /** Whether the server has a live tail. */
  live: boolean;
  onHelp: () => void;
  onSignOut: () => void;
}

export function Top({ route, session, live, onHelp, onSignOut }: Properties) {
  const [shown, setShown] = useState<Theme>(theme);
  const change = (to: Theme) => { setTheme(to); setShown(to); };
  const organizations = session.organizations.length === 1 ? session.organizations[0] ?? "" : `${session.organizations.length} organizations`;
  return (
    <header class="top">
      <Link to="/" class="brand"><img src="/assets/icon.svg" alt="" width="20" height="20" /> gatelog</Link>
      <nav aria-label="Pages">
        <Link to="/" current={route.page === "overview"}>Overview</Link>
        <Link to="/search" current={route.page === "search"}>Search</Link>
        {live && <Link to="/live" current={route.page === "live"}>Live</Link>}
        {session.role === "all" && <Link to="/delivery" current={route.page === "delivery"}>Delivery</Link>}
      </nav>
      <div class="who">
        <span class="name" title={session.expires === null ? "does not expire" : `until ${session.expires}`}>
          <Text text={session.name} most={40} />{session.role === "organizations" && <span class="scope"> sees <Text text={organizations} most={40} /></span>}
        </span>
        <label class="hidden" for="theme">Colours</label>
        <select id="theme" value={shown} onChange={(event) => change(event.currentTarget.value as Theme)}>
          <option value="system">system</option><option value="light">light</option><option value="dark">dark</option>
        </select>
        <button type="button" aria-label="Help" title="Help (?)" onClick={onHelp}>?</button>
        <button type="button" onClick={onSignOut}>Sign out</button>
      </div>
    </header>
  );
}

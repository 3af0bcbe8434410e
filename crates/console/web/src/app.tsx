// The console's shell: who is signed in, and which page.

import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, api, onSignedOut } from "./api/client";
import type { Session } from "./api/types";
import { showTheme, theme } from "./model/preferences";
import { useRoute } from "./model/route";
import { DeliveryPage } from "./pages/delivery";
import { FlowPage } from "./pages/flow";
import { LivePage } from "./pages/live";
import { OverviewPage } from "./pages/overview";
import { SearchPage } from "./pages/search";
import { Help } from "./parts/help";
import { useKeys } from "./parts/keys";
import { Link } from "./parts/link";
import { ErrorNote, Note } from "./parts/note";
import { SignIn } from "./parts/sign-in";
import { Top } from "./parts/top";
import "./style/index.css";

/** The one-time code of a link. It leaves the address, and so the history, before it is used. */
function takeCode(): string | null {
  const found = /^#code=(.+)$/.exec(location.hash);
  if (!found?.[1]) return null;
  history.replaceState(null, "", location.pathname + location.search);
  try {
    return decodeURIComponent(found[1]);
  } catch {
    return found[1];
  }
}

type Who =
  | { state: "asking" }
  | { state: "out"; reason: unknown }
  | { state: "unreachable"; error: unknown }
  | { state: "in"; session: Session };

async function begin(code: string | null): Promise<Who> {
  let refused: unknown = null;
  if (code !== null) {
    try {
      return { state: "in", session: await api.signIn({ code }) };
    } catch (error) {
      refused = error;
    }
  }
  try {
    return { state: "in", session: await api.session() };
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return { state: "out", reason: refused };
    return { state: "unreachable", error };
  }
}

function App({ code }: { code: string | null }) {
  const [who, setWho] = useState<Who>({ state: "asking" });
  const ask = (with_: string | null) => { void begin(with_).then(setWho); };
  useEffect(() => {
    onSignedOut(() => setWho({ state: "out", reason: new Error("the session is over") }));
    ask(code);
  }, []);
  if (who.state === "asking") return <p class="asking" role="status">…</p>;
  if (who.state === "unreachable") return <main class="sign-in"><ErrorNote error={who.error} what="The console cannot start:" onRetry={() => ask(null)} /></main>;
  if (who.state === "out") return <SignIn reason={who.reason} onSession={(session) => setWho({ state: "in", session })} />;
  return <Console session={who.session} onOut={() => setWho({ state: "out", reason: null })} />;
}

function Console({ session, onOut }: { session: Session; onOut: () => void }) {
  const route = useRoute();
  const [help, setHelp] = useState(false);
  useEffect(() => {
    const names = { overview: "Overview", search: "Search", flow: "Flow", live: "Live", delivery: "Delivery", unknown: "Not found" };
    document.title = `${names[route.page]} · gatelog`;
  }, [route.page]);
  useKeys({ "?": () => setHelp(true) });
  const signOut = () => { void api.signOut().then(onOut, onOut); };
  return (
    <>
      <Top route={route} session={session} live={session.live} onHelp={() => setHelp(true)} onSignOut={signOut} />
      {route.page === "overview" && <OverviewPage route={route} />}
      {route.page === "search" && <SearchPage route={route} />}
      {route.page === "flow" && <FlowPage route={route} />}
      {route.page === "live" && <LivePage route={route} />}
      {route.page === "delivery" && <DeliveryPage />}
      {route.page === "unknown" && <main><h1>No such page</h1><Note>There is nothing here. <Link to="/search">To the search</Link></Note></main>}
      <Help open={help} onClose={() => setHelp(false)} />
    </>
  );
}

showTheme(theme());
const root = document.getElementById("app");
if (root) render(<App code={takeCode()} />, root);

// Saved views: searches with a name, kept by the server, or by this browser where the server keeps none.

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { api } from "../api/client";
import type { SavedView, ViewsAnswer } from "../api/types";
import { type View, VIEWS, removeView, saveView, views } from "../model/preferences";
import { type Route, go, searchAddress, spanOf } from "../model/route";
import { now } from "../model/time";
import { viewAddress } from "../model/views";
import { cut, visible } from "../model/visible";
import { Icon } from "./icon";
import { ErrorNote } from "./note";
import { Text } from "./text";

/** Characters of a name. */
const NAME = 100;

const UNREAD = "The saved views cannot be shown:";

/** The server's views, and what went wrong last. */
function useServer() {
  const [answer, setAnswer] = useState<ViewsAnswer | null>(null);
  const [failed, setFailed] = useState<{ what: string; error: unknown } | null>(null);
  const busy = useRef(false);
  const attempt = async (what: string, call: () => Promise<unknown>) => {
    try {
      await call();
      return null;
    } catch (error) {
      return { what, error };
    }
  };
  /** Does this and reads the views again; whether it worked. */
  const run = async (what: string, call: () => Promise<unknown>) => {
    if (busy.current) return false;
    busy.current = true;
    const undone = await attempt(what, call);
    const unread = await attempt(UNREAD, async () => setAnswer(await api.views()));
    setFailed(undone ?? unread);
    busy.current = false;
    return undone === null;
  };
  return { answer, failed, run, load: () => void run(UNREAD, async () => {}) };
}

export function Views({ route }: { route: Route }) {
  const server = useServer();
  const [local, setLocal] = useState(views);
  const [name, setName] = useState("");
  const [share, setShare] = useState(false);
  const menu = useRef<HTMLDetailsElement>(null);
  const box = useRef<HTMLInputElement>(null);
  const { answer, failed, run } = server;
  const { since, until } = spanOf(route);

  const close = () => menu.current?.removeAttribute("open");
  const open = (address: string | null) => {
    close();
    if (address !== null) go(address);
  };
  // Where the button that was pressed goes away, the focus stays in the menu.
  const back = () => box.current?.focus();
  const put = (view: Pick<SavedView, "name" | "address" | "shared">) => run("Not saved:", () => api.saveView(view));
  const save = async (event: Event) => {
    event.preventDefault();
    const text = name.trim();
    if (text === "" || answer === null) return;
    const { query, columns, everything } = route;
    if (answer.kept) {
      const address = searchAddress({ query, columns, everything, since, until });
      if (!await put({ name: text, address, shared: share && answer.may_share })) return;
    } else {
      setLocal(saveView({ name: text, query, columns, span: until - since }));
    }
    setName("");
  };
  const remove = async (view: SavedView) => { if (await run("Not deleted:", () => api.deleteView(view.name))) back(); };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !menu.current?.open) return;
    event.stopPropagation();
    close();
    menu.current.querySelector("summary")?.focus();
  };

  const own = answer?.views.filter((view) => view.own) ?? [];
  const others = answer?.views.filter((view) => !view.own) ?? [];
  const row = (view: SavedView, at: number) => <Row key={view.own ? view.name : at} name={view.name} title={view.address} onOpen={() => open(viewAddress(view.address, now()))} onRemove={view.own ? () => void remove(view) : null}>
    {view.shared && <span class="by">{view.own ? "shared by you" : <>shared by <Text text={view.by} most={40} /></>}</span>}
    {view.own && answer?.may_share && <button type="button" class="quiet" aria-label={`${view.shared ? "Stop sharing" : "Share"} the view ${shown(view.name)}`} onClick={() => void put({ ...view, shared: !view.shared })}>{view.shared ? "Stop sharing" : "Share"}</button>}
  </Row>;
  const localRow = (view: View) => <Row key={view.name} name={view.name} title={view.query} onOpen={() => { const end = now(); open(searchAddress({ query: view.query, columns: view.columns, since: end - view.span, until: end })); }} onRemove={() => { setLocal(removeView(view.name)); back(); }} />;
  return (
    <details class="menu views" ref={menu} onToggle={() => { if (menu.current?.open) server.load(); }} onKeyDown={onKeyDown}>
      <summary>Views</summary>
      <div class="menu-body">
        {failed !== null && <ErrorNote what={failed.what} error={failed.error} {...(failed.what === UNREAD ? { onRetry: server.load } : {})} />}
        {answer !== null && own.length + others.length + local.length === 0 && <p class="hint">None yet. A view is a search with a name.</p>}
        <div class="lists">
          <List title="Yours" rows={own.map(row)} />
          <List title="Shared by others" rows={others.map(row)} />
          <List title="In this browser only" rows={local.map(localRow)} />
        </div>
        <form onSubmit={(event) => void save(event)}>
          <label class="hidden" for="view-name">Name of the view</label>
          <input ref={box} id="view-name" type="text" maxLength={NAME} placeholder="name of this search" autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} />
          <button type="submit" disabled={answer === null}>Save</button>
          {answer?.may_share && <label class="switch"><input type="checkbox" checked={share} onChange={(event) => setShare(event.currentTarget.checked)} /> share with all who see every organization</label>}
        </form>
        {answer?.kept === true && <p class="hint">Kept on the server. A view opens with its span of time up to now.</p>}
        {answer?.kept === false && <p class="hint">Kept in this browser only, up to {VIEWS}: {answer.reason === "off" ? "keeping them on the server is switched off" : "the server may not write its database"}. To share a search, share its address.</p>}
      </div>
    </details>
  );
}

function List({ title, rows }: { title: string; rows: ComponentChildren[] }) {
  if (rows.length === 0) return null;
  return <section aria-label={title}><h3>{title}</h3><ul>{rows}</ul></section>;
}

interface RowProperties {
  name: string;
  title: string;
  onOpen: () => void;
  /** Null: it is another's. */
  onRemove: (() => void) | null;
  children?: ComponentChildren;
}

function Row({ name, title, onOpen, onRemove, children }: RowProperties) {
  return (
    <li>
      <button type="button" class="value" onClick={onOpen} title={cut(visible(title, false), 300)}><Text text={name} most={60} /></button>
      {children}
      {onRemove && <button type="button" class="tool" aria-label={`Remove the view ${shown(name)}`} onClick={onRemove}><Icon name="close" /></button>}
    </li>
  );
}

/** A name in a label. */
function shown(name: string): string {
  return visible(cut(name, 60), false);
}

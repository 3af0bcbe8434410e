// Saved views: searches with a name, kept by this browser.

import { useState } from "preact/hooks";
import { type Route, go, searchAddress, spanOf } from "../model/route";
import { VIEWS, removeView, saveView, views } from "../model/preferences";
import { now } from "../model/time";
import { Icon } from "./icon";
import { Text } from "./text";

export function Views({ route }: { route: Route }) {
  const [list, setList] = useState(views);
  const [name, setName] = useState("");
  const { since, until } = spanOf(route);
  const save = (event: Event) => {
    event.preventDefault();
    if (name.trim() === "") return;
    setList(saveView({ name: name.trim(), query: route.query, columns: route.columns, span: until - since }));
    setName("");
  };
  const open = (event: Event, at: number) => {
    const view = list[at];
    (event.currentTarget as HTMLElement).closest("details")?.removeAttribute("open");
    const end = now();
    if (view) go(searchAddress({ query: view.query, columns: view.columns, since: end - view.span, until: end }));
  };
  return (
    <details class="menu">
      <summary>Views</summary>
      <div class="menu-body">
        {list.length === 0 && <p class="hint">None yet. A view is a search with a name.</p>}
        <ul>
          {list.map((view, at) => (
            <li key={view.name}>
              <button type="button" class="value" onClick={(event) => open(event, at)} title={view.query.slice(0, 300)}><Text text={view.name} most={60} /></button>
              <button type="button" class="tool" aria-label={`Remove the view ${view.name}`} onClick={() => setList(removeView(view.name))}><Icon name="close" /></button>
            </li>
          ))}
        </ul>
        <form onSubmit={save}>
          <label class="hidden" for="view-name">Name of the view</label>
          <input id="view-name" type="text" maxLength={60} placeholder="name of this search" autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} />
          <button type="submit">Save</button>
        </form>
        <p class="hint">Kept in this browser only, up to {VIEWS}. To share a search, share its address.</p>
      </div>
    </details>
  );
}

// The keys, and the query language in short.

import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icon";

const KEYS: [string, string][] = [
  ["/", "to the search box"], ["j  k", "next, previous record"], ["Enter", "open the record"], ["Esc", "close, or leave the box"],
  ["e  E", "flow: next, previous failed record"], ["z  Z", "flow: zoom to the record, whole time"], ["←  →", "flow: fold, unfold"],
  ["p", "live: pause, go on"], ["?", "this help"],
];
const TERMS: [string, string][] = [
  ["timeout", "this text in message or error"], ['"no healthy upstream"', "a text with blanks"],
  ["level:>=ERROR", "comparisons: > >= < <="], ["status:5xx", "a class of status"], ["duration:>1s", "us ms s m h d"],
  ["path:/api/*", "begins, ends, contains: *"], ["user:*", "has a user at all"], ["-status:404", "not; also matches records without one"],
  ["(a OR b) c", "groups; terms side by side must all match"], ["extra.sku:a-1", "an own field of a record"],
];
const FIELDS = "level org user conversation request correlation trace span id service function message method host path route cluster status attempts ip duration error audit gateway extra.…";

export function Help({ open, onClose }: { open: boolean; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal();
    if (!open && dialog.current?.open) dialog.current.close();
  }, [open]);
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={onClose}>
      <header><h2 id="help-title">Help</h2><button type="button" class="quiet" aria-label="Close the help" onClick={onClose}><Icon name="close" /></button></header>
      <div class="columns">
        <section><h3>Keys</h3><List of={KEYS} /></section>
        <section><h3>Queries</h3><List of={TERMS} /></section>
      </div>
      <h3>Fields</h3>
      <p><code>{FIELDS}</code></p>
      <p class="hint">An id alone, pasted into the box, finds its request or flow whenever it was. Times are in UTC. Drag over the chart or the axis to zoom.</p>
    </dialog>
  );
}

function List({ of }: { of: [string, string][] }) {
  return <dl>{of.map(([term, text]) => <div key={term}><dt><kbd>{term}</kbd></dt><dd>{text}</dd></div>)}</dl>;
}

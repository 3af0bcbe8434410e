// Looking for a pasted id, from whichever page has the box: what it names is opened.

import { useEffect, useRef, useState } from "preact/hooks";
import { isAbort } from "../api/client";
import { loneId, value } from "../model/query";
import { type Route, go, searchAddress } from "../model/route";
import { Link } from "../parts/link";
import { ErrorNote, Note } from "../parts/note";
import { Text } from "../parts/text";
import { type NotFound, findId } from "./find-id";

export interface Find {
  finding: boolean;
  notFound: NotFound | null;
  error: unknown;
  /** Begins to look, if the box holds nothing but an id; returns whether it does. */
  start: (query: string) => boolean;
  forget: () => void;
}

export function useFind(): Find {
  const [notFound, setNotFound] = useState<NotFound | null>(null);
  const [finding, setFinding] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const look = useRef<AbortController | null>(null);
  useEffect(() => () => look.current?.abort(), []);
  const forget = () => { setNotFound(null); setError(null); };
  const search = async (id: string) => {
    const controller = new AbortController();
    look.current = controller;
    setFinding(true);
    forget();
    try {
      const result = await findId(id, controller.signal);
      if (typeof result === "string") go(result);
      else setNotFound(result);
    } catch (failed) {
      if (isAbort(failed)) return;
      setError(failed);
    }
    setFinding(false);
  };
  const start = (query: string) => {
    look.current?.abort();
    setFinding(false);
    const id = loneId(query);
    if (id === null) setNotFound(null);
    else void search(id);
    return id !== null;
  };
  return { finding, notFound, error, start, forget };
}

export function FindNotes({ find, here }: { find: Find; here: Partial<Route> }) {
  const { finding, notFound, error } = find;
  return (
    <>
      {finding && <Note>Looking for the id among requests, flows and records …</Note>}
      {error !== null && <ErrorNote error={error} what="The id could not be looked for:" />}
      {notFound && (
        <Note kind="warn">
          Nothing has the id <b><Text text={notFound.id} /></b> as its request, correlation or record id, {notFound.complete ? "back to" : "as far as was searched: back to"} {notFound.from.slice(0, 10)}.{" "}
          <Link to={searchAddress({ ...here, query: `(trace:${value(notFound.id)} OR ${value(notFound.id)})`, record: "" })}>Look for it as a trace, and in texts, within the time above</Link>
        </Note>
      )}
    </>
  );
}

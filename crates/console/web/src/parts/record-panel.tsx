// All of one record, beside the list that it is from.

import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { LogRecord } from "../api/types";
import { type Field, fieldsOf, textAt } from "../model/fields";
import { flowAddress, searchAddress } from "../model/route";
import { parseTime, shortTime } from "../model/time";
import { value } from "../model/query";
import { Copy } from "./copy";
import { Icon } from "./icon";
import { LevelMark } from "./level";
import { Link } from "./link";
import { LongText, Text } from "./text";

/** Fields listed at first. */
const LISTED = 200;
/** Surrounding records: this long before and after, in microseconds. */
const AROUND = 5_000_000;

export interface RecordActions {
  /** Adds a term to the query. */
  onTerm?: (term: string, exclude: boolean) => void;
  columns?: string[];
  onColumn?: (path: string) => void;
}

interface Properties extends RecordActions {
  record: LogRecord;
  onClose: () => void;
  /** Said where the record is in a flow already. */
  inFlow?: boolean;
}

export function RecordPanel({ record, onClose, inFlow, ...actions }: Properties) {
  const panel = useRef<HTMLElement>(null);
  const fields = useMemo(() => fieldsOf(record), [record]);
  const [all, setAll] = useState(false);
  useEffect(() => setAll(false), [record]);
  // Whoever closes it from within goes on in the list.
  useEffect(() => () => {
    if (panel.current?.contains(document.activeElement)) document.querySelector<HTMLElement>(".rows")?.focus();
  }, []);
  const micros = parseTime(textAt(record, "timestamp"));
  const shown = all ? fields : fields.slice(0, LISTED);
  return (
    <aside ref={panel} class="panel" aria-label="Record">
      <header>
        <LevelMark level={textAt(record, "level")} />
        <h2>{micros === null ? "Record" : <time>{shortTime(micros)} UTC</time>}</h2>
        <button type="button" class="quiet" onClick={onClose} aria-label="Close the record" title="Close (Esc)"><Icon name="close" /></button>
      </header>
      <div class="body" tabIndex={0} role="region" aria-label="Fields of the record">
        <p class="message"><LongText text={textAt(record, "message")} /></p>
        <nav class="actions" aria-label="From this record">
          <Related record={record} micros={micros} inFlow={inFlow ?? false} />
          <Copy text={() => JSON.stringify(record, null, 2)} label="Copy JSON of the record">Copy JSON</Copy>
          <Copy text={() => location.href} label="Copy link to this page">Copy link</Copy>
        </nav>
        {micros !== null && <LocalTime micros={micros} />}
        <dl class="fields">
          {shown.map((field) => <FieldRow key={field.path} field={field} {...actions} />)}
        </dl>
        {shown.length < fields.length && (
          <button type="button" onClick={() => setAll(true)}>Show all {fields.length} fields</button>
        )}
      </div>
    </aside>
  );
}

/** The time where the reader is, unless that is UTC. */
function LocalTime({ micros }: { micros: number }) {
  const date = new Date(micros / 1000);
  if (Number.isNaN(date.getTime()) || date.getTimezoneOffset() === 0) return null;
  return <p class="local">{date.toLocaleString("sv-SE", { timeZoneName: "short" })}, where you are</p>;
}

/** Links to what belongs to the record. */
function Related({ record, micros, inFlow }: { record: LogRecord; micros: number | null; inFlow: boolean }) {
  const key = keyOf(record);
  const correlation = textAt(record, "context.correlation_id");
  const around = micros === null ? null : { since: micros - AROUND, until: micros + AROUND };
  const wide = micros === null ? null : { since: micros - 1440 * 60_000_000, until: micros + 1440 * 60_000_000 };
  const links: [string, string, string][] = [];
  if (correlation !== "" && !inFlow) links.push(["Flow", flowAddress(correlation, key), "All records with this correlation id"]);
  if (around) {
    const service = textAt(record, "logger_name");
    links.push(["Surrounding", searchAddress({ ...around, record: key }), "All records from 5 s before to 5 s after"]);
    if (service !== "") {
      links.push([
        "Surrounding, same service", searchAddress({ ...around, record: key, query: `service:${value(service)}` }),
        "Its service's records from 5 s before to 5 s after",
      ]);
    }
  }
  for (const [name, path] of [["request", "request_id"], ["conversation", "conversation_id"], ["user", "user_id"]] as const) {
    const id = textAt(record, `context.${path}`);
    if (id !== "" && wide) {
      links.push([`Same ${name}`, searchAddress({ ...wide, query: `${name}:${value(id)}` }), `Within a day of this record`]);
    }
  }
  return <>{links.map(([name, to, title]) => <Link key={name} to={to} title={title}>{name}</Link>)}</>;
}

/** What an address calls the record; "" if it has no id. */
export function keyOf(record: LogRecord): string {
  const id = textAt(record, "id") || textAt(record, "_id");
  return id === "" ? "" : `${textAt(record, "level")}/${id}`;
}

function FieldRow({ field, onTerm, columns, onColumn }: { field: Field } & RecordActions) {
  const text = field.value === null ? "null" : String(field.value);
  const { term, path } = field;
  const name = path.length > 60 ? `${path.slice(0, 60)}…` : path;
  const column = onColumn && /^[\w-]+(\.[\w-]+)*$/.test(path);
  return (
    <div class="field">
      <dt><Text text={path} most={120} /></dt>
      <dd class={field.value === null ? "null" : typeof field.value}>
        <LongText text={text} />
      </dd>
      <dd class="tools">
        {onTerm && term !== null && (
          <>
            <Tool label={`Only records with this ${name}`} onClick={() => onTerm(term, false)}>=</Tool>
            <Tool label={`No records with this ${name}`} onClick={() => onTerm(term, true)}>≠</Tool>
          </>
        )}
        {column && (
          <Tool label={`${columns?.includes(path) ? "Remove the" : "Add a"} column ${name}`} onClick={() => onColumn(path)}><Icon name="column" /></Tool>
        )}
        <Copy text={() => text} label={`Copy ${name}`} class="tool"><Icon name="copy" /></Copy>
      </dd>
    </div>
  );
}

function Tool({ label, onClick, children }: { label: string; onClick: () => void; children: ComponentChildren }) {
  return <button type="button" class="tool" aria-label={label} title={label} onClick={onClick}>{children}</button>;
}

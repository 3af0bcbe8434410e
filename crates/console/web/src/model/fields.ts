// A record as a list of fields, and the query that finds a field's value.

import { LEVELS, type Json, type LogRecord } from "../api/types";
import { value } from "./query";
import { cut } from "./visible";

export interface Field {
  path: string;
  value: Exclude<Json, object> | string;
  /** The term that finds it; null where the language has no field for it. */
  term: string | null;
}

/** Maximum fields of one record that are listed; the record as JSON has all. */
export const FIELDS_LISTED = 1000;
/** Maximum depth that is taken apart; below it, values are JSON. */
const DEPTH = 12;

/** The name of a facet in the query language, by the API's name of it. */
export const FACETS: { [field: string]: string } = {
  level: "level", status: "status", logger_name: "service", route: "route", organization: "org",
};

/** The names that the query language has, by the record's. */
const NAMES: { [path: string]: string } = {
  level: "level",
  logger_name: "service",
  function_name: "function",
  message: "message",
  id: "id",
  audit: "audit",
  "context.organization_id": "org",
  "context.user_id": "user",
  "context.conversation_id": "conversation",
  "context.request_id": "request",
  "context.correlation_id": "correlation",
  "trace.trace_id": "trace",
  "trace.span_id": "span",
  "http.method": "method",
  "http.host": "host",
  "http.path": "path",
  "http.route": "route",
  "http.cluster": "cluster",
  "http.status": "status",
  "http.attempts": "attempts",
  "http.client_ip": "ip",
  "error.type": "error",
  "error.message": "error",
  "error.details": "error",
  "error.transport_failure": "error",
  "error.flags": "error",
  "source.gateway": "gateway",
};

/** Fields of which a query finds a part. */
const PARTS = new Set(["message", "error"]);
/** Characters of such a part. */
const PART = 120;

/** The term that finds this value of a field, or null. */
export function termOf(path: string, found: Field["value"]): string | null {
  if (path === "trace.execution_time_ms") return typeof found === "number" && found >= 0 ? `duration:>=${found}ms` : null;
  const name = NAMES[path] ?? (/^extra(\.[A-Za-z0-9_-]+){1,8}$/.test(path) ? path : null);
  if (name === null || found === null || found === "") return null;
  if (typeof found === "number") return Math.abs(found) <= Number.MAX_SAFE_INTEGER && !String(found).includes("e") && fits(name, found) ? `${name}:${found}` : null;
  if (typeof found === "boolean") return fits(name, found) ? `${name}:${found}` : null;
  if (PARTS.has(name)) {
    const part = cut(found.replace(/\0.*$/s, ""), PART);
    return part === "" ? null : `${name}:${value(part)}`;
  }
  // No query can have a NUL.
  if (found.includes("\0") || !fits(name, found)) return null;
  // Without quotes, `7` would also find the number 7, and `method:get` would look for GET.
  const literal = path.startsWith("extra.") ? /^(-?[0-9.]+|true|false)$/.test(found) : name === "method" && /[a-z]/.test(found);
  return `${name}:${literal ? `"${found}"` : value(found)}`;
}

/** Whether a field of the language can have the value. */
function fits(name: string, found: string | number | boolean): boolean {
  switch (name) {
    case "status": return typeof found === "number" && Number.isInteger(found) && found >= 100 && found <= 599;
    case "attempts": return typeof found === "number";
    case "level": return (LEVELS as readonly unknown[]).includes(found);
    case "audit": return typeof found === "boolean";
    case "id": return typeof found === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(found);
    default: return name.startsWith("extra.") || typeof found === "string";
  }
}

/** All fields of a record, in its own order, the first {@link FIELDS_LISTED}. */
export function fieldsOf(record: LogRecord): Field[] {
  const out: Field[] = [];
  const walk = (path: string, at: string, found: Json, depth: number) => {
    if (out.length >= FIELDS_LISTED) return;
    if (found === null || typeof found !== "object") {
      out.push({ path: at, value: found, term: termOf(path, found) });
    } else if (path === "error.stack_trace" && Array.isArray(found)) {
      out.push({ path: at, value: found.map(String).join("\n"), term: null });
    } else if (depth >= DEPTH || (Array.isArray(found) ? found : Object.keys(found)).length === 0) {
      out.push({ path: at, value: json(found), term: null });
    } else if (Array.isArray(found)) {
      found.forEach((item, index) => walk(path, `${at}[${index}]`, item, depth + 1));
    } else {
      for (const [key, item] of Object.entries(found)) {
        const below = path === "" ? key : `${path}.${key}`;
        // A key with a dot in it would name another field.
        walk(key.includes(".") ? `${below} ` : below, at === "" ? key : `${at}.${key}`, item, depth + 1);
      }
    }
  };
  walk("", "", record, 0);
  return out;
}

/** The value at a path of names without dots; undefined if there is none. */
export function at(record: LogRecord, path: string): Json | undefined {
  let found: Json | undefined = record;
  for (const key of path.split(".")) {
    if (found === null || typeof found !== "object" || Array.isArray(found) || !Object.hasOwn(found, key)) return undefined;
    found = found[key];
  }
  return found;
}

/** The text at a path; "" if there is none. */
export function textAt(record: LogRecord, path: string): string {
  const found = at(record, path);
  if (found === undefined || found === null) return "";
  return typeof found === "object" ? json(found) : String(found);
}

/** As JSON; the stack of a browser bounds how deep that goes. */
function json(found: Json): string {
  try {
    return JSON.stringify(found);
  } catch {
    return "(nested too deeply to be shown)";
  }
}

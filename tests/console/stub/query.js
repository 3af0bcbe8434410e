// As much of the query language as the tests of the pages need.

const FIELDS = {
  level: "level", service: "logger_name", logger: "logger_name", message: "message", id: "id", org: "context.organization_id",
  user: "context.user_id", request: "context.request_id", correlation: "context.correlation_id", conversation: "context.conversation_id",
  trace: "trace.trace_id", route: "http.route", status: "http.status", path: "http.path", host: "http.host", method: "http.method",
  error: "error.details", ip: "http.client_ip", gateway: "source.gateway", function: "function_name", cluster: "http.cluster", duration: "trace.execution_time_ms",
};

export class QueryError extends Error {
  constructor(at, message) {
    super(`at character ${at + 1}: ${message}`);
    this.at = at;
  }
}

const read = (record, path) => path.split(".").reduce((found, key) => (found && typeof found === "object" && Object.hasOwn(found, key) ? found[key] : undefined), record);

/** A function that tells whether a record matches. */
export function parse(query) {
  const terms = [];
  for (const found of query.matchAll(/(-?)(?:([a-zA-Z][\w.]*):)?("(?:[^"\\]|\\.)*"|[^\s"]+)/g)) {
    const [whole, minus, field, raw] = found;
    if (field !== undefined && !Object.hasOwn(FIELDS, field.toLowerCase()) && !field.startsWith("extra.")) {
      throw new QueryError(Array.from(query.slice(0, found.index)).length, `no field is named "${field}"`);
    }
    if (whole === "OR" || whole === "(" || whole === ")") continue;
    const quoted = raw.startsWith('"');
    const value = quoted ? raw.slice(1, -1).replace(/\\(.)/g, "$1") : raw;
    const wanted = field === undefined ? text(value) : term(FIELDS[field.toLowerCase()] ?? field, value, quoted);
    terms.push(minus ? (record) => !wanted(record) : wanted);
  }
  return (record) => terms.every((matches) => matches(record));
}

const text = (value) => (record) => `${record.message} ${record.error?.details ?? ""} ${record.error?.message ?? ""}`.toLowerCase().includes(value.toLowerCase());

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

function term(path, value, quoted) {
  const number = (found) => (path === "level" ? LEVELS.indexOf(found) : Number.parseFloat(found));
  if (!quoted && /^[<>]/.test(value)) {
    const [, sign, bound] = /^([<>]=?)(.*)$/.exec(value);
    const compare = { ">": (a, b) => a > b, ">=": (a, b) => a >= b, "<": (a, b) => a < b, "<=": (a, b) => a <= b }[sign];
    return (record) => compare(number(read(record, path)), number(bound));
  }
  if (!quoted && path === "http.status" && /^[1-5]xx$/.test(value)) return (record) => String(read(record, path)).charAt(0) === value.charAt(0);
  if (path === "message") return (record) => String(record.message).includes(value);
  if (!quoted && value.endsWith("*")) return (record) => String(read(record, path) ?? "").startsWith(value.slice(0, -1));
  return (record) => String(read(record, path)) === value;
}

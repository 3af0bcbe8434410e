// The overview of the stub's records, as the console makes it from counts.

const MINUTE = 60_000;

/** From records, newest first. `more` replaces keys of the answer. */
export function overview(records, given, more = {}) {
  const step = MINUTE;
  const from = Math.floor(Date.parse(given.get("since")) / step) * step;
  const until = Math.ceil(Date.parse(given.get("until")) / step) * step;
  const before = 2 * from - until;
  const series = [];
  for (let start = from; start < until && series.length < 400; start += step) series.push({ start: iso(start), ...times([]), classes: {}, heat: [], took: [] });
  const all = { now: [], before: [] };
  const tables = { routes: new Map(), organizations: new Map(), loggers: new Map(), errors: new Map() };
  for (const record of records) {
    const at = Date.parse(record.timestamp);
    if (!(at >= before && at < until)) continue;
    const when = at < from ? "before" : "now";
    const { logger_name: logger, function_name: name } = record;
    if (record.http) {
      all[when].push(record);
      count(tables.routes, { logger, route: name }, record, when);
      if (record.context.organization_id) count(tables.organizations, { organization: record.context.organization_id }, record, when);
      if (when === "now") series[Math.floor((at - from) / step)]?.took.push(record);
    } else count(tables.loggers, { logger }, record, when);
    if (isError(record)) count(tables.errors, { fingerprint: "0f", logger, function: name, kind: record.error?.type ?? record.error?.details ?? "" }, record, when);
  }
  for (const point of series) {
    Object.assign(point, times(point.took), { classes: classes(point.took), heat: heat(point.took) });
    delete point.took;
  }
  const totals = { ...times(all.now), classes: classes(all.now), before: times(all.before), change: change(all.now, all.before) };
  return {
    from: iso(from), until: iso(until), before: iso(before), resolution: "minute", step_ms: step, complete: true, reasons: [], counted_to: iso(until),
    counting: true, explanation: null, totals, series, heat_scale: 1, ...Object.fromEntries(Object.entries(tables).map(([table, rows]) => [table, shown(rows)])), ...more,
  };
}

const iso = (millis) => new Date(millis).toISOString();
const isError = (record) => record.level === "ERROR" || record.level === "CRITICAL";
const took = (record) => Number(record.trace?.execution_time_ms ?? 0) * 1000;
const change = (now, before) => (before.length > 0 ? now.length / before.length - 1 : null);

function count(table, name, record, when) {
  const key = JSON.stringify(name);
  const row = table.get(key) ?? { name, now: [], before: [] };
  row[when].push(record);
  table.set(key, row);
}

function times(list) {
  const sorted = list.map(took).sort((a, b) => a - b);
  const at = (part) => (sorted.length === 0 ? null : sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)]);
  return {
    count: list.length, errors: list.filter(isError).length, mean_us: list.length > 0 ? sorted.reduce((sum, one) => sum + one, 0) / list.length : null,
    p50_us: at(0.5), p90_us: at(0.9), p99_us: at(0.99), max_us: sorted.at(-1) ?? 0,
  };
}

function classes(list) {
  const sums = {};
  for (const record of list) {
    const name = typeof record.http.status === "number" ? `${Math.floor(record.http.status / 100)}xx` : "none";
    sums[name] = (sums[name] ?? 0) + 1;
  }
  return sums;
}

function heat(list) {
  const sums = new Map();
  for (const record of list) {
    const band = Math.max(-1, Math.ceil(Math.log2(Math.max(1, took(record))) * 2) - 1);
    sums.set(band, (sums.get(band) ?? 0) + 1);
  }
  return [...sums].sort((a, b) => a[0] - b[0]);
}

function shown(table) {
  const rows = [...table.values()].sort((a, b) => b.now.length - a.now.length);
  const sums = (row) => ({ ...times(row.now), before: times(row.before), change: change(row.now, row.before) });
  const rest = rows.slice(20);
  return {
    rows: rows.slice(0, 20).map((row) => ({ ...row.name, ...sums(row) })), names: rows.length,
    others: sums({ now: rest.flatMap((row) => row.now), before: rest.flatMap((row) => row.before) }),
  };
}

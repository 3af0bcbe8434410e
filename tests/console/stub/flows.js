// Generated flows, as the API answers them.
import { exchange, line, random, time } from "./records.js";

function entry(record, depth, parent, more = {}) {
  const gateway = record.source !== undefined;
  return {
    id: record.id, parent, depth, level: record.level, timestamp: record.timestamp, start: record.timestamp,
    duration_us: gateway ? Math.round(record.trace.execution_time_ms * 1000) : null,
    source: record.logger_name, kind: gateway ? "gateway" : "service",
    title: gateway ? `${record.http.method} ${record.http.path}` : record.message,
    status: record.http?.status ?? null, error: record.level === "ERROR" || record.level === "CRITICAL", critical: false, record, ...more,
  };
}

/** A request, the requests that its services made through the gateway, and what they logged. */
export function shopFlow(correlation, until) {
  const next = random(11);
  const out = [];
  const at = (micros, took, more, service) => {
    const record = exchange(next, micros, { correlation, ...more });
    record.trace.execution_time_ms = took / 1000;
    record.logger_name = service ?? record.logger_name;
    record.http.method = more.method ?? record.http.method;
    record.http.path = more.path ?? record.http.path;
    record.message = `${record.http.method} ${record.http.path} -> ${record.http.status} in ${(took / 1000).toFixed(2)} ms`;
    return record;
  };
  const add = (record, depth, parent, more) => { out.push(entry(record, depth, parent, more)); return record.id; };
  const logged = (micros, during, depth, parent, text, level = "INFO", service = "app.orders") => {
    const record = line(next, micros, during);
    Object.assign(record, { message: text, level, logger_name: service });
    if (level !== "ERROR") delete record.error;
    add(record, depth, parent);
  };
  const start = until - 60_000_000;
  const root = at(start, 842_000, { status: 502, method: "POST", path: "/api/v1/orders" });
  const rootId = add(root, 0, null, { critical: true });
  logged(start + 4_000, root, 1, rootId, "order received with 3 items");
  const stock = at(start + 12_000, 96_000, { status: 200, method: "POST", path: "/internal/stock/reservations" });
  const stockId = add(stock, 1, rootId);
  logged(start + 20_000, stock, 2, stockId, "cache miss, read from the database", "WARNING", "app.inventory");
  logged(start + 90_000, stock, 2, stockId, "3 items reserved", "INFO", "app.inventory");
  const price = at(start + 14_000, 41_000, { status: 200, method: "GET", path: "/internal/prices" });
  add(price, 1, rootId);
  const pay = at(start + 118_000, 690_000, { status: 503, method: "POST", path: "/internal/payments" });
  const payId = add(pay, 1, rootId, { critical: true });
  for (let i = 0; i < 3; i += 1) {
    const attempt = at(start + 130_000 + i * 220_000, 200_000, { status: 503, method: "POST", path: "/provider/v2/charges" }, "gateway.egress");
    const attemptId = add(attempt, 2, payId, { critical: i === 2 });
    logged(start + 329_000 + i * 220_000, attempt, 3, attemptId, `charge attempt ${i + 1} of 3 failed`, i === 2 ? "ERROR" : "WARNING", "app.billing");
  }
  logged(start + 806_000, pay, 2, payId, "payment failed, order cancelled", "ERROR", "app.billing");
  const release = at(start + 815_000, 22_000, { status: 204, method: "DELETE", path: "/internal/stock/reservations/81" });
  add(release, 1, rootId);
  logged(start + 838_000, root, 1, rootId, "answered 502 to the client", "WARNING");
  return { correlation_id: correlation, records: out, complete: true, reason: null, hidden: false };
}

/** A flow of this many records, in a tree. */
export function largeFlow(correlation, until, count) {
  const next = random(5);
  const records = [];
  const start = until - 600_000_000;
  const root = exchange(next, start, { correlation });
  root.trace.execution_time_ms = 590_000;
  records.push(entry(root, 0, null, { critical: true }));
  while (records.length < count) {
    const micros = Math.floor(start + (records.length / count) * 580_000_000);
    const one = exchange(next, micros, { correlation });
    records.push(entry(one, 1, root.id));
    for (let i = Math.floor(next() * 5); i > 0 && records.length < count; i -= 1) {
      records.push(entry(line(next, micros + Math.floor(next() * 10_000), one), 2, one.id));
    }
  }
  return { correlation_id: correlation, records, complete: true, reason: null, hidden: true };
}

export { entry, time };

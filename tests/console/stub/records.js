// Generated records: a shop behind a gateway, with services that log. The same seed makes the same
// records, at times before the given one.

/** A small generator of numbers from 0 to 1 (mulberry32). */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const ROUTES = [
  ["conversations", "GET", "/api/v1/conversations/conv_{n}", 40],
  ["messages", "POST", "/api/v1/conversations/conv_{n}/messages", 130],
  ["orders", "POST", "/api/v1/orders", 220],
  ["catalog", "GET", "/api/v1/catalog/items", 12],
  ["reports", "GET", "/api/v1/reports/{n}", 900],
];
const SERVICES = ["app.orders", "app.billing", "app.inventory"];

export function uuid(next) {
  const digits = Array.from({ length: 32 }, () => Math.floor(next() * 16).toString(16));
  digits[12] = "7";
  digits[16] = "8";
  const text = digits.join("");
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join("-");
}

/** RFC 3339 with microseconds. */
export function time(micros) {
  const millis = Math.floor(micros / 1000);
  return `${new Date(millis).toISOString().slice(0, 23)}${String(Math.floor(micros - millis * 1000)).padStart(3, "0")}Z`;
}

/** One exchange at the gateway. */
export function exchange(next, micros, more = {}) {
  const [route, method, form, usual] = ROUTES[Math.floor(next() ** 1.6 * ROUTES.length)];
  const luck = next();
  const status = more.status ?? (luck > 0.985 ? 503 : luck > 0.97 ? 500 : luck > 0.92 ? 404 : luck > 0.9 ? 429 : method === "POST" ? 201 : 200);
  const level = status === 503 ? "CRITICAL" : status >= 500 ? "ERROR" : status >= 400 ? "WARNING" : "INFO";
  const took = Math.round(usual * (0.4 + next() * 1.2 + (next() > 0.97 ? 8 : 0)) * 1000) / 1000;
  const path = form.replace("{n}", String(Math.floor(next() * 900)));
  const id = uuid(next);
  return {
    timestamp: time(micros), level, logger_name: "gateway.edge", function_name: route, line_number: null,
    message: `${method} ${path} -> ${status} in ${took.toFixed(2)} ms`,
    context: {
      request_id: uuid(next), correlation_id: more.correlation ?? `corr_${Math.floor(next() * 90_000)}`,
      organization_id: `org_${Math.floor(next() ** 2 * 12)}`, user_id: next() > 0.15 ? `user_${Math.floor(next() * 60)}` : null,
      conversation_id: route === "conversations" ? `conv_${Math.floor(next() * 900)}` : null,
    },
    trace: { execution_time_ms: took, status: status >= 500 ? "error" : "success", upstream_ms: Math.round(took * 900) / 1000, ...(next() > 0.7 ? { metrics: { db: Math.round(took * 300) / 1000 } } : {}) },
    http: {
      method, scheme: "https", host: "api.example.org", path, ...(next() > 0.6 ? { query: "limit=20&page=2" } : {}), status, protocol: "HTTP/2",
      user_agent: next() > 0.5 ? "Mozilla/5.0 (X11; Linux x86_64)" : "okhttp/5.1.0", client_ip: `203.0.113.${Math.floor(next() * 250)}`, route,
      cluster: route, upstream: "10.9.9.9:8000", attempts: 1, request_bytes: 357, response_bytes: 292 + Math.floor(next() * 9000),
    },
    ...(status >= 500 ? { error: { details: status === 503 ? "no_healthy_upstream" : "via_upstream", flags: status === 503 ? ["UH"] : [] } } : {}),
    ...(next() > 0.5 ? { extra: { region: next() > 0.5 ? "eu-west-1" : "us-east-1" } } : {}),
    id, source: { gateway: `edge-${1 + Math.floor(next() * 3)}`, boot: "01a20c77-f450-7efe-b7c8-4063c00f6419", seq: Math.floor(next() * 1e6) },
  };
}

/** A line that a service logged during an exchange. */
export function line(next, micros, during) {
  const failed = during.http.status >= 500 && next() > 0.5;
  const texts = ["stock reserved", "payment authorized", "cache miss, read from the database", "published event order.created", "retry 1 of 3 after timeout"];
  return {
    timestamp: time(micros), level: failed ? "ERROR" : next() > 0.85 ? "WARNING" : "INFO",
    logger_name: SERVICES[Math.floor(next() * SERVICES.length)], function_name: "handle", line_number: 10 + Math.floor(next() * 300),
    message: failed ? "could not reach the payment provider" : texts[Math.floor(next() * texts.length)],
    context: { ...during.context }, trace: { trace_id: during.id.replaceAll("-", "") },
    ...(failed ? { error: { type: "ConnectionError", message: "connection refused: 10.9.9.9:8000", stack_trace: ["billing/pay.py:42 in charge", "billing/client.py:118 in post", "http/pool.py:77 in connect"] } } : {}),
    extra: { sku: `a-${Math.floor(next() * 40)}`, order: { items: Math.floor(next() * 5) } }, id: uuid(next),
  };
}

/** Records of the last hours, newest first: exchanges, and the lines logged during them. */
export function records(count, until, seed = 7) {
  const next = random(seed);
  const out = [];
  let micros = until - 500_000;
  while (out.length < count) {
    // More and fewer requests over time, and a bad quarter of an hour.
    const age = (until - micros) / 60_000_000;
    micros -= next() * 1_400_000 * (1.2 + Math.sin(age / 9));
    const bad = age > 18 && age < 24 && next() > 0.72;
    const one = exchange(next, Math.floor(micros), bad ? { status: next() > 0.5 ? 503 : 500 } : {});
    out.push(one);
    for (let lines = next() > 0.6 ? 1 + Math.floor(next() * 3) : 0; lines > 0; lines -= 1) {
      out.push(line(next, Math.floor(micros + next() * one.trace.execution_time_ms * 900), one));
    }
  }
  return out.sort((a, b) => (a.timestamp < b.timestamp ? 1 : -1)).slice(0, count);
}

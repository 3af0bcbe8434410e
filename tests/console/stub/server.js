// A server with the console's API and generated records: the pages are tested against it where the
// real one cannot show the case, for example hostile records and failures.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { overview } from "./overview.js";
import { QueryError, parse } from "./query.js";

export const TOKEN = "token-of-the-tests";
export const CODE = "code-of-the-tests";
const dist = new URL("../../../crates/console/web/dist/", import.meta.url);

const SECURITY = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin",
};
const ASSETS = {
  "/assets/app.js": ["app.js", "text/javascript; charset=utf-8"], "/assets/app.css": ["app.css", "text/css; charset=utf-8"],
  "/assets/icon.svg": ["icon.svg", "image/svg+xml"],
};
const FLOW_RECORDS = 8000;
const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

class Refusal extends Error {
  constructor(status, message, headers = {}) {
    super(message);
    Object.assign(this, { status, headers });
  }
}

/**
 * Starts it on a free port. `data` has `records` (newest first), `flows` by id, `delivery`, `tail` (a
 * list of events, or null for none), `session`, `overview` (keys of that answer), `views` (a list, or why none
 * are kept). `faults` maps a path to `{status, retryAfter}`, `delay` and `timeOut`; with `parts`, each answer ends after so many
 * records, as its time is over.
 */
export async function startStub(data, faults = {}) {
  const sessions = new Set();
  const tails = new Set();
  let code = CODE;
  let views = structuredClone(data.views ?? []);
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      if (!(error instanceof Refusal)) console.error(error);
      const { status = 500, headers = {} } = error;
      json(response, status, { error: { message: error.message, at: error.at ?? null } }, headers);
    });
  });

  async function answer(request, response) {
    const url = new URL(request.url, "http://stub");
    const path = url.pathname;
    if (Object.hasOwn(ASSETS, path)) {
      const [name, type] = ASSETS[path];
      return send(response, 200, await readFile(new URL(name, dist)), { "content-type": type });
    }
    if (!path.startsWith("/api/v1/")) return send(response, 200, await readFile(new URL("index.html", dist)), { "content-type": "text/html; charset=utf-8" });
    const name = path.slice("/api/v1/".length);
    const fault = faults[name];
    if (fault?.delay) await new Promise((resolve) => setTimeout(resolve, fault.delay));
    if (fault?.status) throw new Refusal(fault.status, fault.message ?? "the database cannot be reached", fault.retryAfter ? { "retry-after": fault.retryAfter } : {});
    if (name === "session") return session(request, response);
    if (!sessions.has(cookie(request))) throw new Refusal(401, "sign in first");
    if (name === "views") return savedViews(request, url.searchParams, response);
    return call(name, url.searchParams, response);
  }

  const shown = () => ({ ...data.session, live: Boolean(data.tail) });

  async function session(request, response) {
    if (request.method === "GET") {
      if (!sessions.has(cookie(request))) throw new Refusal(401, "sign in first");
      return json(response, 200, shown());
    }
    if (request.headers["content-type"] !== "application/json") throw new Refusal(415, "content-type must be application/json");
    if (request.method === "DELETE") {
      sessions.delete(cookie(request));
      return send(response, 204, "");
    }
    let body = "";
    for await (const part of request) body += part;
    const given = JSON.parse(body);
    if (given.token !== TOKEN && given.code !== code) throw new Refusal(401, given.code ? "this link was used already, or is too old" : "this token is not known");
    if (given.code) code = "used";
    const name = `s${Math.random().toString(36).slice(2)}`;
    sessions.add(name);
    return json(response, 200, shown(), { "set-cookie": `gatelog_session=${name}; HttpOnly; SameSite=Strict; Path=/` });
  }

  async function savedViews(request, given, response) {
    const kept = Array.isArray(views);
    if (request.method === "GET") {
      const may_share = kept && data.session.role === "all";
      return json(response, 200, { kept, reason: kept ? null : views, may_share, views: kept ? views : [] });
    }
    if (request.headers["content-type"] !== "application/json") throw new Refusal(415, "content-type must be application/json");
    if (!kept) throw new Refusal(404, "the server keeps no views");
    const without = (name) => views.filter((view) => !view.own || view.name !== name);
    if (request.method === "DELETE") {
      views = without(given.get("name"));
      return send(response, 204, "");
    }
    let body = "";
    for await (const part of request) body += part;
    const { name, address, shared } = JSON.parse(body);
    if (views.filter((view) => view.own).length >= 100) throw new Refusal(409, "you have 100 saved views, which is the maximum: delete one that you no longer need");
    const view = { name, address, shared, own: true, by: data.session.name, at: "2026-01-26T02:11:57.469652+00:00" };
    views = [...without(name), view];
    return json(response, 200, view);
  }

  function call(name, given, response) {
    const [first, ...rest] = name.split("/").map(decodeURIComponent);
    if (first === "search") return json(response, 200, search(given));
    if (first === "histogram") return json(response, 200, histogram(given));
    if (first === "overview") return json(response, 200, overview(data.records, given, data.overview));
    if (first === "records") {
      const all = [...data.records, ...Object.values(data.flows).flatMap((flow) => flow.records.map((entry) => entry.record))];
      const record = all.find((one) => one.id === rest[1] && one.level === rest[0]);
      if (!record) throw new Refusal(404, "no such record");
      return json(response, 200, { record });
    }
    if (first === "flows") {
      const flow = data.flows[rest.join("/")];
      if (!flow) throw new Refusal(404, "there is no such flow, or its records have expired");
      // Past a bound, an answer has only the ids of records.
      const shown = flow.records.map((entry, at) => (at < FLOW_RECORDS ? entry : { ...entry, record: { id: entry.id } }));
      return json(response, 200, { ...flow, records: shown });
    }
    if (first === "delivery") {
      if (data.session.role !== "all") throw new Refusal(403, "for those who may see all organizations");
      return json(response, 200, data.delivery);
    }
    if (first === "export") {
      const type = given.get("format") === "csv" ? "text/csv" : "application/x-ndjson";
      const lines = matching(given).slice(0, 1000).map((record) => JSON.stringify(record)).join("\n");
      return send(response, 200, lines, { "content-type": type, "content-disposition": `attachment; filename="records.${given.get("format")}"` });
    }
    if (first === "tail" && data.tail) {
      response.writeHead(200, { ...SECURITY, "content-type": "text/event-stream", "cache-control": "no-store" });
      for (const event of data.tail) response.write(event);
      tails.add(response);
      return response.on("close", () => tails.delete(response));
    }
    throw new Refusal(404, "no such thing");
  }

  function matching(given) {
    const matches = query(given);
    const [since, until] = [given.get("since"), given.get("until")].map((text) => text.replace("Z", ""));
    return data.records.filter((record) => {
      const at = String(record.timestamp).slice(0, 26).replace("Z", "");
      return (typeof record.timestamp !== "string" || (at >= since && at < until)) && matches(record);
    });
  }

  function search(given) {
    const from = Number(given.get("after") ?? 0);
    const { parts } = faults.search ?? {};
    const limit = Math.min(Number(given.get("limit") ?? 100), parts ?? 1000);
    const all = matching(given);
    const page = all.slice(from, from + limit);
    const more = from + limit < all.length;
    const timeOut = (parts !== undefined || faults.search?.timeOut === true) && more;
    const last = page.at(-1)?.timestamp ?? given.get("until");
    return {
      records: page, next: more ? String(from + limit) : null,
      reach: { from: more ? last : given.get("since"), until: given.get("until"), complete: !more, reason: more ? (timeOut ? "time" : "page") : null, only_flows: faults.search?.onlyFlows === true && given.get("reach") !== "everything" },
    };
  }

  function histogram(given) {
    const all = matching(given);
    const from = Number(given.get("after") ?? 0);
    const { parts } = faults.histogram ?? {};
    const counted = all.slice(from, from + Math.min(Number(given.get("limit") ?? 5000), parts ?? 5000));
    const [since, until] = [Date.parse(given.get("since")), Date.parse(given.get("until"))];
    const step = Math.max(1, Math.ceil((until - since) / 120));
    const buckets = new Map();
    const facets = { level: new Map(), logger_name: new Map(), status: new Map(), route: new Map() };
    const count = (map, value) => { if (value !== undefined && value !== null) map.set(value, (map.get(value) ?? 0) + 1); };
    for (const record of counted) {
      const at = Date.parse(record.timestamp);
      const start = since + Math.floor(((Number.isNaN(at) ? until - 1 : at) - since) / step) * step;
      const bucket = buckets.get(start) ?? {};
      bucket[record.level] = (bucket[record.level] ?? 0) + 1;
      buckets.set(start, bucket);
      count(facets.level, record.level);
      count(facets.logger_name, record.logger_name);
      count(facets.status, record.http?.status);
      count(facets.route, record.http?.route);
    }
    const sorted = (map) => [...map].sort((a, b) => b[1] - a[1]).slice(0, Number(given.get("values") ?? 20));
    const complete = from + counted.length === all.length;
    return {
      step_ms: step, records: counted.length, next: complete ? null : String(from + counted.length),
      buckets: [...buckets].sort((a, b) => a[0] - b[0]).map(([start, counts]) => ({ start: new Date(start).toISOString(), counts: { ...Object.fromEntries(LEVELS.map((level) => [level, 0])), ...counts } })),
      facets: Object.fromEntries(Object.entries(facets).map(([field, map]) => [field, sorted(map)])),
      reach: { from: complete ? given.get("since") : counted.at(-1).timestamp, until: given.get("until"), complete, reason: complete ? null : parts === undefined ? "page" : "time" },
    };
  }

  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    forgetSessions: () => sessions.clear(),
    views: () => views,
    stopKeeping: () => { views = "denied"; },
    push: (event) => { for (const tail of tails) tail.write(event); },
    stop: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }),
  };
}

function query(given) {
  try {
    return parse(given.get("query") ?? "");
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    const refusal = new Refusal(400, error.message);
    refusal.at = error.at;
    throw refusal;
  }
}

function cookie(request) {
  return /gatelog_session=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];
}

function json(response, status, body, headers = {}) {
  send(response, status, JSON.stringify(body), { "content-type": "application/json", "cache-control": "no-store", ...headers });
}

function send(response, status, body, headers = {}) {
  response.writeHead(status, { ...SECURITY, ...headers });
  response.end(body);
}

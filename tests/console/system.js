// The real console: a database that speaks MongoDB's protocol, a collector that stores generated
// records in it, and gatelog-console, each a process of its own on a free port.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const checkout = fileURLToPath(new URL("../../", import.meta.url));
/** Milliseconds until something that was started must be there. */
const PATIENCE = 90_000;
export const TOKEN = "viewer-of-everything-0123456789";
export const TOKEN_OF_ONE = "viewer-of-one-organization-0123456789";

/** What the condition returns, once it is neither false nor an error. */
export async function eventually(what, condition) {
  const until = Date.now() + PATIENCE;
  let last;
  while (Date.now() < until) {
    try {
      const found = await condition();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what}: not within ${PATIENCE / 1000} s${last ? `, last: ${last.message}` : ""}`);
}

/**
 * Numbers the records of each gateway from 1, oldest first, as gateways do. `leaving` says for a gateway
 * how many numbers are left out after its first hundred: they will be missing.
 */
export function number(records, leaving = {}) {
  const numbers = new Map();
  for (const record of records.toReversed()) {
    if (!record.source) continue;
    const { gateway } = record.source;
    const before = numbers.get(gateway) ?? 0;
    const next = before + 1 + (before === 100 ? leaving[gateway] ?? 0 : 0);
    numbers.set(gateway, next);
    record.source.seq = next;
  }
}

/**
 * Starts them with these records. `organization` is what the second viewer may see; the console follows
 * as many collectors, the first of which takes the records.
 */
export async function startSystem(records, organization, collectors = 1) {
  const directory = mkdtempSync(join(tmpdir(), "gatelog-console-"));
  const processes = [];
  const start = (program, args, env = {}) => {
    assert.ok(existsSync(program), `${program} is missing: run 'cargo build --workspace --bins' and 'make tools'`);
    const child = spawn(program, args, { env: { PATH: process.env.PATH, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    const one = { child, log: "", ended: new Promise((resolve) => child.once("exit", resolve)) };
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => { one.log = (one.log + part).slice(-100_000); });
    processes.unshift(one);
    return one;
  };
  const stop = async () => {
    for (const { child, ended } of processes) {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(timer);
    }
    rmSync(directory, { recursive: true, force: true });
  };
  const listens = (one, name) => eventually(`${name} listens`, () => {
    if (one.child.exitCode !== null) throw new Error(`${name} ended: ${one.log.slice(-2000)}`);
    const file = join(directory, `${name}.address`);
    return existsSync(file) && readFileSync(file, "utf8").trim();
  });
  try {
    const database = start(join(checkout, ".tools/venv/bin/secantusd-py"), ["--host", "127.0.0.1", "--port", "0", "--cache-size", "256M", "--storage-path", join(directory, "database")]);
    const address = await eventually("the database listens", () => /listening on (?:mongodb:\/\/)?([\d.]+:\d+)/i.exec(database.log)?.[1]);
    const env = { MONGODB_URI: `mongodb://${address}/`, GATELOG_DATABASE: "console" };
    const inlets = [];
    for (let number = 1; number <= collectors; number += 1) {
      const name = `collector-${number}`;
      const collector = start(join(checkout, "target/debug/gatelog-collector"), ["serve"], {
        ...env, GATELOG_LISTEN: "127.0.0.1:0", GATELOG_ADDRESS_FILE: join(directory, `${name}.address`), GATELOG_SPOOL_DIR: join(directory, name), GATELOG_ROLLUPS: "on",
      });
      const inlet = await listens(collector, name);
      inlets.push({ url: `http://${inlet}`, post: (list) => send(inlet, list), kill: () => { collector.child.kill("SIGKILL"); return collector.ended; } });
    }
    for (let at = 0; at < records.length; at += 500) await inlets[0].post(records.slice(at, at + 500));
    writeFileSync(join(directory, "tokens"), `${TOKEN} name=on-call all\n${TOKEN_OF_ONE} name=ann organizations=${organization}\n`);
    const console_ = start(join(checkout, "target/debug/gatelog-console"), ["serve"], {
      ...env, GATELOG_CONSOLE_LISTEN: "127.0.0.1:0", GATELOG_CONSOLE_ADDRESS_FILE: join(directory, "console.address"),
      GATELOG_CONSOLE_TAIL: inlets.map((one) => one.url).join(), GATELOG_CONSOLE_TOKENS_FILE: join(directory, "tokens"), GATELOG_CONSOLE_CODE_FILE: join(directory, "code"),
    });
    const url = `http://${await listens(console_, "console")}`;
    const ask = (path) => fetch(`${url}/api/v1/${path}`, { headers: { authorization: `Bearer ${TOKEN}` } }).then((response) => response.json());
    const oldest = records.at(-1);
    await eventually("everything is stored", async () => (await ask(`search?since=1d&limit=10&query=id:${oldest.id}`)).records?.length === 1);
    return { url, ask, stop, collectors: inlets, code: () => readFileSync(join(directory, "code"), "utf8").trim(), log: () => console_.log };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function send(address, records) {
  const body = records.map((record) => JSON.stringify(record)).join("\n");
  await eventually("the collector accepts", async () => {
    const response = await fetch(`http://${address}/v1/records`, { method: "POST", headers: { "content-type": "application/x-ndjson" }, body });
    if (response.status !== 202 && response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`);
    return true;
  });
}

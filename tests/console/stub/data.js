// What the stub serves: generated once, for the time at which it was asked for.
import { largeFlow, shopFlow } from "./flows.js";
import { hostileRecords } from "./hostile.js";
import { records } from "./records.js";

const BOOTS = ["01a20c77-f450-7efe-b7c8-4063c00f6419", "01a20c78-0a1b-74da-878f-a98918b5a0ab", "01a20c78-0178-7015-bb65-2c1ab255bac2"];

function boot(gateway, index, terms, more = {}) {
  const all = { stored: 0, spooled: 0, quarantined: 0, dropped: 0, recovered: 0, queued: 0, unknown: 0, missing: 0, ...terms };
  const assigned = all.stored + all.spooled + all.quarantined + all.dropped + all.queued + all.unknown + all.missing;
  return { gateway, boot: BOOTS[index], assigned, ...all, dropped_by_reason: {}, sampled: 0, counted_up_to: 0, gaps: [], updated: new Date().toISOString(), ...more };
}

export function delivery() {
  const boots = [
    boot("edge-1", 0, { stored: 482_113, queued: 12, spooled: 40 }, { sampled: 31_020 }),
    boot("edge-2", 1, { stored: 391_772, dropped: 210, missing: 35 }, { dropped_by_reason: { queue_full: 210 }, gaps: [[120_004, 120_038]] }),
    boot("edge-2", 2, { stored: 12_400, spooled: 8 }),
    boot("edge-3", 0, { stored: 220_018 }),
    boot("app.orders", 1, { stored: 88_120, quarantined: 3 }),
    boot("app.billing", 2, { stored: 41_233 }),
  ];
  const sums = {};
  for (const one of boots) for (const [name, count] of Object.entries(one)) if (typeof count === "number") sums[name] = (sums[name] ?? 0) + count;
  return { boots, sums, unnumbered: { accepted: 10_240, quarantined: 2 } };
}

export const SESSION = { name: "ana@example.org", role: "all", organizations: [], expires: null };

/** A shop's hours before now, with its flows. */
export function shop(count = 12_000) {
  const now = Date.now() * 1000;
  const flow = shopFlow("corr_checkout", now);
  const list = [...records(count, now), ...flow.records.map((entry) => entry.record)].sort((a, b) => (a.timestamp < b.timestamp ? 1 : -1));
  return { session: SESSION, records: list, flows: { corr_checkout: flow, corr_large: largeFlow("corr_large", now, 10_000) }, delivery: delivery(), tail: null, now };
}

/** Only what is meant to harm. */
export function hostile() {
  const now = Date.now() * 1000;
  const list = hostileRecords(now);
  const entries = list.map((record) => ({
    id: record.id, parent: null, depth: 0, level: String(record.level), timestamp: String(record.timestamp), start: new Date(now / 1000).toISOString(), duration_us: 1000,
    source: String(record.logger_name), kind: "gateway", title: String(record.message), status: "<i>", error: true, critical: true, record,
  }));
  return { session: { ...SESSION, name: "\u202e<b>ana</b>" }, records: list, flows: { hostile: { correlation_id: "hostile", records: entries, complete: false, reason: "<b>time</b>", hidden: true } }, delivery: { boots: [], sums: {} }, tail: null, now };
}

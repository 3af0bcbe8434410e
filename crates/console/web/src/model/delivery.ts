// The accounting, by gateway: where every numbered record is.

import type { Boot, DeliveryAnswer, Terms } from "../api/types";

/** What the accounting adds up to, in the order of a record's way; `recovered` is part of others. */
export const PLACES = ["stored", "spooled", "queued", "quarantined", "dropped", "unknown", "missing"] as const;
export type Place = (typeof PLACES)[number];

export const MEANINGS: { [place in Place]: string } = {
  stored: "in the database",
  spooled: "accepted, waiting for the database",
  queued: "waiting in the sender",
  quarantined: "refused, in the dead letters",
  dropped: "dropped by the sender",
  unknown: "may have arrived",
  missing: "lost unless a replay recovers them",
};

export type Verdict = "complete" | "on its way" | "incomplete";

export interface Sender {
  name: string;
  boots: Boot[];
  sum: Terms;
  /** The last report of any of its boots. */
  updated: string;
}

const NONE: Terms = {
  assigned: 0, stored: 0, spooled: 0, quarantined: 0, dropped: 0, recovered: 0, queued: 0, unknown: 0, missing: 0, sampled: 0,
};

/** The sum of some terms; what is absent counts as zero. */
export function sum(all: Partial<Terms>[]): Terms {
  const total = { ...NONE };
  for (const terms of all) {
    for (const name of Object.keys(NONE) as (keyof Terms)[]) total[name] += Number(terms[name]) || 0;
  }
  return total;
}

/** The boots by sender, those with something wrong first. */
export function senders(answer: DeliveryAnswer): Sender[] {
  const byName = new Map<string, Boot[]>();
  for (const boot of answer.boots) {
    const list = byName.get(boot.gateway);
    if (list) list.push(boot);
    else byName.set(boot.gateway, [boot]);
  }
  const out = [...byName].map(([name, boots]) => {
    boots.sort((a, b) => b.updated.localeCompare(a.updated));
    return { name, boots, sum: sum(boots), updated: boots[0]?.updated ?? "" };
  });
  const rank = (sender: Sender) => ["incomplete", "on its way", "complete"].indexOf(verdict(sender.sum));
  return out.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

/** Whether everything is in the database, will be, or will not. Counts that do not reconcile prove nothing. */
export function verdict(terms: Terms): Verdict {
  if (terms.missing + terms.unknown + terms.dropped + terms.quarantined > 0 || difference(terms) !== 0) return "incomplete";
  return terms.spooled + terms.queued > 0 ? "on its way" : "complete";
}

/** What the places do not add up to; 0 if the accounting reconciles. */
export function difference(terms: Terms): number {
  return terms.assigned - PLACES.reduce((total, place) => total + terms[place], 0);
}

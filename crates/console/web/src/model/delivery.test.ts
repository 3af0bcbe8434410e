import assert from "node:assert/strict";
import { test } from "node:test";
import type { Boot } from "../api/types";
import { difference, senders, sum, verdict } from "./delivery";

const boot = (gateway: string, more: Partial<Boot>): Boot => ({
  ...sum([]), gateway, boot: "b", dropped_by_reason: {}, gaps: [], updated: "2026-01-01T00:00:00Z", ...more,
});

test("senders_are_summed_and_those_that_lost_records_come_first", () => {
  const list = senders({
    boots: [
      boot("a", { assigned: 3, stored: 3 }), boot("b", { assigned: 2, stored: 1, missing: 1 }), boot("a", { assigned: 2, stored: 1, queued: 1 }),
    ],
  });
  assert.deepEqual(list.map((sender) => [sender.name, verdict(sender.sum), sender.sum.assigned]), [["b", "incomplete", 2], ["a", "on its way", 5]]);
});

test("a_sum_that_does_not_reconcile_says_by_how_much", () => {
  assert.equal(difference(sum([{ assigned: 10, stored: 7, missing: 3 }])), 0);
  assert.equal(difference(sum([{ assigned: 10, stored: 7 }])), 3);
});

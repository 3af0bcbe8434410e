import assert from "node:assert/strict";
import { test } from "node:test";
import type { FlowEntry } from "../api/types";
import { layOut, ticks, toBeSeen } from "./waterfall";

const entry = (id: string, depth: number, more: Partial<FlowEntry> = {}): FlowEntry => ({
  id, parent: null, depth, level: "INFO", timestamp: "2026-01-26T00:00:00Z", start: "2026-01-26T00:00:00Z",
  duration_us: 1000, source: "edge", kind: "gateway", title: id, status: 200, error: false, critical: false, record: {}, ...more,
});
const all = { errors: false, critical: false, lines: true, folded: new Set<string>() };

test("a_flow_spans_from_its_first_start_to_its_last_end", () => {
  const flow = layOut([entry("a", 0, { duration_us: 500 }), entry("b", 1, { start: "2026-01-26T00:00:01Z", duration_us: null })]);
  assert.equal(flow.until - flow.since, 1_000_000);
});

test("a_node_counts_what_is_below_it", () => {
  const { nodes } = layOut([entry("a", 0), entry("b", 1), entry("c", 2, { error: true }), entry("d", 1), entry("e", 0)]);
  assert.deepEqual(nodes.map((node) => [node.below, node.failedBelow]), [[3, 1], [1, 1], [0, 0], [0, 0], [0, 0]]);
});

test("what_is_folded_or_not_wanted_is_not_seen", () => {
  const { nodes } = layOut([
    entry("a", 0, { critical: true }), entry("line", 1, { kind: "service", duration_us: null }), entry("b", 1),
    entry("c", 2, { error: true }), entry("d", 0),
  ]);
  assert.deepEqual(toBeSeen(nodes, all), [0, 1, 2, 3, 4]);
  assert.deepEqual(toBeSeen(nodes, { ...all, lines: false }), [0, 2, 3, 4]);
  assert.deepEqual(toBeSeen(nodes, { ...all, errors: true }), [0, 2, 3]);
  assert.deepEqual(toBeSeen(nodes, { ...all, critical: true }), [0]);
  assert.deepEqual(toBeSeen(nodes, { ...all, folded: new Set(["a"]) }), [0, 4]);
});

test("depths_that_skip_or_are_negative_are_bounded", () => {
  const { nodes } = layOut([entry("a", 5), entry("b", 99), entry("c", -3)]);
  assert.deepEqual(nodes.map((node) => node.depth), [0, 1, 0]);
});

test("an_axis_has_round_marks", () => {
  assert.deepEqual(ticks(1000, 5), [0, 200, 400, 600, 800, 1000]);
  assert.deepEqual(ticks(33_000, 4), [0, 10_000, 20_000, 30_000]);
  assert.deepEqual(ticks(590_000_000, 5), [0, 120_000_000, 240_000_000, 360_000_000, 480_000_000]);
  assert.ok(ticks(1, 10).length <= 11);
});

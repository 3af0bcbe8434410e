import assert from "node:assert/strict";
import { test } from "node:test";
import type { OverviewAnswer, OverviewRow } from "../api/types";
import { bandQuery, bands, changeText, queryOf, ratioText, reasonTexts } from "./overview";

const row = (more: object): OverviewRow => ({ count: 10, errors: 1, mean_us: 1, before: { count: 5, errors: 0, mean_us: 1 }, change: 1, ...more });

test("a_change_is_told_with_its_sign_and_not_where_nothing_was_counted_before", () => {
  assert.equal(changeText(row({})), "+100 %");
  assert.equal(changeText(row({ change: -0.034 })), "−3.4 %");
  assert.equal(changeText(row({ change: 0.001 })), "±0 %");
  assert.equal(changeText(row({ change: null })), "new");
  assert.equal(changeText(row({ before: null, change: null })), "");
});

test("a_few_errors_are_never_shown_as_none", () => {
  assert.deepEqual([ratioText(0, 0), ratioText(0, 9), ratioText(1, 1e6), ratioText(1, 200), ratioText(1, 2)], ["0 %", "0 %", "< 0.01 %", "0.50 %", "50 %"]);
});

test("a_row_leads_to_a_query_of_its_records", () => {
  assert.equal(queryOf("routes", row({ logger: "gateway.edge", route: 'a "b"' })), 'service:gateway.edge function:"a \\"b\\""');
  assert.equal(queryOf("organizations", row({ organization: "acme" })), "org:acme");
  assert.equal(queryOf("errors", row({ logger: "app", function: "", kind: "KeyError" })), "level:>=ERROR service:app error:KeyError");
  assert.equal(queryOf("errors", row({ logger: "edge", function: "orders", kind: "5xx" })), "level:>=ERROR service:edge function:orders status:5xx");
  assert.equal(queryOf("loggers", row({ logger: "x".repeat(128) })), "", "a text that was cut names nothing");
});

test("a_band_of_the_heatmap_leads_to_the_times_in_it", () => {
  assert.equal(bandQuery(19), "duration:>724us duration:<=1024us");
  assert.equal(bandQuery(-1), "duration:<=1us");
  assert.deepEqual(bands([{ start: "", count: 3, heat: [[19, 2], [21, 1]] }]), [[21, 1], [20, 0], [19, 2]]);
});

test("reasons_are_told_once_each", () => {
  const reasons = [{ why: "silent", at: "2026-01-26T02:11:00Z" }, { why: "silent", at: "2026-01-26T02:10:00Z" }, { why: "waiting", waiting: 7 }];
  const texts = reasonTexts({ reasons } as Partial<OverviewAnswer> as OverviewAnswer);
  assert.equal(texts.length, 2);
  assert.match(texts[0] ?? "", /^2 collectors reported nothing since 2026-01-26 02:10:/);
  assert.match(texts[1] ?? "", /^7 records wait/);
});

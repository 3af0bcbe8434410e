import assert from "node:assert/strict";
import { test } from "node:test";
import { take } from "./tail";

function told(event: string): unknown[] {
  const out: unknown[] = [];
  take(event, {
    open: () => out.push("open"), record: (record) => out.push(record), skipped: (count) => out.push(count),
    collectors: (list) => out.push(list), following: (collector) => out.push(collector),
    lost: (collector, message) => out.push([collector, message]),
  });
  return out;
}

test("an_event_is_told_by_its_name", () => {
  assert.deepEqual(told('event: record\ndata: {"level":\ndata: "INFO"}'), [{ level: "INFO" }]);
  assert.deepEqual(told('event:skipped\ndata:{"count":7}'), [7]);
  assert.deepEqual(told('event: skipped\ndata: {"count":null}'), [null]);
  assert.deepEqual(told('event: collectors\ndata: {"collectors":["c","d"]}'), [["c", "d"]]);
  assert.deepEqual(told('event: following\ndata: {"collector":"c"}'), ["c"]);
  assert.deepEqual(told('event: lost\ndata: {"collector":"c","message":"m"}'), [["c", "m"]]);
});

test("what_is_no_event_is_passed_over", () => {
  for (const event of ["", ": keep-alive", "event: record", "event: record\ndata: {", "event: other\ndata: {}", "event: record\ndata: 7"]) {
    assert.deepEqual(told(event), []);
  }
});

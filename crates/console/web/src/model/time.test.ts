import assert from "node:assert/strict";
import { test } from "node:test";
import { clockTime, duration, parseTime, rfc3339, shortTime } from "./time";

test("a_time_keeps_its_microseconds", () => {
  const micros = parseTime("2026-01-26T02:11:57.469652+00:00");
  assert.equal(micros, 1_769_393_517_469_652);
  assert.equal(rfc3339(1_769_393_517_469_652), "2026-01-26T02:11:57.469652Z");
  assert.equal(clockTime(1_769_393_517_469_652), "02:11:57.469");
});

test("a_time_may_be_written_shorter", () => {
  for (const text of ["2026-01-26 02:11", "2026-01-26T02:11:00Z", "2026-01-26T03:11:00+0100"]) {
    assert.equal(shortTime(parseTime(text) ?? 0), "2026-01-26 02:11:00", text);
  }
  assert.equal(shortTime(parseTime("2026-01-26") ?? 0), "2026-01-26 00:00:00");
});

test("what_is_no_time_is_null", () => {
  for (const text of ["", "yesterday", "2026-13-01T00:00:00Z", "12:00"]) assert.equal(parseTime(text), null);
});

test("a_time_outside_of_the_calendar_is_shown_at_its_edge", () => {
  assert.equal(rfc3339(1e30).slice(0, 4), "9999");
});

test("durations_read_like_those_of_people", () => {
  const cases: [number, string][] = [
    [0, "0 µs"], [999, "999 µs"], [1205, "1.21 ms"], [45_230, "45.2 ms"], [200_850, "201 ms"],
    [1_500_000, "1.5 s"], [90_000_000, "1 min 30 s"], [3_600_000_000, "1 h"], [90_000_000_000, "1 d 1 h"],
  ];
  for (const [micros, text] of cases) assert.equal(duration(micros), text);
});

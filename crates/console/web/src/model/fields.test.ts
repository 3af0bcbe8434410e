import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogRecord } from "../api/types";
import { FIELDS_LISTED, at, fieldsOf, textAt } from "./fields";

const terms = (record: LogRecord) => Object.fromEntries(fieldsOf(record).map((field) => [field.path, field.term]));

test("a_field_of_the_language_has_a_term_and_another_has_none", () => {
  assert.deepEqual(
    terms({
      level: "ERROR",
      context: { organization_id: "org 1", user_id: null },
      trace: { execution_time_ms: 45.23, slow: true },
      http: { status: 503, user_agent: "curl" },
      error: { flags: ["UF", "URX"] },
      extra: { sku: "a-1", text: "7", "a.b": 1, n: [7], "a b": 1 },
    }),
    {
      level: "level:ERROR",
      "context.organization_id": 'org:"org 1"',
      "context.user_id": null,
      "trace.execution_time_ms": "duration:>=45.23ms",
      "trace.slow": null,
      "http.status": "status:503",
      "http.user_agent": null,
      "error.flags[0]": "error:UF",
      "error.flags[1]": "error:URX",
      "extra.sku": "extra.sku:a-1",
      "extra.text": 'extra.text:"7"',
      "extra.a.b": null,
      "extra.n[0]": "extra.n:7",
      "extra.a b": null,
    },
  );
});

test("a_value_that_no_query_can_have_has_no_term", () => {
  assert.deepEqual(
    terms({ level: "LOUD", id: "x", http: { status: "<b>", attempts: "1" }, audit: "yes", context: { user_id: "a\0b", organization_id: 7 }, extra: { n: 1e300 } }),
    {
      level: null, id: null, "http.status": null, "http.attempts": null, audit: null, "context.user_id": null,
      "context.organization_id": null, "extra.n": null,
    },
  );
});

test("of_a_message_a_part_is_looked_for", () => {
  assert.equal(terms({ message: "x".repeat(500) }).message, `message:${"x".repeat(120)}`);
  assert.equal(terms({ message: "nul \0 rest" }).message, 'message:"nul "');
  assert.equal(terms({ message: "\0" }).message, null);
});

test("a_stack_trace_is_one_text", () => {
  assert.equal(fieldsOf({ error: { stack_trace: ["a", "b"] } })[0]?.value, "a\nb");
});

test("a_record_of_any_shape_is_listed_within_bounds", () => {
  let deep: LogRecord = { end: 1 };
  for (let i = 0; i < 5000; i += 1) deep = { a: deep };
  assert.equal(fieldsOf(deep).length, 1);
  const wide = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, i]));
  assert.equal(fieldsOf({ extra: wide }).length, FIELDS_LISTED);
});

test("only_a_records_own_keys_are_read", () => {
  assert.equal(at({}, "constructor.name"), undefined);
  assert.equal(textAt({ http: { path: "/a" } }, "http.path"), "/a");
  assert.equal(textAt({ http: 7 }, "http.path"), "");
});

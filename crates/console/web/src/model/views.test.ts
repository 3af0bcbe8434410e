import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTime } from "./time";
import { viewAddress } from "./views";

const NOW = parseTime("2026-01-26T12:00:00Z") ?? 0;

test("a_view_opens_with_its_span_of_time_up_to_now", () => {
  const saved = "/search?query=level%3AERROR+%22a+b%22&since=2026-01-20T01:00:00Z&until=2026-01-20T07:00:00Z&columns=http.host";
  const opened = new URL(viewAddress(saved, NOW) ?? "", "http://console");
  assert.equal(opened.pathname, "/search");
  assert.deepEqual(Object.fromEntries(opened.searchParams), {
    query: 'level:ERROR "a b"', since: "2026-01-26T06:00:00Z", until: "2026-01-26T12:00:00Z", columns: "http.host",
  });
});

test("a_view_without_a_span_opens_as_it_is", () => {
  for (const saved of ["/", "/delivery", "/flow/corr%2F1?record=ERROR%2F1", "/search?query=x", "/search?since=2026-01-20T01:00:00Z", "/search?since=x&until=y"]) {
    assert.equal(viewAddress(saved, NOW), saved);
  }
});

test("an_address_of_elsewhere_is_never_opened", () => {
  for (const saved of ["//evil.example/", "/\\evil.example", "https://evil.example/search", "javascript:alert(1)", "data:text/html,x", "http://console.invalid/", "", "search", "/\t/evil.example", "//"]) {
    assert.equal(viewAddress(saved, NOW), null, saved);
  }
});

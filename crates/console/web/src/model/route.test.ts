import assert from "node:assert/strict";
import { test } from "node:test";
import { flowAddress, parseRoute, searchAddress, spanOf } from "./route";

const read = (address: string) => {
  const url = new URL(address, "http://console");
  return parseRoute(url.pathname, url.search);
};

test("an_address_says_what_it_was_made_from", () => {
  const state = {
    query: 'path:"/a b" -user:x', since: 1_769_393_517_469_652, until: 1_769_393_518_000_000,
    record: "ERROR/01a20c73-7db5-7d3f-a203-60fc1aff1b8d", everything: true, columns: ["http.host", "extra.sku"],
  };
  const route = read(searchAddress(state));
  assert.deepEqual(route, { page: "search", flow: "", ...state });
});

test("an_id_of_any_characters_names_its_flow", () => {
  for (const id of ["corr_456", "a/b?c#d", "100%", "<img>"]) assert.equal(read(flowAddress(id)).flow, id);
});

test("an_address_without_times_means_the_last_hour", () => {
  const { since, until } = spanOf(read("/search?since=nonsense"));
  assert.equal(until - since, 3_600_000_000);
});

test("an_address_that_is_none_is_unknown", () => {
  for (const address of ["/nowhere", "/flow/", "/constructor", "/flow"]) assert.equal(read(address).page, "unknown");
  assert.equal(read("/").page, "overview");
  assert.equal(read("/flow/%E0%A4%A").flow, "%E0%A4%A");
});

// The live page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { rows, stage } from "./stage.js";
import { shop } from "./stub/data.js";

const { on } = stage();
const data = shop(100);
const event = (name, body) => `event: ${name}\ndata: ${JSON.stringify(body)}\n\n`;
const first = data.records.slice(0, 5).map((record) => event("record", record));

test("records_appear_as_they_arrive_and_wait_while_the_page_is_paused", () => on({ ...data, tail: first }, "/live", async (page, { stub }) => {
  await rows(page);
  await page.waitForFunction(() => document.querySelectorAll("[role=option]").length === 5);
  await page.getByRole("button", { name: "Pause" }).click();
  stub.push(event("record", data.records[9]));
  await page.getByText("paused, 1 waiting").waitFor();
  assert.equal(await page.locator("[role=option]").count(), 5);
  await page.getByRole("button", { name: "Go on" }).click();
  await page.waitForFunction(() => document.querySelectorAll("[role=option]").length === 6);
}));

test("what_the_server_left_out_and_who_cannot_be_reached_is_said", () => on({ ...data, tail: [...first, event("skipped", { count: 1234 }), event("lost", { collector: "collector-2", message: "connection refused" })] }, "/live", async (page) => {
  await page.getByText("1,234 skipped").waitFor();
  await page.getByText("Without the collector collector-2:").waitFor();
}));

test("the_page_keeps_only_the_newest_records", () => {
  const many = Array.from({ length: 30 }, () => data.records.map((record) => event("record", record)).join(""));
  return on({ ...data, tail: many }, "/live", async (page) => {
    await page.waitForFunction(() => document.querySelector("[role=option]")?.getAttribute("aria-setsize") === "2000");
    await page.getByText("older are gone").waitFor();
  });
});

test("a_server_without_a_tail_has_no_link_to_it", () => on(data, "/search", async (page) => {
  await rows(page);
  assert.equal(await page.getByRole("link", { name: "Live", exact: true }).count(), 0);
}));

// The delivery page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { stage } from "./stage.js";
import { SESSION, delivery, shop } from "./stub/data.js";

const { on } = stage();
const data = shop(50);

test("the_accounting_is_shown_by_sender_and_boot_with_what_is_missing", () => on(data, "/delivery", async (page) => {
  await page.waitForSelector("tr.sender");
  assert.match(await page.locator(".verdict").innerText(), /^248 records are not in the database/);
  const row = page.locator("tr.sender").filter({ hasText: "edge-2" });
  assert.match(await row.innerText(), /incomplete/);
  assert.equal(await row.locator("td.missing").innerText(), "35");
  await row.getByRole("button", { name: /edge-2/ }).click();
  await page.getByText("missing numbers: 120004–120038").waitFor();
  await page.getByText("210 queue_full").waitFor();
  await page.getByText("10,240 records without a number").waitFor();
}));

test("it_says_that_everything_arrived_only_if_it_did", async () => {
  const boots = delivery().boots.filter((boot) => boot.stored === boot.assigned);
  await on({ ...data, delivery: { boots } }, "/delivery", async (page) => {
    await page.getByText("Everything is in the database.").waitFor();
  });
  const [first] = boots;
  await on({ ...data, delivery: { boots: [{ ...first, assigned: first.assigned + 5 }] } }, "/delivery", async (page) => {
    await page.getByText("5 assigned records are in no place").waitFor();
    await page.getByText("Nobody can tell whether everything is in the database.").waitFor();
    assert.equal(await page.getByText("Everything is in the database.", { exact: true }).count(), 0);
  });
});

test("who_may_not_see_all_organizations_does_not_see_it", () => on({ ...data, session: { ...SESSION, role: "organizations", organizations: ["org_1"] } }, "/delivery", async (page) => {
  await page.getByText("only those who may see all of them").waitFor();
  assert.equal(await page.getByRole("link", { name: "Delivery" }).count(), 0);
  assert.match(await page.locator(".who").innerText(), /sees org_1/);
}));

// Signing in and out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { rows, stage } from "./stage.js";
import { shop } from "./stub/data.js";
import { CODE, TOKEN } from "./stub/server.js";

const { on } = stage();
const data = shop(50);

test("a_code_of_a_link_signs_in_once_and_leaves_the_address", () => on(data, "/search?query=level%3AERROR", async (page, { stub, context }) => {
  await page.waitForSelector("[role=listbox]");
  assert.equal(new URL(page.url()).hash, "");
  assert.equal(new URL(page.url()).searchParams.get("query"), "level:ERROR");
  await context.clearCookies();
  await page.goto("about:blank");
  await page.goto(`${stub.url}/#code=${CODE}`);
  await page.getByText("used already").waitFor();
  assert.equal(new URL(page.url()).hash, "");
}));

test("a_token_signs_in_and_the_page_that_was_asked_for_opens", () => on(data, "/flow/corr_checkout", async (page) => {
  const box = page.getByLabel("Token");
  await box.fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByText("this token is not known").waitFor();
  await box.fill(TOKEN);
  await page.keyboard.press("Enter");
  await rows(page, "[role=treeitem]");
  assert.deepEqual(await page.evaluate(() => [document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage)].map((text) => text.length > 2)), [false, false, false]);
}, { code: null }));

test("a_session_that_ended_asks_for_a_token_and_loses_nothing_of_the_address", () => on(data, "/search?query=level%3AINFO", async (page, { stub }) => {
  await rows(page);
  const address = page.url();
  stub.forgetSessions();
  await page.getByLabel("Search", { exact: true }).press("Enter");
  await page.getByText("the session is over").waitFor();
  await page.getByLabel("Token").fill(TOKEN);
  await page.keyboard.press("Enter");
  await rows(page);
  assert.equal(page.url(), address);
}));

test("signing_out_ends_the_session", () => on(data, "/search", async (page) => {
  await rows(page);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Token").waitFor();
  await page.reload();
  await page.getByLabel("Token").waitFor();
}));

test("an_unreachable_server_is_named_and_can_be_tried_again", () => on(data, "/search", async (page, { faults }) => {
  await page.getByText("The console cannot start:").waitFor();
  delete faults.session;
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByLabel("Token").waitFor();
}, { code: null, faults: { session: { status: 503 } } }));

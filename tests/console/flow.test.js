// The flow page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { elements, given, rows, stage } from "./stage.js";
import { shop } from "./stub/data.js";

const { on } = stage();
const data = shop(200);
const ITEM = "[role=treeitem]";

test("a_flow_shows_requests_in_time_with_the_lines_of_services_inside_them", () => on(data, "/flow/corr_checkout", async (page) => {
  await rows(page, ITEM);
  const shown = await page.locator(ITEM).evaluateAll((items) => items.map((item) => [Number(item.getAttribute("aria-level")), item.querySelector(".name").textContent]));
  assert.equal(shown.length, 16);
  assert.deepEqual(shown.slice(0, 4).map(([level]) => level), [1, 2, 2, 3]);
  assert.match(shown[3][1], /cache miss/);
  // A bar is where its request was: the payment began after 118 of 842 ms.
  const place = await page.locator(`${ITEM} .bar-of`).evaluateAll((bars) => bars.map((bar) => [bar.offsetLeft / bar.parentElement.clientWidth, bar.offsetWidth / bar.parentElement.clientWidth]));
  assert.ok(Math.abs(place[3][0] - 118 / 842) < 0.02 && Math.abs(place[3][1] - 690 / 842) < 0.02, String(place[3]));
  assert.equal(await page.locator(".flow-row.failed").count(), 7);
  assert.equal(await page.locator(".flow-row.critical").count(), 3);
}));

test("a_flow_can_be_reduced_to_its_failures_its_critical_path_or_its_requests", () => on(data, "/flow/corr_checkout", async (page) => {
  await rows(page, ITEM);
  const count = () => page.locator(ITEM).count();
  await page.getByLabel("lines of logs").uncheck();
  assert.equal(await count(), 10);
  await page.getByLabel("critical path only").check();
  assert.equal(await count(), 3);
  await page.getByLabel("critical path only").uncheck();
  await page.getByLabel("failed only").check();
  assert.equal(await count(), 7);
  await page.getByText("7 of 16 records shown").waitFor();
}));

test("a_flow_of_ten_thousand_records_scrolls_with_few_elements", () => on(data, "/flow/corr_large", async (page) => {
  await rows(page, ITEM);
  const tree = page.getByRole("tree");
  assert.equal(await page.locator(ITEM).first().getAttribute("aria-setsize"), "10000");
  let most = 0;
  const started = Date.now();
  for (let step = 0; step <= 40; step += 1) {
    await tree.evaluate((element, part) => { element.scrollTop = element.scrollHeight * part; }, step / 40);
    await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); }));
    most = Math.max(most, await elements(page));
  }
  assert.ok(most < 2500, `${most} elements`);
  assert.ok(Date.now() - started < 20_000, "41 steps took more than 20 s");
  const last = page.locator(`${ITEM}[aria-posinset="10000"]`);
  await last.waitFor();
  assert.ok(await last.isVisible());
  await page.getByText("Their records are not shown to you").waitFor();
  // The answer had only this record's id: the record is asked for.
  await last.click();
  await page.waitForSelector(".panel .fields");
  assert.ok(await page.locator(".panel .field").count() > 10);
}));

test("a_request_can_be_folded_and_zoomed_to", () => on(data, "/flow/corr_checkout", async (page) => {
  await rows(page, ITEM);
  await page.getByRole("tree").focus();
  for (const key of ["Home", "ArrowDown", "ArrowDown", "ArrowLeft"]) await page.keyboard.press(key);
  assert.equal(await page.locator(ITEM).count(), 14);
  assert.equal(await page.locator(`${ITEM}.active`).getAttribute("aria-expanded"), "false");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.locator(ITEM).count(), 16);
  const width = () => page.locator(`${ITEM}.active .bar-of`).evaluate((bar) => bar.offsetWidth);
  const before = await width();
  await page.keyboard.press("z");
  await page.getByRole("button", { name: "Whole time" }).waitFor();
  assert.ok(await width() > before * 4);
  await page.keyboard.press("Z");
  await page.waitForFunction(() => !document.body.textContent.includes("Whole time"));
}));

test("a_permalink_opens_the_record_within_its_flow", () => on(data, "/flow/corr_checkout", async (page, { stub }) => {
  await rows(page, ITEM);
  await page.keyboard.press("e");
  await page.keyboard.press("e");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".panel .fields");
  const link = page.url();
  assert.match(given(page).get("record"), /^CRITICAL\//);
  await page.goto(stub.url);
  await page.goto(link);
  await page.waitForSelector(".panel .fields");
  assert.match(await page.locator(`${ITEM}.active`).innerText(), /internal\/payments/);
}));

test("a_flow_that_is_not_whole_says_so_and_one_that_is_not_there_too", async () => {
  const cut = { ...data.flows.corr_checkout, complete: false, reason: "records" };
  await on({ ...data, flows: { cut } }, "/flow/cut", async (page, { stub }) => {
    await page.getByText("It has more records than can be shown at once.").waitFor();
    await page.goto(`${stub.url}/flow/none`);
    await page.getByText("No record has this correlation id").waitFor();
  });
});

test("a_flow_that_cannot_be_fetched_can_be_tried_again", () => on(data, "/flow/corr_checkout", async (page, { faults }) => {
  await page.getByText("The flow cannot be shown:").waitFor();
  delete faults["flows/corr_checkout"];
  await page.getByRole("button", { name: "Try again" }).click();
  await rows(page, ITEM);
}, { faults: { "flows/corr_checkout": { status: 503 } } }));

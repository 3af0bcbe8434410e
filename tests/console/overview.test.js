// The overview: its numbers, what they lead to, and what it says of their completeness.
import assert from "node:assert/strict";
import { test } from "node:test";
import { given, rows, stage } from "./stage.js";
import { SESSION, shop } from "./stub/data.js";

const { on } = stage();
const data = shop(3000);
const ready = (page) => page.waitForSelector(".counts tbody tr");
const gone = (page, from) => page.waitForFunction((old) => location.pathname + location.search !== old, from);
const address = (page) => { const url = new URL(page.url()); return url.pathname + url.search; };

test("the_first_page_shows_an_hour_in_numbers_charts_and_tables", () => on(data, "/", async (page) => {
  await ready(page);
  assert.equal(Date.parse(given(page).get("until")) - Date.parse(given(page).get("since")), 3_600_000);
  assert.match(await page.locator(".completeness").innerText(), /^Complete.*by the minute$/);
  const since = Math.floor(Date.parse(given(page).get("since")) / 60_000) * 60_000;
  const requests = data.records.filter((record) => record.http && Date.parse(record.timestamp) >= since).length;
  assert.match(await page.locator(".totals").innerText(), new RegExp(`requests\\s+${requests.toLocaleString("en")} `));
  // Something was drawn, by uPlot and beside it, though no inline style is allowed.
  await page.waitForFunction(() => document.querySelectorAll(".uplot canvas").length === 2);
  const painted = await page.locator("canvas").evaluateAll((list) => list.map((canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((value, index) => index % 4 === 3 && value > 0).length));
  for (const pixels of painted) assert.ok(pixels > 500, String(painted));
  assert.deepEqual(await page.locator(".counts h2").allInnerTexts(), ["Routes", "Errors", "Organizations", "Applications"]);
}));

test("a_row_leads_to_its_records_within_the_period", () => on(data, "/", async (page) => {
  await ready(page);
  const row = page.locator("section[aria-label=Organizations] tbody tr").first();
  const [name, count] = [await row.locator("a").innerText(), await row.locator("td").first().innerText()];
  await row.locator("a").click();
  await rows(page);
  assert.equal(given(page).get("query"), `org:${name}`);
  assert.equal(new URL(page.url()).pathname, "/search");
  const found = Number(await page.locator("[role=option]").first().getAttribute("aria-setsize"));
  assert.ok(found >= Math.min(200, Number(count.replaceAll(",", ""))), `${found} of ${count}`);
}));

test("a_click_on_a_chart_leads_to_its_minute_and_a_stretch_to_a_shorter_period", () => on(data, "/", async (page) => {
  await ready(page);
  const before = address(page);
  const over = page.locator(".u-over").first();
  const box = await over.boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 40);
  await page.waitForFunction(() => /requests/.test(document.querySelector(".chosen-point span").textContent));
  await over.click({ position: { x: box.width * 0.5, y: 40 } });
  await gone(page, before);
  assert.equal(new URL(page.url()).pathname, "/search");
  assert.equal(Date.parse(given(page).get("until")) - Date.parse(given(page).get("since")), 60_000);
  await page.goBack();
  await ready(page);
  const again = await over.boundingBox();
  await page.mouse.move(again.x + again.width * 0.25, again.y + 40);
  await page.mouse.down();
  await page.mouse.move(again.x + again.width * 0.5, again.y + 40, { steps: 5 });
  await page.mouse.up();
  await gone(page, before);
  assert.equal(new URL(page.url()).pathname, "/");
  const minutes = (Date.parse(given(page).get("until")) - Date.parse(given(page).get("since"))) / 60_000;
  assert.ok(minutes > 12 && minutes < 20, `${minutes} minutes`);
  const heat = page.locator("canvas.heat");
  await ready(page);
  const cell = await heat.boundingBox();
  await heat.click({ position: { x: cell.width * 0.6, y: cell.height * 0.5 } });
  await page.waitForFunction(() => location.pathname === "/search");
  assert.match(given(page).get("query"), /^duration:>\d+us duration:<=\d+us$/);
}));

test("the_charts_have_their_numbers_as_tables", () => on(data, "/", async (page) => {
  await ready(page);
  await page.getByRole("button", { name: "Show the numbers" }).click();
  const table = page.getByRole("region", { name: "Requests and times over time" });
  assert.ok(await table.locator("tbody tr").count() >= 60);
  assert.ok(await page.getByRole("region", { name: "Distribution of times" }).locator("tbody tr").count() > 5);
  await table.locator("tbody a").first().click();
  await page.waitForFunction(() => location.pathname === "/search");
}));

test("a_search_begins_on_the_first_page_with_its_period", () => on(data, "/", async (page) => {
  await ready(page);
  const since = given(page).get("since");
  await page.getByLabel("Search", { exact: true }).fill("level:ERROR");
  await page.keyboard.press("Enter");
  await rows(page);
  assert.deepEqual([given(page).get("query"), given(page).get("since")], ["level:ERROR", since]);
}));

test("it_says_why_it_is_not_complete_and_how_to_count_if_nobody_does", () => {
  const overview = {
    complete: false, counting: false, explanation: "Start them with GATELOG_ROLLUPS=on",
    reasons: [{ why: "silent", at: "2026-01-26T02:11:00Z", collector: "6f0c", waiting: 3 }, { why: "uncounted", at: "2026-01-26T01:00:00Z" }],
  };
  return on({ ...data, overview }, "/", async (page) => {
    await page.getByText("Nobody counts.").waitFor();
    await page.getByText("Start them with GATELOG_ROLLUPS=on").waitFor();
    const told = await page.locator(".completeness").innerText();
    assert.match(told, /^Not complete\. A collector reported nothing since 2026-01-26 02:11: .* Counting began at 2026-01-26 01:00/);
  });
});

test("an_empty_period_is_zero_and_no_error", () => on({ ...data, records: [] }, "/", async (page) => {
  await page.waitForSelector(".totals");
  assert.match(await page.locator(".totals").innerText(), /requests\s+0/);
  assert.equal(await page.getByText("none in this period").count(), 4);
}));

test("who_may_see_one_organization_sees_only_what_is_counted_of_it", () => {
  const overview = { routes: null, loggers: null, errors: null };
  const session = { ...SESSION, role: "organizations", organizations: ["org_1"] };
  return on({ ...data, session, overview }, "/", async (page) => {
    await ready(page);
    assert.equal(await page.locator("section[aria-label=Routes]").count(), 0);
  });
});

test("counts_that_cannot_be_fetched_can_be_tried_again", () => on(data, "/", async (page, { faults }) => {
  await page.getByText("The overview cannot be shown:").waitFor();
  delete faults.overview;
  await page.getByRole("button", { name: "Try again" }).click();
  await ready(page);
}, { faults: { overview: { status: 503 } } }));

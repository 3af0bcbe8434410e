// The pages on the real console: collector, database and gatelog-console, with generated records.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertAccessible, openPage, picture, startBrowser } from "./browser.js";
import { ROW, given, rows } from "./stage.js";
import { hostileRecords } from "./stub/hostile.js";
import { shop } from "./stub/data.js";
import { fieldsOf } from "./terms.js";
import { TOKEN, TOKEN_OF_ONE, eventually, number, startSystem } from "./system.js";

const data = shop(1500);
// Of the hostile records, those that a collector stores.
const hostile = hostileRecords(data.now)
  .filter((record) => typeof record.timestamp === "string" && record.message !== "ninety deep" && JSON.stringify(record).length < 16_000)
  .map((record) => ({ ...record, http: { ...record.http, status: 200 } }));
// So that the accounting reconciles.
number([...hostile, ...data.records]);
const ITEM = "[role=treeitem]";
let browser;
let system;

before(async () => {
  browser = await startBrowser();
  system = await startSystem([...hostile, ...data.records], "org_1");
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

/** Runs a test on a page, signed in with this token. */
async function on(path, test_, token = TOKEN) {
  const opened = await openPage(browser, system.url, path, { code: null });
  try {
    await opened.page.getByLabel("Token").fill(token);
    await opened.page.keyboard.press("Enter");
    await test_(opened.page, opened);
    await opened.finish();
  } finally {
    await opened.context.close();
  }
}

test("the_code_of_the_console_signs_in_and_a_search_shows_what_is_stored", async () => {
  const { page, context, finish } = await openPage(browser, system.url, "/search", { code: system.code() });
  await rows(page);
  await page.waitForSelector(".histogram svg rect");
  await page.getByRole("region", { name: "Filters" }).getByRole("button", { name: "gateway.edge", exact: true }).waitFor();
  assert.match(await page.locator(ROW).first().locator("time").innerText(), /^(\d\d-\d\d )?\d\d:\d\d:\d\d\.\d{3}$/);
  await assertAccessible(page, "search");
  await picture(page, "system-search");
  await finish();
  await context.close();
});

test("the_overview_has_counted_every_record_and_leads_to_them", () => on("/", async (page) => {
  const all = [...hostile, ...data.records];
  const exchanges = all.filter((record) => record.http);
  await eventually("all is counted", async () => (await system.ask("overview?since=1d")).totals.count === exchanges.length);
  await page.waitForSelector(".totals");
  await page.getByRole("button", { name: "24 h" }).click();
  await page.getByText(", by the hour").waitFor();
  assert.match(await page.locator(".totals").innerText(), new RegExp(`^requests\\s+${exchanges.length.toLocaleString("en")}\\s`));
  const shown = await page.locator("section[aria-label=Routes] tbody tr").evaluateAll((list) => list.map((row) => [row.querySelector("bdi").textContent, Number(row.querySelector("td").textContent.replaceAll(",", ""))]));
  assert.ok(shown.length > 4, String(shown));
  // The same route may belong to several gateways, each with a row of its own.
  const sum = (list) => list.reduce((all, [, count]) => all + count, 0);
  for (const [route] of shown) assert.equal(sum(shown.filter(([name]) => name === route)), exchanges.filter((record) => record.function_name === route).length, route);
  assert.equal(sum(shown), exchanges.length);
  await page.waitForFunction(() => document.querySelectorAll("canvas").length === 3);
  await assertAccessible(page, "overview");
  await picture(page, "system-overview");
  await page.locator("section[aria-label=Errors] tbody a").first().click();
  await rows(page);
  assert.match(given(page).get("query"), /^level:>=ERROR service:/);
}));

test("all_records_of_a_day_are_reached_by_scrolling", () => on("/search", async (page) => {
  await rows(page);
  const since = given(page).get("since");
  await page.getByRole("button", { name: "24 h" }).click();
  await page.waitForFunction((old) => new URL(location.href).searchParams.get("since") !== old, since);
  const all = hostile.length + data.records.length;
  const deadline = Date.now() + 60_000;
  while (!(await page.locator(".reach").innerText()).includes("all that match")) {
    assert.ok(Date.now() < deadline, await page.locator(".reach").innerText());
    await page.getByRole("listbox").evaluate((element) => { element.scrollTop = element.scrollHeight; });
    const more = page.locator(".reach").getByRole("button", { name: /^(Go|Search) on$/ });
    if (await more.count() > 0) await more.click({ timeout: 1000 }).catch(() => {});
    await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(resolve); }));
  }
  assert.match(await page.locator(".reach").innerText(), new RegExp(`${all.toLocaleString("en")} records: all that match`));
}));

test("a_failed_request_is_found_from_its_pasted_id_in_two_interactions_and_leads_to_its_flow", () => on("/", async (page) => {
  const failed = data.flows.corr_checkout.records[0].record;
  await page.getByLabel("Search", { exact: true }).fill(failed.context.request_id);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".panel .fields");
  assert.match(await page.locator(".panel .message").innerText(), /-> 502 /);
  await page.getByRole("link", { name: "Flow", exact: true }).click();
  await rows(page, ITEM);
  assert.equal(await page.locator(ITEM).first().getAttribute("aria-setsize"), "16");
  assert.ok(await page.locator(".flow-row.critical").count() > 0);
  // The whole record, not only what flows keep of it.
  await page.locator(".field dt", { hasText: "http.user_agent" }).waitFor();
  await picture(page, "system-flow");
}));

test("a_query_that_cannot_be_read_is_marked_at_its_place", () => on("/search?query=level%3AERROR%20stauts%3A404", async (page) => {
  await page.getByRole("alert").waitFor();
  assert.equal(await page.locator(".query-error mark").innerText(), "stauts:404");
}));

test("every_term_that_a_click_makes_is_one_that_the_server_reads", async () => {
  const failed = [];
  for (const record of [...hostile, ...data.flows.corr_checkout.records.map((entry) => entry.record)]) {
    const at = Date.parse(record.timestamp);
    const span = `since=${new Date(at - 2000).toISOString()}&until=${new Date(at + 2000).toISOString()}&reach=everything&limit=1000`;
    const terms = fieldsOf(record).map((field) => field.term).filter((term) => term !== null);
    // All of them at once, as far as one query may be long.
    for (let from = 0; from < terms.length; from += 8) {
      const query = terms.slice(from, from + 8).join(" ");
      const answer = await system.ask(`search?${span}&query=${encodeURIComponent(query)}`);
      if (!answer.records?.some((one) => one.id === record.id)) failed.push([answer.error?.message ?? "not found", query]);
    }
  }
  assert.deepEqual(failed, []);
});

test("hostile_records_change_nothing", () => on("/search", async (page) => {
  await rows(page);
  await page.getByText("onerror=").first().waitFor();
  for (let at = 0; at < hostile.length; at += 1) {
    await page.locator(`#record-${at}`).click();
    await page.waitForFunction((index) => document.querySelector(`#record-${index}.active`) && document.querySelector(".panel .field"), at);
  }
  assert.match(await page.title(), /gatelog$/);
  assert.equal(await page.locator("#app :is(script, style, img[src=x])").count(), 0);
}));

test("the_accounting_names_every_gateway_and_reconciles", () => on("/delivery", async (page) => {
  await page.waitForSelector("tr.sender");
  assert.match(await page.locator(".table").innerText(), /edge-1/);
  await page.getByText("Everything is in the database.", { exact: true }).waitFor();
  await picture(page, "system-delivery");
}));

test("a_viewer_of_one_organization_sees_its_records_and_no_accounting", () => on("/search", async (page) => {
  await rows(page);
  await page.locator(ROW).first().click();
  await page.waitForSelector(".panel .fields");
  const organization = page.locator(".field").filter({ has: page.locator("dt", { hasText: "context.organization_id" }) }).locator("dd").first();
  assert.equal(await organization.innerText(), "org_1");
  assert.equal(await page.getByRole("link", { name: "Delivery" }).count(), 0);
}, TOKEN_OF_ONE));

test("a_view_is_kept_in_the_database_for_every_browser_of_its_viewer_and_shared_with_no_restricted_one", async () => {
  const open = async (page) => {
    await rows(page);
    await page.locator("summary", { hasText: "Views" }).click();
    await page.locator(".views form button:enabled").waitFor();
  };
  const shared = (page) => page.getByRole("button", { name: "failed <b>", exact: true });
  await on("/search?query=level%3A%3E%3DERROR", async (page) => {
    await open(page);
    await page.getByText("Kept on the server.").waitFor();
    await page.getByLabel("Name of the view").fill("failed <b>");
    await page.getByLabel("share with all").check();
    await page.getByRole("button", { name: "Save" }).click();
    await page.locator(".views").getByText("shared by you").waitFor();
  });
  // By a link: another viewer with the role all.
  const { page, context, finish } = await openPage(browser, system.url, "/search", { code: system.code() });
  await open(page);
  await page.locator(".views").getByText("shared by on-call").waitFor();
  await finish();
  await context.close();
  await on("/search", async (page) => {
    await open(page);
    await page.getByText("None yet.").waitFor();
    assert.equal(await shared(page).count(), 0);
  }, TOKEN_OF_ONE);
  await on("/search", async (page) => {
    await open(page);
    await shared(page).click();
    await page.waitForFunction(() => new URL(location.href).searchParams.get("query") === "level:>=ERROR");
    await rows(page);
    await open(page);
    await page.getByRole("button", { name: "Remove the view failed <b>" }).click();
    await page.getByText("None yet.").waitFor();
  });
});

test("an_export_is_downloaded", () => on("/search?query=level%3A%3E%3DERROR", async (page) => {
  await rows(page);
  await page.locator("summary", { hasText: "Export" }).click();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: /^CSV/ }).click();
  assert.match((await download).suggestedFilename(), /\.csv$/);
}));

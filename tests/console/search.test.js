// The search page: the address, the query and its errors, the list, the chart, filters, the record.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ROW, elements, given, rows, stage } from "./stage.js";
import { shop } from "./stub/data.js";

const { on } = stage();
const data = shop();

test("an_address_gets_absolute_times_and_keeps_them", () => on(data, "/search", async (page) => {
  await rows(page);
  const [since, until] = [given(page).get("since"), given(page).get("until")];
  assert.equal(Date.parse(until) - Date.parse(since), 3_600_000);
  await page.reload();
  await rows(page);
  assert.deepEqual([given(page).get("since"), given(page).get("until")], [since, until]);
  await page.getByRole("button", { name: "15 min" }).click();
  await page.waitForFunction((old) => new URL(location.href).searchParams.get("since") !== old, since);
  assert.equal(Date.parse(given(page).get("until")) - Date.parse(given(page).get("since")), 900_000);
  await page.goBack();
  await page.waitForFunction((old) => new URL(location.href).searchParams.get("since") === old, since);
}));

test("a_request_is_found_from_its_pasted_id_in_two_interactions", () => on(data, "/", async (page) => {
  const failed = data.records.find((record) => record.level === "CRITICAL" && record.source);
  // 1: paste into the box. 2: Enter.
  await page.getByLabel("Search", { exact: true }).fill(failed.context.request_id);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".panel .fields");
  assert.match(await page.locator(".panel .message").innerText(), new RegExp(`-> ${failed.http.status} `));
  assert.equal(given(page).get("query"), `request:${failed.context.request_id}`);
}));

test("the_id_of_a_flow_opens_the_flow", async () => {
  const flow = { ...data.flows.corr_checkout, correlation_id: "7b0c9f2e-1111-4222-8333-444455556666" };
  const records = [...data.records, { ...data.records[0], id: "x", context: { ...data.records[0].context, correlation_id: flow.correlation_id } }];
  await on({ ...data, records, flows: { [flow.correlation_id]: flow } }, "/search", async (page) => {
    await rows(page);
    await page.getByLabel("Search", { exact: true }).fill(flow.correlation_id);
    await page.keyboard.press("Enter");
    await rows(page, "[role=treeitem]");
    assert.equal(new URL(page.url()).pathname, `/flow/${flow.correlation_id}`);
  });
});

test("an_id_that_nothing_has_says_how_far_back_was_looked", () => on(data, "/search", async (page) => {
  await rows(page);
  await page.getByLabel("Search", { exact: true }).fill("00000000-0000-4000-8000-000000000000");
  await page.keyboard.press("Enter");
  await page.getByText("Nothing has the id").waitFor();
  assert.match(await page.locator(".note.warn").innerText(), /back to \d{4}-\d\d-\d\d/);
}));

test("an_error_of_the_query_is_shown_at_its_place", () => on(data, "/search", async (page) => {
  await rows(page);
  const box = page.getByLabel("Search", { exact: true });
  await box.fill("🙂 level:ERROR stauts:404 x");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  assert.equal(await page.locator(".query-error mark").innerText(), "stauts:404");
  assert.match(await page.getByRole("alert").innerText(), /no field is named "stauts"/);
  assert.equal(await box.evaluate((input) => input.value.slice(input.selectionStart, input.selectionEnd)), "stauts:404");
  assert.equal(await box.getAttribute("aria-invalid"), "true");
}));

test("ten_thousand_records_scroll_with_few_elements_and_the_end_says_how_to_go_on", () => on(data, "/search", async (page) => {
  await rows(page);
  const list = page.getByRole("listbox");
  const since = given(page).get("since");
  await page.getByRole("button", { name: "24 h" }).click();
  await page.waitForFunction((old) => new URL(location.href).searchParams.get("since") !== old, since);
  await rows(page);
  let most = 0;
  for (let count = 0; count < 10_000;) {
    await list.evaluate((element) => { element.scrollTop = element.scrollHeight; });
    await page.waitForFunction((before) => Number(document.querySelector("[role=option]")?.getAttribute("aria-setsize") ?? 0) > before, count);
    count = Number(await page.locator(ROW).first().getAttribute("aria-setsize"));
    most = Math.max(most, await elements(page));
  }
  assert.ok(most < 2500, `${most} elements`);
  await list.evaluate((element) => { element.scrollTop = element.scrollHeight; });
  await page.getByText("The list holds 10,000.").waitFor();
  // Without the date, which is there only if the span has more than one.
  const clock = async (row) => (await row.locator("time").innerText()).slice(-12);
  const last = await clock(page.locator(ROW).last());
  await page.getByRole("button", { name: "Go on from its end" }).click();
  await page.waitForFunction(() => document.querySelector("[role=option]")?.getAttribute("aria-setsize") === "200" || document.querySelector(".reach")?.textContent.includes("all that match"));
  assert.equal(await clock(page.locator(ROW).first()), last);
}));

test("a_search_that_ran_out_of_time_says_how_far_it_came_and_goes_on_when_asked", () => on(data, "/search", async (page) => {
  await rows(page);
  const foot = page.locator(".reach");
  await foot.getByText("searched back to").waitFor();
  assert.match(await foot.innerText(), /200 records so far, searched back to [\d :.-]+: the search took too long/);
  await page.getByRole("listbox").evaluate((element) => { element.scrollTop = element.scrollHeight; });
  await page.getByRole("button", { name: "Search on" }).click();
  await foot.getByText("400 records so far").waitFor();
}, { faults: { search: { timeOut: true } } }));

test("a_page_that_comes_in_parts_is_gone_on_with_until_it_is_full_and_so_is_the_chart", () => on(data, "/search", async (page, { faults }) => {
  await page.locator(".reach").getByText("200 records so far, searched back to").waitFor();
  await page.waitForFunction(() => /the newest 5,000 only|each bar/.test(document.querySelector(".histogram figcaption")?.textContent ?? ""));
  const counted = await page.locator(".histogram svg").getAttribute("aria-label");
  delete faults.search;
  delete faults.histogram;
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url())));
  await page.reload();
  await page.waitForSelector(".histogram svg");
  assert.equal(await page.locator(".histogram svg").getAttribute("aria-label"), counted, "the parts are as many as the whole");
  for (const name of ["search", "histogram"]) {
    const calls = asked.filter((url) => url.pathname === `/api/v1/${name}`);
    assert.deepEqual(calls.map((url) => url.searchParams.get("within")), ["300ms"], name);
  }
}, { faults: { search: { parts: 30 }, histogram: { parts: 100 } } }));

test("a_search_of_flows_only_says_so_and_can_search_everything", () => on(data, "/search", async (page) => {
  await rows(page);
  await page.getByText("Only records that belong to a flow.").waitFor();
  await page.getByRole("button", { name: "Search everything" }).click();
  await page.waitForFunction(() => new URL(location.href).searchParams.get("reach") === "everything");
  await page.waitForFunction(() => !document.body.textContent.includes("Only records that belong to a flow."));
}, { faults: { search: { onlyFlows: true } } }));

test("a_chart_that_failed_does_not_hide_the_rows", () => on(data, "/search", async (page) => {
  await rows(page);
  await page.getByText("Not counted:").waitFor();
}, { faults: { histogram: { status: 503, retryAfter: "7" } } }));

test("a_search_that_failed_says_so_and_can_be_tried_again", () => on(data, "/search", async (page, { faults }) => {
  await page.getByText("Try again in 7 s.").waitFor();
  delete faults.search;
  await page.getByRole("button", { name: "Try again" }).click();
  await rows(page);
}, { faults: { search: { status: 503, retryAfter: "7" } } }));

test("a_filter_narrows_the_search_and_its_contrary_takes_its_place", () => on(data, "/search", async (page) => {
  await rows(page);
  await page.getByRole("region", { name: "Filters" }).getByRole("button", { name: "ERROR", exact: true }).click();
  await page.waitForFunction(() => new URL(location.href).searchParams.get("query") === "level:ERROR");
  await page.waitForFunction(() => [...document.querySelectorAll("[role=option] .level")].every((level) => level.textContent === "ERROR"));
  await page.getByRole("button", { name: "Exclude level ERROR" }).click();
  await page.waitForFunction(() => new URL(location.href).searchParams.get("query") === "-level:ERROR");
}));

test("every_value_of_a_record_can_be_included_excluded_and_copied", () => on(data, "/search", async (page, { context, stub }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: stub.url });
  await rows(page);
  const at = data.records.findIndex((record) => record.extra?.region && record.source);
  const record = data.records[at];
  await page.locator("#record-" + Math.min(at, 20)).waitFor();
  await page.goto(`${stub.url}/search?record=${record.level}/${record.id}`);
  const field = (name) => page.locator(".field").filter({ has: page.locator("dt", { hasText: new RegExp(`^${name.replace(".", "\\.")}$`) }) });
  await field("extra.region").waitFor();
  const names = await page.locator(".field dt").allInnerTexts();
  for (const name of ["timestamp", "level", "context.request_id", "trace.execution_time_ms", "http.status", "http.user_agent", "source.seq", "id"]) assert.ok(names.includes(name), name);
  await field("extra.region").getByRole("button", { name: "Copy extra.region" }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), record.extra.region);
  await page.getByRole("button", { name: "Copy JSON of the record" }).click();
  assert.deepEqual(JSON.parse(await page.evaluate(() => navigator.clipboard.readText())), record);
  await field("extra.region").getByRole("button", { name: /^Only records/ }).click();
  await page.waitForFunction((query) => new URL(location.href).searchParams.get("query") === query, `extra.region:${record.extra.region}`);
  await field("http.route").getByRole("button", { name: /^No records/ }).click();
  await page.waitForFunction((query) => new URL(location.href).searchParams.get("query") === query, `extra.region:${record.extra.region} -route:${record.http.route}`);
}));

test("a_record_leads_to_its_flow_and_to_what_surrounds_it", () => on(data, "/search", async (page, { stub }) => {
  const record = data.flows.corr_checkout.records[0].record;
  await page.goto(`${stub.url}/search?record=${record.level}/${record.id}`);
  await page.waitForSelector(".panel .fields");
  await page.getByRole("link", { name: "Surrounding", exact: true }).click();
  await page.waitForFunction(() => document.querySelector(".row.active"));
  assert.equal(Date.parse(given(page).get("until")) - Date.parse(given(page).get("since")), 10_000);
  assert.ok(await page.locator(ROW).count() > 10);
  await page.getByRole("link", { name: "Flow" }).click();
  await rows(page, "[role=treeitem]");
  await page.waitForSelector(".panel .fields");
}));

test("a_field_can_become_a_column", () => on(data, "/search", async (page) => {
  await rows(page);
  await page.locator(ROW).first().click();
  await page.getByRole("button", { name: "Add a column http.client_ip" }).or(page.getByRole("button", { name: "Add a column logger_name" })).first().click();
  await page.waitForSelector(".row .column");
  assert.match(given(page).get("columns"), /http\.client_ip|logger_name/);
  await page.getByRole("button", { name: /^Remove the column/ }).first().click();
  await page.waitForFunction(() => !document.querySelector(".row .column"));
}));

test("a_stretch_of_the_chart_becomes_the_time", () => on(data, "/search", async (page) => {
  await rows(page);
  await page.waitForSelector(".histogram svg rect.INFO");
  const box = await page.locator(".histogram svg").boundingBox();
  const since = Date.parse(given(page).get("since"));
  await page.mouse.move(box.x + box.width * 0.5, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.75, box.y + 20, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction((old) => Date.parse(new URL(location.href).searchParams.get("since")) !== old, since);
  const chosen = [given(page).get("since"), given(page).get("until")].map((text) => (Date.parse(text) - since) / 3_600_000);
  assert.ok(Math.abs(chosen[0] - 0.5) < 0.03 && Math.abs(chosen[1] - 0.75) < 0.03, String(chosen));
}));

test("a_time_can_be_written_and_a_wrong_one_is_marked", () => on(data, "/search", async (page) => {
  await rows(page);
  const since = page.getByLabel("Since, UTC");
  await since.fill("yesterday");
  await page.keyboard.press("Enter");
  assert.equal(await since.getAttribute("aria-invalid"), "true");
  await since.fill("2026-01-26 02:11:57.469652");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => new URL(location.href).searchParams.get("since") === "2026-01-26T02:11:57.469652Z");
}));

test("an_export_is_of_what_is_searched", () => on(data, "/search?query=level%3AERROR", async (page) => {
  await rows(page);
  await page.locator("summary", { hasText: "Export" }).click();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: /^NDJSON/ }).click();
  const url = new URL((await download).url());
  assert.equal(url.pathname, "/api/v1/export");
  assert.deepEqual([url.searchParams.get("query"), url.searchParams.get("format")], ["level:ERROR", "ndjson"]);
  assert.equal(Date.parse(url.searchParams.get("since")), Date.parse(given(page).get("since")));
}));

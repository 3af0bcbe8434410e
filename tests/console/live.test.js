// The live page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage, picture, startBrowser } from "./browser.js";
import { ROW, rows, stage } from "./stage.js";
import { shop } from "./stub/data.js";
import { TOKEN, TOKEN_OF_ONE, startSystem } from "./system.js";

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

test("what_the_server_left_out_and_who_cannot_be_reached_is_said", () => on({ ...data, tail: [...first, event("collectors", { collectors: ["collector-1", "collector-2"] }), event("following", { collector: "collector-1" }), event("skipped", { count: 1234 }), event("lost", { collector: "collector-2", message: "connection refused" })] }, "/live", async (page, { stub }) => {
  await page.getByText("1,234 skipped").waitFor();
  await page.getByText("Without the collector collector-2:").waitFor();
  await page.getByText("1 of 2 collectors", { exact: true }).waitFor();
  stub.push(event("skipped", { count: null }));
  await page.getByText("a collector skipped some records").waitFor();
  stub.push(event("following", { collector: "collector-2" }));
  await page.getByText("2 collectors", { exact: true }).waitFor();
  assert.equal(await page.getByText("Without the collector").count(), 0);
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

/** A page of the real console, signed in with this token, once all collectors are followed. */
async function live(browser, system, token, query = "") {
  const opened = await openPage(browser, system.url, `/live?query=${encodeURIComponent(query)}`, { code: null });
  await opened.page.getByLabel("Token").fill(token);
  await opened.page.keyboard.press("Enter");
  await opened.page.getByText("2 collectors", { exact: true }).waitFor({ timeout: 60_000 });
  return opened;
}

test("on_the_real_console_records_of_all_collectors_appear_and_a_killed_one_is_named", { timeout: 300_000 }, async () => {
  const browser = await startBrowser();
  const old = shop(10).records;
  const system = await startSystem(old, "org_1", 2);
  try {
    const of = (message, organization) => ({ timestamp: new Date().toISOString(), level: "ERROR", message, logger_name: "gateway.edge", context: { organization_id: organization } });
    const [one, other] = system.collectors;
    const all = await live(browser, system, TOKEN, "level:ERROR");
    const own = await live(browser, system, TOKEN_OF_ONE);
    const shows = (opened, text) => opened.page.locator(ROW).filter({ hasText: text }).first().waitFor({ timeout: 60_000 });

    await one.post([of("from the first", "org_2"), { ...of("not asked for", "org_2"), level: "INFO" }]);
    await other.post([of("from the second", "org_1")]);
    await shows(all, "from the first");
    await shows(all, "from the second");
    await shows(own, "from the second");

    await other.kill();
    await all.page.getByText(`Without the collector ${other.url}:`).waitFor({ timeout: 60_000 });
    // Who may see one organization learns that something is missing, and no address.
    await own.page.getByText(/Without the collector collector \d:/).waitFor({ timeout: 60_000 });
    assert.ok(!(await own.page.locator("main").innerText()).includes("127.0.0.1"));

    await one.post([of("after that", "org_2"), of("the last", "org_1")]);
    await shows(all, "after that");
    await shows(own, "the last");
    assert.equal(await all.page.locator(ROW).filter({ hasText: "not asked for" }).count(), 0);
    assert.equal(await own.page.locator(ROW).count(), 2);
    await all.page.getByRole("button", { name: "Pause" }).click();
    await one.post([of("while paused", "org_2")]);
    await all.page.getByText("paused, 1 waiting").waitFor({ timeout: 60_000 });
    await picture(all.page, "system-live");
    for (const opened of [all, own]) await opened.finish();
  } finally {
    await browser.close();
    await system.stop();
  }
});

// Records that somebody sent to harm whoever looks at them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertFits, picture } from "./browser.js";
import { elements, rows, stage } from "./stage.js";
import { hostile } from "./stub/data.js";
import { MARKUP } from "./stub/hostile.js";

const { on } = stage();
const data = hostile();
const BAD = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\u3164\u{e0000}-\u{e007f}]/u;

/** Nothing of a record became part of the page, or acts on it. */
async function assertHarmless(page, what) {
  const { title, odd, text } = await page.evaluate(() => ({
    title: document.title,
    odd: document.querySelectorAll("#app :is(script, style, iframe, object, b b, img[src=x], a[href^='javascript' i])").length,
    text: document.body.innerText,
  }));
  assert.match(title, /gatelog$/, what);
  assert.equal(odd, 0, what);
  assert.doesNotMatch(text, BAD, what);
  await assertFits(page, what);
}

test("hostile_records_change_nothing_in_the_list", () => on(data, "/search", async (page) => {
  await rows(page);
  assert.equal(await page.locator("[role=option]").count(), data.records.length);
  await assertHarmless(page, "list");
  const text = await page.locator(".rows").innerText();
  for (const escape of ["\\u202e", "\\u001b", "\\u200b", "\\u{e0041}", "\\0"]) assert.ok(text.includes(escape), escape);
  assert.ok(text.includes(MARKUP.slice(0, 60)), "markup is shown as text");
  assert.ok(await elements(page) < 2500);
  await picture(page, "hostile-search");
}));

test("hostile_names_change_nothing_in_the_overview", () => {
  const counts = { count: 3, errors: 1, mean_us: 9, p99_us: 9, before: null, change: null };
  const names = [...data.records.map((record) => String(record.message)), MARKUP, "", "javascript:alert(1)", "\u202eevil", "x".repeat(200_000)];
  const table = (...keys) => ({ rows: names.map((name) => ({ ...Object.fromEntries(keys.map((key) => [key, name])), ...counts })), names: names.length, others: counts });
  const overview = {
    counting: false, explanation: MARKUP, complete: false, reasons: [{ why: MARKUP }, { why: "silent", at: MARKUP }],
    routes: table("logger", "route"), organizations: table("organization"), loggers: table("logger"), errors: table("fingerprint", "logger", "function", "kind"),
  };
  return on({ ...data, overview }, "/", async (page) => {
    await page.waitForSelector(".counts tbody tr");
    await assertHarmless(page, "overview");
    assert.ok((await page.locator(".counts").first().innerText()).includes(MARKUP.slice(0, 40)), "markup is shown as text");
    await page.getByRole("button", { name: "Show the numbers" }).click();
    await assertHarmless(page, "numbers");
    const hrefs = await page.locator(".counts a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
    assert.ok(hrefs.length > 40 && hrefs.every((href) => href.startsWith("/search?")), String(hrefs.find((href) => !href.startsWith("/search?"))));
    assert.ok(await elements(page) < 4000);
    await picture(page, "hostile-overview");
  });
});

test("hostile_records_change_nothing_in_the_panel", () => on(data, "/search", async (page) => {
  await rows(page);
  for (let at = 0; at < data.records.length; at += 1) {
    await page.locator(`#record-${at}`).click();
    await page.waitForFunction((index) => document.querySelector(`#record-${index}.active`) && document.querySelector(".panel .field"), at);
    await assertHarmless(page, `record ${at}`);
    assert.ok(await elements(page) < 6000, `record ${at}: ${await elements(page)} elements`);
  }
}));

test("a_huge_text_is_shown_in_part_and_whole_on_request", () => on(data, "/search", async (page) => {
  await rows(page);
  await page.locator("#record-4").click();
  await page.waitForSelector(".panel .field");
  const length = () => page.locator(".panel").evaluate((panel) => panel.textContent.length);
  assert.ok(await length() < 20_000, `${await length()} characters`);
  await page.getByRole("button", { name: "show all 1,048,576 characters" }).last().click();
  await page.waitForSelector("pre.whole");
  assert.ok(await length() > 1 << 20);
  await page.getByRole("button", { name: "show all 524,288 characters" }).click();
  await page.waitForFunction(() => document.querySelectorAll("pre.whole").length === 2);
  await assertHarmless(page, "whole texts");
  assert.ok(await elements(page) < 6000);
}));

test("thousands_of_fields_are_listed_in_part", () => on(data, "/search", async (page) => {
  await rows(page);
  await page.locator("#record-6").click();
  await page.getByRole("button", { name: /^Show all 1000 fields/ }).click();
  await page.waitForFunction(() => document.querySelectorAll(".field").length === 1000);
}));

test("hostile_records_change_nothing_in_a_flow", () => on(data, "/flow/hostile", async (page) => {
  await rows(page, "[role=treeitem]");
  await assertHarmless(page, "flow");
  await page.getByText("<b>time</b>").waitFor();
}));

test("an_id_made_to_be_a_link_leads_only_to_its_flow", () => on(data, "/search", async (page) => {
  await rows(page);
  await page.locator("#record-8").click();
  const link = page.getByRole("link", { name: "Flow" });
  const href = await link.getAttribute("href");
  assert.ok(href.startsWith("/flow/javascript%3Aalert(1)%2F%2F"), href);
  await link.click();
  await page.getByText("No record has this correlation id").waitFor();
  assert.equal(await page.locator("h1 .id").innerText(), data.records[8].context.correlation_id);
}));

test("an_address_cannot_carry_markup_into_the_page", () => on(data, `/search?query=${encodeURIComponent(MARKUP)}&record=${encodeURIComponent(MARKUP)}&columns=${encodeURIComponent(MARKUP)}`, async (page) => {
  await page.waitForSelector("[role=listbox]");
  await page.getByText("The record cannot be shown:").waitFor();
  await assertHarmless(page, "address");
}));

// Everything with the keyboard alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { given, rows, stage } from "./stage.js";
import { shop } from "./stub/data.js";

const { on } = stage();
const data = shop(600);
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.className || document.activeElement.tagName);

test("from_the_search_box_to_a_record_and_its_flow_without_a_mouse", () => on(data, "/search", async (page) => {
  await rows(page);
  await page.keyboard.press("/");
  assert.equal(await focused(page), "query");
  await page.keyboard.type("correlation:corr_checkout");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => new URL(location.href).searchParams.get("query") === "correlation:corr_checkout");
  await page.waitForFunction(() => document.querySelector("[role=option]")?.getAttribute("aria-setsize") === "16");
  await page.keyboard.press("Escape");
  for (const key of ["j", "j", "j", "k", "Enter"]) await page.keyboard.press(key);
  await page.waitForSelector(".panel .fields");
  assert.equal(await page.locator(".row.active").getAttribute("aria-posinset"), "2");
  const record = given(page).get("record");
  await page.keyboard.press("j");
  await page.waitForFunction((old) => new URL(location.href).searchParams.get("record") !== old, record);
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector(".panel"));
  await page.keyboard.press("Enter");
  await page.waitForSelector(".panel .fields");
  // Tab reaches the link of the flow, and Enter follows it.
  for (let i = 0; i < 200 && await page.evaluate(() => document.activeElement.textContent) !== "Flow"; i += 1) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await rows(page, "[role=treeitem]");
}));

test("from_a_chart_or_a_table_of_the_overview_to_the_records_without_a_mouse", () => on(data, "/", async (page) => {
  await page.waitForSelector(".counts tbody tr");
  const chart = page.getByRole("slider", { name: /^Requests/ });
  await chart.focus();
  const value = () => chart.getAttribute("aria-valuetext");
  assert.equal(await value(), "no point chosen");
  await page.keyboard.press("End");
  for (const key of ["ArrowLeft", "ArrowLeft"]) await page.keyboard.press(key);
  await page.waitForFunction(() => /: [\d,]+ requests, /.test(document.querySelector("[role=slider]").getAttribute("aria-valuetext")));
  assert.equal(await page.locator(".chosen-point span").innerText(), await value());
  await page.keyboard.press("Enter");
  await rows(page);
  assert.equal(Date.parse(given(page).get("until")) - Date.parse(given(page).get("since")), 60_000);
  await page.goBack();
  await page.waitForSelector(".counts tbody tr");
  for (let i = 0; i < 60 && !await page.evaluate(() => document.activeElement.matches(".counts a")); i += 1) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await rows(page);
  assert.match(given(page).get("query"), /^service:gateway.edge function:/);
}));

test("the_list_has_the_keys_of_a_list", () => on(data, "/search", async (page) => {
  await rows(page);
  const list = page.getByRole("listbox");
  await list.focus();
  // The rows are drawn after the list has scrolled: the active one is named once it is there.
  const active = (from, to) => page.waitForFunction(([from, to]) => {
    const id = document.querySelector("[role=listbox]").getAttribute("aria-activedescendant");
    const at = Number(id?.split("-")[1] ?? NaN);
    return at >= from && at <= to && document.getElementById(id) !== null;
  }, [from, to]);
  await page.keyboard.press("End");
  await active(199, 199);
  await page.keyboard.press("Home");
  await active(0, 0);
  await page.keyboard.press("PageDown");
  await active(6, 198);
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".panel .fields");
}));

test("the_help_opens_and_closes_and_keys_do_nothing_behind_it", () => on(data, "/search", async (page) => {
  await rows(page);
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("j");
  assert.equal(await page.locator(".row.active").count(), 0);
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector("dialog[open]"));
  await page.keyboard.press("j");
  await page.waitForSelector(".row.active");
}));

test("letters_that_are_typed_are_text_and_not_keys", () => on(data, "/search", async (page) => {
  await rows(page);
  await page.keyboard.press("/");
  await page.keyboard.type("j?/k");
  assert.equal(await page.getByLabel("Search", { exact: true }).inputValue(), "j?/k");
  assert.equal(await page.locator(".row.active").count(), 0);
  assert.equal(await page.locator("dialog[open]").count(), 0);
}));

for (const path of ["/", "/search"]) test(`what_has_the_focus_can_be_seen_on_${path}`, () => on(data, path, async (page) => {
  await page.waitForSelector(path === "/" ? ".counts tbody tr" : "[role=option]");
  const unseen = [];
  for (let i = 0; i < 60; i += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      const style = getComputedStyle(element);
      const box = element.getBoundingClientRect();
      return { what: element.outerHTML.slice(0, 80), seen: element === document.body || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1 && box.width > 0) };
    });
    if (!at.seen) unseen.push(at.what);
  }
  assert.deepEqual(unseen, []);
}));

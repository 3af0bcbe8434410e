// Saved views: kept by the server, shared, or kept by the browser where the server keeps none.
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertAccessible, assertFits, picture } from "./browser.js";
import { given, rows, stage } from "./stage.js";
import { shop } from "./stub/data.js";
import { MARKUP } from "./stub/hostile.js";

const { on } = stage();
const data = shop(50);
const SEARCH = "/search?query=level%3AERROR&columns=http.host";
const view = (name, more = {}) => ({ name, address: "/search?query=level%3AINFO&since=2026-01-20T01:00:00Z&until=2026-01-20T07:00:00Z", shared: false, own: true, by: "on-call", at: "2026-01-26T02:11:57.469652+00:00", ...more });
const LOCAL = JSON.stringify([{ name: "of the browser", query: "level:ERROR", columns: [], span: 3_600_000_000 }]);

async function menu(page) {
  await rows(page);
  await page.locator("summary", { hasText: "Views" }).click();
  await page.locator(".views form button:enabled").waitFor();
}
const list = (page, name) => page.locator(".views").getByRole("region", { name, exact: true });
const save = async (page, name) => {
  await page.getByLabel("Name of the view").fill(name);
  await page.getByRole("button", { name: "Save" }).click();
};
/** What the browser keeps. */
const local = (page) => page.evaluate(() => JSON.parse(localStorage.getItem("gatelog.views") ?? "[]").map(({ name }) => name));

test("a_view_is_kept_by_the_server_and_brings_its_search_back_up_to_now", () => on(data, SEARCH, async (page, { stub }) => {
  await menu(page);
  await page.getByText("None yet.").waitFor();
  await page.getByText("Kept on the server.").waitFor();
  await save(page, "errors <b>");
  const button = list(page, "Yours").getByRole("button", { name: "errors <b>", exact: true });
  await button.waitFor();
  assert.equal(await page.getByLabel("Name of the view").inputValue(), "");
  assert.deepEqual(await local(page), []);
  const [{ address, shared }] = stub.views();
  assert.equal(shared, false);
  const kept = new URL(address, stub.url).searchParams;
  assert.deepEqual([kept.get("query"), kept.get("columns"), kept.get("record")], ["level:ERROR", "http.host", null]);
  await page.goto(`${stub.url}/search?since=2026-01-20T00:00:00Z&until=2026-01-20T00:15:00Z`);
  await page.waitForSelector("[role=listbox]");
  await page.locator("summary", { hasText: "Views" }).click();
  await button.click();
  await page.waitForFunction(() => new URL(location.href).searchParams.get("query") === "level:ERROR");
  assert.equal(given(page).get("columns"), "http.host");
  const [since, until] = ["since", "until"].map((name) => Date.parse(given(page).get(name)));
  assert.equal(until - since, 3_600_000);
  assert.ok(Math.abs(until - Date.now()) < 60_000, given(page).get("until"));
  assert.equal(await page.locator(".views[open]").count(), 0);
}));

test("a_view_is_shared_no_longer_shared_and_deleted", () => on({ ...data, views: [view("known")] }, SEARCH, async (page, { stub }) => {
  await menu(page);
  await page.getByRole("button", { name: "Share the view known" }).click();
  await list(page, "Yours").getByText("shared by you").waitFor();
  assert.deepEqual(stub.views().map(({ name, shared }) => [name, shared]), [["known", true]]);
  await page.getByRole("button", { name: "Stop sharing the view known" }).click();
  await page.getByRole("button", { name: "Share the view known", exact: true }).waitFor();
  await page.getByLabel("share with all").check();
  await save(page, "new");
  await list(page, "Yours").getByText("shared by you").waitFor();
  assert.deepEqual(stub.views().map(({ name, shared }) => [name, shared]), [["known", false], ["new", true]]);
  await page.getByRole("button", { name: "Remove the view known" }).click();
  await page.getByRole("button", { name: "known", exact: true }).waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement.id), "view-name");
  assert.deepEqual(stub.views().map(({ name }) => name), ["new"]);
}));

test("a_view_that_another_shares_says_whose_it_is_and_can_only_be_opened", () => on({ ...data, views: [view("theirs", { own: false, shared: true, by: "ann" })] }, SEARCH, async (page) => {
  await menu(page);
  const others = list(page, "Shared by others");
  await others.getByText("shared by ann").waitFor();
  assert.deepEqual(await others.getByRole("button").allInnerTexts(), ["theirs"]);
  await others.getByRole("button", { name: "theirs" }).click();
  await page.waitForFunction(() => new URL(location.href).searchParams.get("query") === "level:INFO");
  assert.equal(Date.parse(given(page).get("until")) - Date.parse(given(page).get("since")), 6 * 3_600_000);
}));

test("who_sees_some_organizations_only_is_offered_no_sharing", () => on({ ...data, session: { ...data.session, role: "organizations", organizations: ["org_1"] }, views: [view("mine")] }, SEARCH, async (page) => {
  await menu(page);
  await list(page, "Yours").getByRole("button", { name: "mine", exact: true }).waitFor();
  assert.equal(await page.locator(".views").getByText(/share/i).count(), 0);
}));

for (const [reason, told] of [["denied", "the server may not write its database"], ["off", "keeping them on the server is switched off"]]) {
  test(`where_the_server_keeps_none_the_browser_does_and_says_so_${reason}`, () => on({ ...data, views: reason }, SEARCH, async (page) => {
    await menu(page);
    await page.getByText(`Kept in this browser only, up to 50: ${told}`).waitFor();
    await save(page, "errors <b>");
    await list(page, "In this browser only").getByRole("button", { name: "errors <b>", exact: true }).waitFor();
    assert.deepEqual(await local(page), ["errors <b>"]);
    await page.getByRole("link", { name: "Search", exact: true }).click();
    await page.waitForFunction(() => !new URL(location.href).searchParams.has("query"));
    await page.reload();
    await menu(page);
    await page.getByRole("button", { name: "errors <b>", exact: true }).click();
    await page.waitForFunction(() => new URL(location.href).searchParams.get("query") === "level:ERROR");
  }));
}

test("views_that_the_browser_has_stay_beside_those_of_the_server", () => on({ ...data, views: [view("of the server")] }, SEARCH, async (page) => {
  await page.evaluate((text) => localStorage.setItem("gatelog.views", text), LOCAL);
  await page.reload();
  await menu(page);
  await list(page, "Yours").getByRole("button", { name: "of the server", exact: true }).waitFor();
  await list(page, "In this browser only").getByRole("button", { name: "of the browser", exact: true }).waitFor();
  await save(page, "another");
  await list(page, "Yours").getByRole("button", { name: "another", exact: true }).waitFor();
  assert.deepEqual(await local(page), ["of the browser"]);
  await page.getByRole("button", { name: "Remove the view of the browser" }).click();
  await list(page, "In this browser only").waitFor({ state: "detached" });
  assert.deepEqual(await local(page), []);
}));

test("what_is_not_saved_is_said_and_its_name_is_not_lost", () => on({ ...data, views: Array.from({ length: 100 }, (_, at) => view(`view ${at}`)) }, SEARCH, async (page, { faults, stub }) => {
  await menu(page);
  await save(page, "one more");
  await page.getByText("you have 100 saved views, which is the maximum").waitFor();
  assert.equal(await page.getByLabel("Name of the view").inputValue(), "one more");
  faults.views = { status: 503, retryAfter: 5 };
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Try again in 5 s.").waitFor();
  delete faults.views;
  // A right that is taken away while the page is open.
  stub.stopKeeping();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Kept in this browser only").waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await list(page, "In this browser only").getByRole("button", { name: "one more", exact: true }).waitFor();
  assert.deepEqual(await local(page), ["one more"]);
}));

test("views_that_cannot_be_read_are_named_and_can_be_tried_again", () => on({ ...data, views: [view("mine")] }, SEARCH, async (page, { faults }) => {
  await rows(page);
  await page.locator("summary", { hasText: "Views" }).click();
  await page.getByText("The saved views cannot be shown:").waitFor();
  assert.ok(await page.getByRole("button", { name: "Save" }).isDisabled());
  delete faults.views;
  await page.locator(".views").getByRole("button", { name: "Try again" }).click();
  await page.getByRole("button", { name: "mine", exact: true }).waitFor();
}, { faults: { views: { status: 503 } } }));

test("views_are_saved_shared_opened_and_deleted_without_a_mouse", () => on(data, SEARCH, async (page, { stub }) => {
  await rows(page);
  await page.locator("summary", { hasText: "Views" }).focus();
  await page.keyboard.press("Enter");
  await page.locator(".views form button:enabled").waitFor();
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.innerText ?? "");
  const tab = async (label, key = "Tab") => {
    for (let at = 0; at < 12 && await focused() !== label; at += 1) await page.keyboard.press(key);
    assert.equal(await focused(), label);
  };
  await page.keyboard.press("Tab");
  await page.keyboard.type("keys");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "keys", exact: true }).waitFor();
  await tab("Share the view keys", "Shift+Tab");
  await page.keyboard.press("Space");
  await list(page, "Yours").getByText("shared by you").waitFor();
  assert.equal(await focused(), "Stop sharing the view keys", "the focus stays");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".views[open]").count(), 0);
  assert.match(await focused(), /^Views/);
  await page.keyboard.press("Enter");
  await tab("Remove the view keys");
  await page.keyboard.press("Enter");
  await page.getByText("None yet.").waitFor();
  assert.deepEqual(stub.views(), []);
}));

const HOSTILE = [MARKUP, "\u202eevil", "x".repeat(100), "\u200b", "javascript:alert(1)"];
const crowd = [
  ...HOSTILE.map((name) => view(name)), ...HOSTILE.map((name) => view(name, { own: false, shared: true, by: name, address: "javascript:alert(1)" })),
  ...Array.from({ length: 40 }, (_, at) => view(`a view with a name ${at}`, { shared: at % 2 === 0 })),
];
for (const [size, width, height, colorScheme] of [["narrow", 400, 800, "light"], ["narrow", 400, 800, "dark"], ["usual", 1440, 900, "light"], ["usual", 1440, 900, "dark"]]) {
  test(`many_and_hostile_views_fit_and_are_accessible_${size}_and_${colorScheme}`, () => on({ ...data, views: crowd }, SEARCH, async (page) => {
    await page.evaluate((text) => localStorage.setItem("gatelog.views", text), LOCAL);
    await page.reload();
    await menu(page);
    await assertAccessible(page, "views");
    await assertFits(page, "views");
    const { left, right, bottom } = await page.locator(".views .menu-body").evaluate((body) => body.getBoundingClientRect().toJSON());
    assert.ok(left >= 0 && right <= width && bottom <= height, `${left} to ${right}, down to ${bottom}`);
    // The buttons of a row are in sight, however long its name is.
    for (const button of await page.locator(".views li .tool").all()) {
      const box = await button.evaluate((element) => element.getBoundingClientRect().toJSON());
      assert.ok(box.right <= right && box.width > 10, `${box.left} to ${box.right} of ${right}`);
    }
    await picture(page, `views-${size}-${colorScheme}`);
    assert.doesNotMatch(await page.locator(".views").innerText(), /[\u200b\u202e]/);
    assert.equal(await page.evaluate(() => document.querySelectorAll(".views :is(script, img, b b, a)").length), 0);
    // What is no address of the console is not opened.
    const before = page.url();
    await list(page, "Shared by others").getByRole("button", { name: "javascript:alert(1)", exact: true }).click();
    assert.equal(page.url(), before);
  }, { colorScheme, viewport: { width, height } }));
}

// Each page, narrow and wide, dark and light: it fits, axe finds nothing serious, and a picture of it
// is in target/console/ to be looked at.
import { test } from "node:test";
import { assertAccessible, assertFits, picture } from "./browser.js";
import { rows, stage } from "./stage.js";
import { shop } from "./stub/data.js";

const { on } = stage();
const data = shop();
const failed = data.records.find((record) => record.level === "CRITICAL" && record.source);
const PAGES = [
  ["overview", "/", ".counts tbody tr"],
  ["overview-numbers", "/", ".counts tbody tr"],
  ["search", "/search", "[role=option]"],
  ["record", `/search?query=level%3A%3E%3DWARNING&record=${failed.level}/${failed.id}`, ".panel .field"],
  ["error", "/search?query=level%3AERROR%20stauts%3A404", ".query-error mark"],
  ["flow", "/flow/corr_checkout", "[role=treeitem]"],
  ["large-flow", "/flow/corr_large", "[role=treeitem]"],
  ["delivery", "/delivery", "tr.sender"],
  ["live", "/live", "[role=option]"],
  ["nowhere", "/nowhere", ".note"],
];
const SIZES = [["narrow", 400, 800], ["usual", 1440, 900], ["wide", 2560, 1300]];
const tail = data.records.slice(0, 60).map((record) => `event: record\ndata: ${JSON.stringify(record)}\n\n`);

for (const colorScheme of ["light", "dark"]) {
  for (const [size, width, height] of SIZES) {
    test(`every_page_fits_and_is_accessible_${size}_and_${colorScheme}`, () => on({ ...data, tail }, "/search", async (page, { stub }) => {
      await rows(page);
      for (const [name, path, wait] of PAGES) {
        await page.goto(stub.url + path);
        await page.waitForSelector(wait);
        if (name === "overview-numbers") await page.getByRole("button", { name: "Show the numbers" }).click();
        if (name === "search") await page.waitForSelector(".histogram svg");
        await assertFits(page, `${name} ${size} ${colorScheme}`);
        await assertAccessible(page, `${name} ${size} ${colorScheme}`);
        await picture(page, `${name}-${size}-${colorScheme}`);
      }
    }, { colorScheme, viewport: { width, height } }));
  }
}

test("signing_in_and_the_help_are_accessible", () => on(data, "/search", async (page) => {
  await page.getByLabel("Token").waitFor();
  await assertAccessible(page, "signing in");
  await picture(page, "sign-in");
}, { code: null }).then(() => on(data, "/search", async (page) => {
  await rows(page);
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  await assertAccessible(page, "help");
  await picture(page, "help");
})));

test("the_colours_can_be_chosen_and_are_remembered", () => on(data, "/search", async (page) => {
  await rows(page);
  const dark = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor === "rgb(18, 22, 28)");
  await page.getByLabel("Colours").selectOption("dark");
  if (!await dark()) throw new Error("not dark");
  await page.reload();
  await rows(page);
  if (!await dark()) throw new Error("not remembered");
}));

// The pictures in the docs, of the real console with generated records. `make pictures` renews the files
// in docs/images/; otherwise they go to target/console/, and what is checked is that each page can still
// be shown as its picture has it, and that the docs use the pictures that are made here, and no others.
// The pixels are not compared: fonts differ between machines.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openPage, startBrowser } from "./browser.js";
import { rows } from "./stage.js";
import { shop } from "./stub/data.js";
import { TOKEN, eventually, number, startSystem } from "./system.js";

const checkout = fileURLToPath(new URL("../../", import.meta.url));
const images = join(checkout, "docs/images");
const renewed = process.env.GATELOG_PICTURES === "renew";
const into = renewed ? images : join(checkout, "target/console");
mkdirSync(into, { recursive: true });

const data = shop(3000);
number(data.records, { "edge-2": 35 });
const failed = data.flows.corr_checkout.records.find((entry) => entry.error && entry.kind === "gateway").record;
/** Records that arrive while a page is open, as if just now. */
const arriving = () => data.records.slice(0, 40).map((record, at) => ({
  ...record, id: record.id.replace(/^.{8}/, "ffffffff"), source: undefined, timestamp: new Date(Date.now() - at * 70).toISOString(),
}));

/**
 * Each picture: the page, how high, in which colours, and `ready`, which brings it to what is to be seen.
 */
const PICTURES = [
  {
    name: "overview", height: 900, path: "/", colorScheme: "light",
    ready: async (page) => {
      const exchanges = data.records.filter((record) => record.http).length;
      await eventually("all is counted", async () => {
        const { resolution, totals } = await system.ask("overview?since=2h");
        assert.equal(resolution, "minute");
        return totals.count >= exchanges;
      });
      await page.reload();
      await page.waitForSelector(".counts tbody tr");
      await page.waitForFunction(() => document.querySelectorAll("canvas").length === 3);
    },
  },
  {
    name: "search", height: 760, path: `/search?query=level%3A%3E%3DWARNING&record=${failed.level}/${failed.id}`, colorScheme: "light",
    ready: async (page) => {
      await rows(page);
      await page.waitForSelector(".histogram svg rect");
      await page.waitForSelector(".panel .field");
    },
  },
  {
    name: "flow", height: 560, path: "/flow/corr_checkout", colorScheme: "dark",
    ready: async (page) => {
      await rows(page, "[role=treeitem]");
      await page.locator(".flow-row.failed").first().click();
      await page.waitForSelector(".panel .field");
    },
  },
  {
    name: "live", height: 560, path: "/live", colorScheme: "light",
    ready: async (page) => {
      await page.getByRole("link", { name: "Live", exact: true }).waitFor();
      await system.collectors[0].post(arriving());
      await rows(page);
      await page.waitForFunction(() => document.querySelectorAll("[role=option]").length >= 20);
    },
  },
  {
    name: "delivery", height: 400, path: "/delivery", colorScheme: "light",
    ready: async (page) => {
      const row = page.locator("tr.sender").filter({ hasText: "edge-2" });
      await row.getByRole("button", { name: /edge-2/ }).click();
      await page.getByText("missing numbers: ").waitFor();
    },
  },
];

let browser;
let system;
before(async () => {
  browser = await startBrowser();
  system = await startSystem(data.records, "org_1");
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

for (const { name, height, path, colorScheme, ready } of PICTURES) {
  test(`the_picture_${name}_can_be_made`, async () => {
    const { page, finish } = await openPage(browser, system.url, path, { code: null, colorScheme, viewport: { width: 1440, height }, reducedMotion: "reduce" });
    await page.getByLabel("Token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await ready(page);
    // Nothing that is marked only by chance, and nothing half drawn.
    await page.mouse.move(720, 2);
    await page.evaluate(() => document.activeElement?.blur());
    await page.screenshot({ path: join(into, `${renewed ? "" : "picture-"}${name}.png`), animations: "disabled", caret: "hide" });
    return finish();
  });
}

test("the_docs_use_every_picture_that_is_made_here_and_no_other", () => {
  const made = PICTURES.map(({ name }) => `${name}.png`);
  const pages = readdirSync(join(checkout, "docs")).filter((name) => name.endsWith(".md")).map((name) => join("docs", name));
  const used = new Set();
  for (const page of ["README.md", ...pages]) {
    for (const [, name] of readFileSync(join(checkout, page), "utf8").matchAll(/images\/([\w-]+\.png)/g)) used.add(name);
  }
  assert.deepEqual([...used].sort(), made.sort());
  for (const name of made) assert.ok(existsSync(join(images, name)), `docs/images/${name} is missing: run 'make pictures'`);
  assert.deepEqual(readdirSync(images).sort(), made.sort());
});

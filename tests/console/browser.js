// A real Chromium with a page of the console, and what every test checks of it: nothing is loaded
// from elsewhere, the content security policy is never violated, no script fails.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { CODE } from "./stub/server.js";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const pictures = fileURLToPath(new URL("../../target/console/", import.meta.url));
mkdirSync(pictures, { recursive: true });

export async function startBrowser() {
  assert.ok(existsSync(executablePath), `no Chromium at ${executablePath}: install Debian's chromium, or set CHROMIUM`);
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/**
 * Opens a page of the console at `url`, signed in by a one-time code unless `options.code` is null.
 * `finish` checks what was noticed meanwhile, and closes the page.
 */
export async function openPage(browser, url, path = "/", options = {}) {
  const { code = CODE, ...more } = options;
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "light", timezoneId: "UTC", ...more });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const origin = new URL(url).origin;
  const noticed = [];
  page.on("pageerror", (error) => noticed.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => { noticed.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
  page.on("console", (message) => { if (/content security policy|refused to/i.test(message.text())) noticed.push(message.text()); });
  page.on("request", (request) => { if (new URL(request.url()).origin !== origin) noticed.push(`request to elsewhere: ${request.url()}`); });
  await page.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(url + path + (code === null ? "" : `#code=${code}`));
  const finish = async () => {
    const violations = await page.evaluate(() => globalThis.violations);
    assert.deepEqual([...noticed, ...violations], []);
    await context.close();
  };
  return { page, context, noticed, finish };
}

/** No violation that axe calls serious or critical. */
export async function assertAccessible(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const told = serious.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.slice(0, 3).map((node) => `    ${node.html.slice(0, 200)} ${node.failureSummary ?? ""}`).join("\n")}`);
  assert.deepEqual(told, [], what);
}

/** Nothing is wider than the window. */
export async function assertFits(page, what) {
  const { width, window } = await page.evaluate(() => ({ width: document.documentElement.scrollWidth, window: innerWidth }));
  assert.ok(width <= window, `${what}: ${width} px in a window of ${window} px`);
}

/** A picture in target/console/. */
export async function picture(page, name) {
  await page.screenshot({ path: `${pictures}${name}.png` });
}

// What every file of tests starts once: a browser; and what most tests start: a stub, and a page of it.
import { after, before } from "node:test";
import { openPage, startBrowser } from "./browser.js";
import { startStub } from "./stub/server.js";

/** Starts the browser for the tests of a file; the result opens pages in it. */
export function stage() {
  let browser;
  before(async () => { browser = await startBrowser(); });
  after(async () => { await browser?.close(); });
  return {
    /** Runs a test on a page of a stub, and checks at its end what the page did meanwhile. */
    async on(data, path, test, { faults = {}, ...options } = {}) {
      const stub = await startStub(data, faults);
      try {
        const opened = await openPage(browser, stub.url, path, options);
        try {
          await test(opened.page, { stub, faults, ...opened });
          await opened.finish();
        } finally {
          await opened.context.close();
        }
      } finally {
        await stub.stop();
      }
    },
  };
}

export const ROW = "[role=option]";

/** Waits until the list has rows. */
export async function rows(page, selector = ROW) {
  await page.waitForSelector(selector);
}

/** What the address says. */
export const given = (page) => new URL(page.url()).searchParams;

/** The elements of the page. */
export const elements = (page) => page.evaluate(() => document.querySelectorAll("*").length);

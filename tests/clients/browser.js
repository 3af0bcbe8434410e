// A browser visits the gateway; prints what its pages saw as JSON.
//
//   browser.js GATEWAY OTHER     two origins: the gateway's, and that of another page
//
// CHROMIUM=/usr/bin/chromium is the browser.
const { chromium } = require("playwright-core");

const [gateway, other] = process.argv.slice(2);

/** Fetches in the page, and gives what its script may read of the answer. */
const fetched = (page, url, correlationId) =>
  page.evaluate(
    async ([url, correlationId]) => {
      const headers = { "x-correlation-id": correlationId };
      const answer = await fetch(url, { headers, credentials: "include" });
      await answer.text();
      return {
        status: answer.status,
        requestId: answer.headers.get("x-request-id"),
        correlationId: answer.headers.get("x-correlation-id"),
        application: answer.headers.get("x-application"),
      };
    },
    [url, correlationId],
  );

/** Fetches what never ends, and gives it up once it has begun. */
const aborted = (page, url, correlationId) =>
  page.evaluate(
    async ([url, correlationId]) => {
      const abort = new AbortController();
      const headers = { "x-correlation-id": correlationId };
      const answer = await fetch(url, { headers, signal: abort.signal });
      abort.abort();
      return answer.text().then(() => "whole", (error) => error.name);
    },
    [url, correlationId],
  );

/** Opens a WebSocket, and gives what comes back of a message. */
const opened = (page, url) =>
  page.evaluate(
    (url) =>
      new Promise((resolve) => {
        globalThis.socket = new WebSocket(url);
        socket.onopen = () => socket.send("hello");
        socket.onmessage = ({ data }) => resolve(data);
      }),
    url,
  );

/** Closes the page's WebSocket. */
const closed = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        socket.onclose = ({ code, wasClean }) => resolve({ code, wasClean });
        socket.close(1000);
      }),
  );

async function visit(browser) {
  const page = await browser.newPage();
  const answer = await page.goto(`${gateway}/app/`);
  const headers = answer.headers();
  const chat = gateway.replace("http", "ws") + "/chat";
  const told = {
    userAgent: await page.evaluate(() => navigator.userAgent),
    page: {
      status: answer.status(),
      title: await page.title(),
      requestId: headers["x-request-id"],
      correlationId: headers["x-correlation-id"],
    },
    same: await fetched(page, `${gateway}/app/data`, "same-origin"),
    aborted: await aborted(page, `${gateway}/app/endless`, "aborted"),
    chat: [await opened(page, `${chat}?closed`), await closed(page)],
    left: await opened(page, `${chat}?left`),
  };
  await page.goto(`${other}/app/`);
  told.cross = await fetched(page, `${gateway}/app/data`, "cross-origin");
  return told;
}

async function main() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-proxy-server",
    ],
  });
  try {
    console.log(JSON.stringify(await visit(await browser.newContext())));
  } finally {
    await browser.close();
  }
}

main();

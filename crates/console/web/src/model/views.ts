// Saved views: what opens when one is chosen. What the server says of one is as hostile as a record.

import { parseTime, shortTime } from "./time";

const HERE = "http://console.invalid";

/**
 * The address that a saved view opens: its own, with its span of time moved so that it ends now. Null if
 * it is no address of this console.
 */
export function viewAddress(saved: string, now: number): string | null {
  let url: URL;
  try {
    url = new URL(saved, HERE);
  } catch {
    return null;
  }
  if (url.origin !== HERE || !saved.startsWith("/")) return null;
  const given = url.searchParams;
  const [since, until] = [parseTime(given.get("since") ?? ""), parseTime(given.get("until") ?? "")];
  if (since !== null && until !== null && since < until) {
    given.set("since", `${shortTime(now - (until - since), "T")}Z`);
    given.set("until", `${shortTime(now, "T")}Z`);
  }
  return url.pathname + url.search;
}

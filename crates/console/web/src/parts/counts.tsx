// A table of the most frequent names, each with its change and a link to its records.

import type { ComponentChildren } from "preact";
import type { OverviewCounts, OverviewRow, OverviewTable } from "../api/types";
import { changeText, countText, queryOf, ratioText, timeText } from "../model/overview";
import { Link } from "./link";
import { Text } from "./text";

type Name = "routes" | "organizations" | "loggers" | "errors";

const TITLES: { [name in Name]: [title: string, one: string, count: string, more: string] } = {
  routes: ["Routes", "route", "requests", "routes"],
  organizations: ["Organizations", "organization", "requests", "organizations"],
  loggers: ["Applications", "logger", "records", "loggers"],
  errors: ["Errors", "error", "records", "errors"],
};

interface Properties {
  name: Name;
  table: OverviewTable;
  /** The address of a search with this query, within the period. */
  address: (query: string) => string;
}

export function Counts({ name, table, address }: Properties) {
  const [title, one, unit] = TITLES[name];
  const timed = name === "routes" || name === "organizations";
  const withErrors = name !== "errors";
  const rest = table.names - table.rows.length;
  return (
    <section class="counts" aria-label={title}>
      <h2>{title}</h2>
      {table.names === 0 && table.others.count === 0 ? <p class="hint">none in this period</p> : (
        <div class="table" tabIndex={0} role="region" aria-label={`${title}, the most frequent first`}>
          <table>
            <thead>
              <tr>
                <th scope="col">{one}</th><th scope="col" class="n">{unit}</th><th scope="col" class="n">change</th>
                {withErrors && <th scope="col" class="n">errors</th>}
                {timed && <><th scope="col" class="n">p99</th><th scope="col" class="n">mean</th></>}
              </tr>
            </thead>
            <tbody>
              {table.rows.map((row, index) => (
                <tr key={index}>
                  <th scope="row"><Link to={address(queryOf(name, row))}><Named name={name} row={row} /></Link></th>
                  <Numbers row={row} timed={timed} withErrors={withErrors} />
                </tr>
              ))}
              {(rest > 0 || table.others.count > 0) && (
                <tr class="others"><th scope="row">{rest > 0 ? `${rest.toLocaleString("en")} others` : "others"}</th><Numbers row={table.others} timed={timed} withErrors={withErrors} /></tr>
              )}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Named({ name, row }: { name: Name; row: OverviewRow }): ComponentChildren {
  const text = (key: string) => String(row[key] ?? "");
  switch (name) {
    case "routes": return <><Text text={text("route") || "(no name)"} most={80} /> <span class="hint"><Text text={text("logger")} most={60} /></span></>;
    case "organizations": return <Text text={text("organization")} most={80} />;
    case "loggers": return <Text text={text("logger") || "(no name)"} most={80} />;
    case "errors": return <><Text text={text("kind") || "(message)"} most={80} /> <span class="hint"><Text text={[text("function"), text("logger")].filter((part) => part !== "").join(" in ")} most={100} /></span></>;
  }
}

function Numbers({ row, timed, withErrors }: { row: OverviewRow; timed: boolean; withErrors: boolean }) {
  return (
    <>
      <td class="n">{countText(row.count)}</td>
      <td class="n change" title={before(row.before)}>{changeText(row)}</td>
      {withErrors && <td class={row.errors > 0 ? "n some" : "n zero"}>{ratioText(row.errors, row.count)}</td>}
      {timed && <><td class="n">{timeText(row.p99_us ?? null)}</td><td class="n">{timeText(row.mean_us)}</td></>}
    </>
  );
}

function before(counts: OverviewCounts | null): string {
  return counts === null ? "the period before was not counted" : `${countText(counts.count)} in the period before, ${ratioText(counts.errors, counts.count)} errors`;
}

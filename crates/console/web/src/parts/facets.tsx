// The most frequent values of some fields, each to include or exclude.

import { useState } from "preact/hooks";
import type { Count, HistogramAnswer } from "../api/types";
import { FACETS } from "../model/fields";
import { value } from "../model/query";
import { Text } from "./text";

/** Values of one field that are shown at first, and on request. */
const FIRST = 8;
const MOST = 100;

const ORDER = Object.keys(FACETS);
const TITLES: { [field: string]: string } = { logger_name: "service" };

/** Those of the language in its own order, then the others. */
function inOrder(facets: HistogramAnswer["facets"]): [string, Count[]][] {
  const place = (field: string) => { const at = ORDER.indexOf(field); return at < 0 ? ORDER.length : at; };
  return Object.entries(facets).sort(([a], [b]) => place(a) - place(b));
}

interface Properties {
  facets: HistogramAnswer["facets"];
  complete: boolean;
  onTerm: (term: string, exclude: boolean) => void;
}

export function Facets({ facets, complete, onTerm }: Properties) {
  return (
    <div class="facets">
      {inOrder(facets).map(([field, counts]) => counts.length > 0 && (
        <Facet key={field} field={field} counts={counts} onTerm={onTerm} />
      ))}
      {!complete && <p class="hint">Of the newest records only, like the chart.</p>}
    </div>
  );
}

function Facet({ field, counts, onTerm }: { field: string; counts: Count[]; onTerm: Properties["onTerm"] }) {
  const [all, setAll] = useState(false);
  const name = Object.hasOwn(FACETS, field) ? FACETS[field] : undefined;
  const title = Object.hasOwn(TITLES, field) ? TITLES[field] ?? field : field;
  const shown = counts.slice(0, all ? MOST : FIRST);
  const most = Math.max(1, ...counts.map(([, count]) => count));
  return (
    <section aria-label={`Values of ${title}`}>
      <h3>{title}</h3>
      <ul>
        {shown.map(([found, count]) => {
          const text = String(found);
          const term = name === undefined ? null : `${name}:${value(text)}`;
          return (
            <li key={text}>
              <span class="share" style={{ width: `${(count / most) * 100}%` }} aria-hidden="true" />
              <button type="button" class="value" disabled={term === null} onClick={() => term !== null && onTerm(term, false)} title={`Only ${title} ${text.slice(0, 80)}`}>
                <Text text={text} most={60} />
              </button>
              <span class="count">{count.toLocaleString("en")}</span>
              {term !== null && (
                <button type="button" class="tool" aria-label={`Exclude ${title} ${text.slice(0, 80)}`} title="Exclude" onClick={() => onTerm(term, true)}>≠</button>
              )}
            </li>
          );
        })}
      </ul>
      {counts.length > FIRST && (
        <button type="button" class="quiet" onClick={() => setAll(!all)}>{all ? "fewer" : `${Math.min(MOST, counts.length) - FIRST} more`}</button>
      )}
    </section>
  );
}

// Writing queries: docs/search.md has the language. The server parses them; here they only grow.

/** Maximum bytes of a query. */
export const QUERY_BYTES = 4096;

const encoder = new TextEncoder();

/** A value as a query has it. In quotes whatever has a sign with a meaning of its own. */
export function value(text: string): string {
  if (/^[\p{L}\p{N}_][\p{L}\p{N}_./@+-]*$/u.test(text)) return text;
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** The query with a term more, and without its contrary; null if it would be too long. */
export function withTerm(query: string, term: string, exclude: boolean): string | null {
  const wanted = exclude ? `-${term}` : term;
  const contrary = exclude ? term : `-${term}`;
  const kept = words(query).filter((word) => word !== contrary);
  if (kept.includes(wanted)) return kept.join(" ");
  // `OR` binds less tightly than the term that follows it.
  const before = kept.includes("OR") ? [`(${kept.join(" ")})`] : kept;
  const result = [...before, wanted].join(" ");
  return encoder.encode(result).length > QUERY_BYTES ? null : result;
}

/** The query's words at the top: a text in quotes and a group in parentheses are whole. */
export function words(query: string): string[] {
  const out: string[] = [];
  let word = "";
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < query.length; i += 1) {
    const character = query.charAt(i);
    if (quoted && character === "\\") {
      word += character + query.charAt(i + 1);
      i += 1;
      continue;
    }
    if (character === '"') quoted = !quoted;
    if (!quoted && character === "(") depth += 1;
    if (!quoted && character === ")") depth -= 1;
    if (!quoted && depth <= 0 && /\s/.test(character)) {
      if (word !== "") out.push(word);
      word = "";
    } else {
      word += character;
    }
  }
  if (word !== "") out.push(word);
  return out;
}

/** The id, if the box holds nothing but one: 32 hexadecimal digits, with or without hyphens. */
export function loneId(query: string): string | null {
  const text = query.trim().replace(/^"(.*)"$/, "$1");
  const hyphened = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
  return hyphened.test(text) || /^[0-9a-f]{32}$/i.test(text) ? text : null;
}

/** Where a place counted in characters is, counted as JavaScript does. */
export function place(query: string, at: number): number {
  return Array.from(query).slice(0, at).join("").length;
}

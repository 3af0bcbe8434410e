// Text of a record as it may be shown. Whoever sent a request chose it: characters that cannot be
// seen, or that change how others are shown, become visible escapes.

// Control, format and private characters, lone surrogates, separators other than a blank, and
// whatever a font may leave out (Default_Ignorable_Code_Point: fillers, selectors, tags).
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{DI}\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/u;
// Marks are set upon one another: a pile of them would cover other lines.
const PILE = /(?<=\p{M}{4})\p{M}+/u;
const RUN = new RegExp(`${UNSEEN.source}+|${PILE.source}`, "gu");

export interface Piece {
  text: string;
  /** Whether it stands for characters that cannot be seen. */
  escaped: boolean;
}

const SHORT: { [character: string]: string } = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0" };

/** The escape of one character. */
function escapeOf(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  const digits = code.toString(16);
  return code > 0xffff ? `\\u{${digits}}` : `\\u${digits.padStart(4, "0")}`;
}

/** The text in pieces; with `lines`, line breaks and tabs stay what they are. */
export function pieces(text: string, lines = false): Piece[] {
  const out: Piece[] = [];
  const plain = (part: string) => {
    const last = out.at(-1);
    if (last && !last.escaped) last.text += part;
    else out.push({ text: part, escaped: false });
  };
  let from = 0;
  for (const found of text.matchAll(RUN)) {
    if (found.index > from) plain(text.slice(from, found.index));
    from = found.index + found[0].length;
    // Parts of the run that stay, and parts that do not.
    for (const part of lines ? found[0].split(/((?:\r\n|\n|\t)+)/) : [found[0]]) {
      if (part === "") continue;
      if (lines && /^[\r\n\t]/.test(part) && !/^\r(?!\n)/.test(part)) plain(part.replaceAll("\r\n", "\n"));
      else out.push({ text: Array.from(part, escapeOf).join(""), escaped: true });
    }
  }
  if (from < text.length) plain(text.slice(from));
  return out;
}

/** The text with its escapes, as one text. */
export function visible(text: string, lines = false): string {
  return pieces(text, lines).map((piece) => piece.text).join("");
}

/** The first characters of a text, never half of one. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = text.codePointAt(most - 1) ?? 0;
  return text.slice(0, end > 0xffff ? most - 1 : most);
}

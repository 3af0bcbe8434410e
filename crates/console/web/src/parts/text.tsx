// Text that came from outside, shown so that nothing in it can hide or mislead.

import { useState } from "preact/hooks";
import { cut, pieces, visible } from "../model/visible";

/** Characters of one value that are shown at once; the rest on request. */
const SHOWN = 2000;
/** Escapes of one text that get an element each; past it, they are text like the rest. */
const ELEMENTS = 200;

/** A short text on one line, cut after `most` characters. */
export function Text({ text, most = 300, lines = false }: { text: string; most?: number; lines?: boolean }) {
  const short = cut(text, most);
  const list = pieces(short, lines);
  const shown = list.length > 2 * ELEMENTS ? [{ text: visible(short, lines), escaped: false }] : list;
  return (
    <bdi class="text">
      {shown.map((piece) => piece.escaped ? <span class="escape">{piece.text}</span> : piece.text)}
      {short.length < text.length && "…"}
    </bdi>
  );
}

/** A text of any length: its beginning, and all of it on request. */
export function LongText({ text }: { text: string }) {
  const [all, setAll] = useState(false);
  if (text.length <= SHOWN) return <Text text={text} most={SHOWN} lines />;
  return (
    <>
      {all
        ? <pre class="whole" tabIndex={0} aria-label="The whole text">{visible(text, true)}</pre>
        : <Text text={text} most={SHOWN} lines />}
      <button class="quiet" type="button" onClick={() => setAll(!all)}>
        {all ? "show less" : `show all ${text.length.toLocaleString("en")} characters`}
      </button>
    </>
  );
}

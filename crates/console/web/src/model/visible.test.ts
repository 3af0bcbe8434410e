import assert from "node:assert/strict";
import { test } from "node:test";
import { cut, pieces, visible } from "./visible";

test("characters_that_cannot_be_seen_become_escapes", () => {
  const cases: [string, string][] = [
    ["a\u202eb", "a\\u202eb"],
    ["a\u0000\u001b[31m", "a\\0\\u001b[31m"],
    ["zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"],
    ["\u2066x\u2069", "\\u2066x\\u2069"],
    ["tag\u{e0041}", "tag\\u{e0041}"],
    ["filler\u3164", "filler\\u3164"],
    ["half\ud800", "half\\ud800"],
    ["a\u00a0b", "a\\u00a0b"],
    ["line\nbreak\r\n", "line\\nbreak\\r\\n"],
  ];
  for (const [text, shown] of cases) assert.equal(visible(text), shown);
});

test("ordinary_text_in_any_script_stays_as_it_is", () => {
  for (const text of ["", "GET /a -> 200", "Grüße, 世界, 🙂, עברית"]) assert.equal(visible(text), text);
});

test("a_pile_of_marks_is_taken_down", () => {
  assert.equal(visible("Z" + "\u0335".repeat(6)), "Z" + "\u0335".repeat(4) + "\\u0335\\u0335");
});

test("line_breaks_and_tabs_stay_where_lines_are_shown", () => {
  assert.equal(visible("a\r\n\tb\rc\u202e\nd", true), "a\n\tb\\rc\\u202e\nd");
});

test("a_run_of_such_characters_is_one_piece", () => {
  assert.equal(pieces("a" + "\u200b".repeat(1000) + "b").length, 3);
});

test("a_text_is_never_cut_within_a_character", () => {
  assert.equal(cut("ab🙂c", 3), "ab");
  assert.equal(cut("ab🙂c", 4), "ab🙂");
  assert.equal(cut("ab", 4), "ab");
});

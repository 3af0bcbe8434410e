import assert from "node:assert/strict";
import { test } from "node:test";
import { loneId, place, value, withTerm, words } from "./query";

test("a_value_is_quoted_where_it_has_signs_of_the_language", () => {
  const cases: [string, string][] = [
    ["org_123", "org_123"],
    ["/api/v1", '"/api/v1"'],
    ["a b", '"a b"'],
    ["a*", '"a*"'],
    [">5", '">5"'],
    ['say "hi" \\', '"say \\"hi\\" \\\\"'],
    ["", '""'],
    ["a:b", '"a:b"'],
  ];
  for (const [text, written] of cases) assert.equal(value(text), written);
});

test("a_term_is_added_once_and_takes_the_place_of_its_contrary", () => {
  assert.equal(withTerm("", "level:ERROR", false), "level:ERROR");
  assert.equal(withTerm("a level:ERROR", "level:ERROR", false), "a level:ERROR");
  assert.equal(withTerm("a level:ERROR", "level:ERROR", true), "a -level:ERROR");
  assert.equal(withTerm('-user:"a b" x', 'user:"a b"', false), 'x user:"a b"');
});

test("a_term_applies_to_all_sides_of_an_or", () => {
  assert.equal(withTerm("a OR b", "c", false), "(a OR b) c");
  assert.equal(withTerm('"a OR b"', "c", false), '"a OR b" c');
  assert.equal(withTerm("(a OR b) d", "c", true), "(a OR b) d -c");
});

test("a_query_never_grows_past_its_bound", () => {
  assert.equal(withTerm("ä".repeat(2040), "user:abcdefghijklmn", false), null);
});

test("words_keep_quotes_and_groups_whole", () => {
  assert.deepEqual(words(' a  "b \\" c" (d "e)" f) -x:"y z"'), ["a", '"b \\" c"', '(d "e)" f)', '-x:"y z"']);
});

test("an_id_alone_is_recognized", () => {
  assert.equal(loneId(" 8211ea93-1093-4675-8168-6a52f66d977e\n"), "8211ea93-1093-4675-8168-6a52f66d977e");
  assert.equal(loneId("0af7651916cd43dd8448eb211c80319c"), "0af7651916cd43dd8448eb211c80319c");
  for (const text of ["", "level:ERROR", "8211ea93", "request:8211ea93-1093-4675-8168-6a52f66d977e"]) {
    assert.equal(loneId(text), null);
  }
});

test("a_place_counts_characters_not_halves_of_them", () => {
  assert.equal(place("🙂 x:y", 2), 3);
});

//! Finds names of credentials in a text and masks the values assigned to them.
//!
//! An assignment is `name=value`, or `"name": value` as in JSON, or, in free text, `Name: value` as
//! in a header. Where the value ends depends on where the text comes from: a secret may contain any
//! character allowed there. Two more forms have no assignment: credentials after the name of their
//! scheme, as in `Bearer value` (RFC 9110 §11.4), and JSON that has the name itself as a value, as
//! in `{"name": "password", "value": "…"}`.

use std::borrow::Cow;
use std::ops::Range;

use super::MASK;
use super::finding::{Found, find};
use super::marks::Marks;
use super::place::{Form, Place};

/// How many values within a value are read for where they end.
const NESTED_MAX: usize = 16;

/// Masks the values of sensitive names in the text with these marks; `more` are the configured names.
pub fn mask<'t>(text: &'t str, marks: Marks, place: Place, more: &[String]) -> Cow<'t, str> {
    let Some(first) = find(text, text.len(), marks, place, more) else {
        return Cow::Borrowed(text);
    };
    let mut masked = String::with_capacity(text.len());
    let (mut done, mut found) = (0_usize, Some(first));
    while let Some(Found { start, form }) = found {
        let start = done.saturating_add(start);
        masked.extend([text.get(done..start).unwrap_or_default(), MASK]);
        done = value_end(text, start, form, place);
        if place == Place::Lines {
            done = furthest_end(text, start..done, marks, more);
        }
        found = text.get(done..).and_then(|rest| find(rest, rest.len(), marks, place, more));
    }
    masked.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(masked)
}

/// Where the value that starts there ends.
fn value_end(text: &str, start: usize, form: Form, place: Place) -> usize {
    let Some((before, value)) = text.split_at_checked(start) else { return text.len() };
    start.saturating_add(place.value_length(form, before, value))
}

/// Where the last of the values ends that begin within a value: what is nested in it may go on for
/// longer than it. A value with more than [`NESTED_MAX`] of them extends to the end of the text.
fn furthest_end(text: &str, value: Range<usize>, marks: Marks, more: &[String]) -> usize {
    let (mut from, mut end) = (value.start, value.end);
    for _ in 0..NESTED_MAX {
        let rest = text.get(from..).unwrap_or_default();
        let found = find(rest, end.saturating_sub(from), marks, Place::Lines, more);
        let Some(Found { start, form }) = found else { return end };
        let start = from.saturating_add(start);
        let nested = value_end(text, start, form, Place::Lines);
        from = if form == Form::Member { nested } else { start };
        end = end.max(nested);
        if end == text.len() {
            return end;
        }
    }
    text.len()
}

/// Whether the text with these marks has a value to mask.
pub fn has_secret(text: &str, marks: Marks, place: Place, more: &[String]) -> bool {
    find(text, text.len(), marks, place, more).is_some()
}

/// Whether a name in a service's text may be followed by its value without `=` or `:`: such a text is
/// to be marked as one that assigns.
pub(super) fn may_have_pairs(text: &str) -> bool {
    text.contains("--") || text.contains("\",") || text.contains("',")
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_value_ends_where_its_place_says() {
        for (place, text, expected) in [
            (Place::Parameter, "token=a;b?c=d", "token=[redacted]"),
            (Place::Parameter, "a=1;token=S,b", "a=1;token=[redacted]"),
            (Place::Parameter, "a=b=token=S", "a=b=token=[redacted]"),
            (Place::Parameter, "next=/a/code=S", "next=/a/code=[redacted]"),
            (Place::Parameter, " token =S", " token =[redacted]"),
            (Place::Parameter, "{\"password\":\"S\"}", "{\"password\":[redacted]"),
            (Place::Parameter, "{\\\"code\\\" : 7}", "{\\\"code\\\" :[redacted]"),
            (Place::Parameter, "q=code:200", "q=code:200"),
            (Place::Parameter, "a=1", "a=1"),
            (Place::Parameter, "token", "token"),
            (Place::Segment, "a;jsessionid=S;v=1", "a;jsessionid=[redacted];v=1"),
            (Place::Words, "bot/1 (key=S; S=S) S&z", "bot/1 (key=[redacted]&z"),
            (Place::Words, "token=\"S\"S", "token=[redacted]"),
            (
                Place::Words,
                "{\"key\": [\"]\", {\"a\": 1}], \"b\": 2}",
                "{\"key\":[redacted], \"b\": 2}",
            ),
            (Place::Words, "{\"key\": [\"S\", ", "{\"key\":[redacted]"),
            (Place::Words, "{\"key\":12,\"pwd\":true}", "{\"key\":[redacted],\"pwd\":[redacted]}"),
            (Place::Words, "{\"key\":12 S}", "{\"key\":[redacted]"),
            (Place::Words, "a Authorization: Bearer S", "a Authorization:[redacted]"),
            (Place::Words, "X-Auth:S", "X-Auth:[redacted]"),
            (Place::Words, "auth-service:8080", "auth-service:8080"),
            (Place::Words, "password:12S", "password:[redacted]"),
            (Place::Words, "{\"password\"%20:%20\"S\"}", "{\"password\"%20:[redacted]"),
            (Place::Words, "status code: 7, the key: a", "status code: 7, the key: a"),
            (Place::Segment, "tokens:revoke", "tokens:revoke"),
            (Place::Parameter, "{\"password\"+:+\"S\"}", "{\"password\"+:[redacted]"),
            (Place::Words, "token=\"a b\" x", "token=[redacted] x"),
            (Place::Words, "{\"%2570asswd[]\":[\"S\"]}", "{\"%2570asswd[]\":[redacted]}"),
            (Place::Words, "{\"2password\": \"S\"}", "{\"2password\":[redacted]}"),
            (Place::Words, "token='a b", "token=[redacted]"),
            (Place::Words, "{\"token\": \"a\\\"b\", \"c\": 1}", "{\"token\":[redacted], \"c\": 1}"),
            (Place::Words, "token = S x", "token =[redacted]"),
            (Place::Words, "text/html;q=0.9", "text/html;q=0.9"),
            (Place::Words, "sent Bearer S, then", "sent Bearer [redacted], then"),
            (Place::Words, "bearer  S/S+S==", "bearer  [redacted]"),
            (Place::Words, "bearer", "bearer"),
            (Place::Words, "Basic dXNlcjpTUw== x", "Basic [redacted] x"),
            (Place::Words, "a basic subscription", "a basic subscription"),
            (Place::Parameter, "q=Bearer S;S", "q=Bearer [redacted];S"),
            (
                Place::Words,
                "[{\"name\":\"a\",\"value\":1},{\"name\": \"password\", \"value\": \"S\"}]",
                "[{\"name\":\"a\",\"value\":1},{[redacted]}]",
            ),
            (Place::Words, "{\"value\":\"S\",\"key\":\"api-key\"} b", "{[redacted]} b"),
            (Place::Words, "{\"value\":{\"a\":\"S\"},\"name\":\"token\"} S", "[redacted]"),
            (Place::Words, "{\\\"name\\\":\\\"pwd\\\",\\\"v\\\":\\\"S\\\"}", "{[redacted]"),
            (
                Place::Words,
                "{\"kind\":\"password\",\"user\":1}",
                "{\"kind\":\"password\",\"user\":1}",
            ),
            (Place::Parameter, "v={\"name\":\"pin_code\",\"value\":\"S\"}", "v={[redacted]"),
        ] {
            assert_eq!(mask(text, Marks::of(text), place, &[]), expected, "{text}");
        }
    }
}

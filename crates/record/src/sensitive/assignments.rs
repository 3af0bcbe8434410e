//! Finds names of credentials in a text and masks the values assigned to them.
//!
//! An assignment is `name=value`, or `"name": value` as in JSON, or, in free text, `Name: value` as
//! in a header. Where the value ends depends on where the text comes from: a secret may contain any
//! character allowed there. Two more forms have no assignment: credentials after the name of their
//! scheme, as in `Bearer value` (RFC 9110 §11.4), and JSON that has the name itself as a value, as
//! in `{"name": "password", "value": "…"}`.

use std::borrow::Cow;
use std::ops::Range;

use super::harmless::{is_code, is_harmless};
use super::json::{elements_end, is_naming, json_end, members_end, string_at, string_end};
use super::marks::Marks;
use super::names::{is_prose, is_sensitive, is_sensitive_parameter};
use super::schemes::{OPENS_CREDENTIALS, Scheme, first_credentials, is_credential};
use super::{MASK, lines};

/// Where a text comes from, which determines where a value in it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A parameter of a query or fragment: the value ends with the text.
    Parameter,
    /// A segment of a path: the next `;` begins another parameter.
    Segment,
    /// Free text: only quotes, JSON and `&` tell where a value ends.
    Words,
    /// A service's own text, perhaps of several lines.
    Lines,
}

/// How many values within a value are read for where they end.
const NESTED_MAX: usize = 16;

/// What tells that a value is a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A name before it, and `=` or `:`.
    Assigned,
    /// The name of an authentication scheme before it, and white space.
    Scheme,
    /// A name as another value of the same object.
    Member,
    /// A name as the first of two elements.
    Pair,
}

/// A value to mask: where it starts, and why.
#[derive(Clone, Copy, Debug)]
struct Found {
    start: usize,
    form: Form,
}

impl Place {
    /// Length in bytes of the value that follows `before`.
    fn value_length(self, form: Form, before: &str, text: &str) -> usize {
        let end = match (self, form) {
            (_, Form::Scheme) => {
                let word = text.trim_start_matches(OPENS_CREDENTIALS);
                let opening = text.len().saturating_sub(word.len());
                let end = word.find(|part| !is_credential(part));
                end.map(|end| end.saturating_add(opening))
            }
            (_, Form::Pair) => elements_end(text),
            (Place::Segment, _) => text.find(';'),
            (Place::Words | Place::Lines, Form::Member) if before.ends_with('{') => {
                members_end(text)
            }
            (Place::Parameter, _) | (_, Form::Member) => None,
            (Place::Lines, Form::Assigned) => Some(lines::value_length(before, text)),
            (Place::Words, Form::Assigned) => {
                // A backslash escapes the quote of a nested JSON text.
                let opens = |before: char| before.is_whitespace() || before == '\\';
                let value = text.trim_start_matches(opens);
                let blank = text.len().saturating_sub(value.len());
                let name = before.strip_suffix(':').map(str::trim_end);
                let json = name.is_some_and(|name| name.ends_with(['"', '\'']));
                let end = if json { json_end(value) } else { word_end(value) };
                end.map(|end| end.saturating_add(blank))
            }
        };
        end.unwrap_or(text.len())
    }
}

/// The end of a value in free text; `None` if it extends to the end of the text.
fn word_end(value: &str) -> Option<usize> {
    let ends = |byte: u8| byte.is_ascii_whitespace() || byte == b'&';
    match string_end(value) {
        Some(end) if value.as_bytes().get(end).is_none_or(|next| ends(*next)) => Some(end),
        _ => value.find('&'),
    }
}

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

/// The first value to mask whose name ends within the first `length` bytes. Reads each byte once, and each name once.
fn find(text: &str, length: usize, marks: Marks, place: Place, more: &[String]) -> Option<Found> {
    if !marks.any(Marks::ASSIGNS) {
        let start = marks.any(Marks::SPACE).then(|| first_credentials(text)).flatten()?;
        if start > length {
            return None;
        }
        return Some(Found { start, form: Form::Scheme });
    }
    let mut names = Names::new(text, place, more);
    let mut bytes = text.bytes().take(length).enumerate();
    if place == Place::Lines {
        bytes.find_map(|(at, byte)| names.next::<true>(at, byte))
    } else {
        bytes.find_map(|(at, byte)| names.next::<false>(at, byte))
    }
}

/// The part of the name read so far.
struct Names<'t> {
    text: &'t str,
    place: Place,
    more: &'t [String],
    /// Where the current name began.
    start: usize,
    /// Whether white space followed it.
    spaced: bool,
    /// A quoted name, as long as only white space has followed it.
    quoted: Option<Range<usize>>,
    /// Where the members of the innermost object begin; `None` after the end of one.
    members: Option<usize>,
    /// Whether the last word is the name of an authentication scheme.
    scheme: Option<Scheme>,
}

impl<'t> Names<'t> {
    const fn new(text: &'t str, place: Place, more: &'t [String]) -> Self {
        Self {
            text,
            place,
            more,
            start: 0,
            spaced: false,
            quoted: None,
            members: Some(0),
            scheme: None,
        }
    }

    /// Takes the next byte; returns the value to mask that begins after it or with it.
    /// `LINES` is whether it is a service's own text, which has more forms: known to the compiler, as
    /// the filter does not pay for them.
    fn next<const LINES: bool>(&mut self, at: usize, byte: u8) -> Option<Found> {
        let after = at.saturating_add(1);
        match byte {
            b'=' | b':' => {
                let quoted = self.quoted.take();
                let bare = quoted.is_none();
                let place = quoted.unwrap_or(self.start..at);
                let begin = place.start;
                let name = self.text.get(place).unwrap_or_default();
                (self.start, self.spaced) = (after, false);
                if (!bare || (LINES && self.is_member()))
                    && is_naming(name)
                    && self.is_sensitive(string_at(self.rest(after)))
                {
                    return Some(Found { start: self.members.unwrap_or(0), form: Form::Member });
                }
                let sensitive = if bare && byte == b':' {
                    self.is_header(begin, name, after)
                } else {
                    self.is_sensitive(name)
                };
                let type_like = bare && byte == b':';
                let harmless = || LINES && is_harmless(name, type_like, self.rest(after));
                (sensitive && !harmless()).then_some(Found { start: after, form: Form::Assigned })
            }
            b',' if LINES && self.quoted.is_some() => {
                let name = self.quoted.take();
                (self.start, self.spaced) = (after, false);
                name.and_then(|name| self.pair(name, after))
            }
            // As in `config['password'] = …`.
            b']' if LINES && self.quoted.is_some() => None,
            b'`' if LINES => {
                self.quoted = Some(self.start..at);
                (self.start, self.spaced) = (after, false);
                None
            }
            // A quote that is doubled within a quoted text.
            b'"' | b'\'' if LINES && self.quoted.is_some() && self.start == at => {
                self.start = after;
                None
            }
            b'"' | b'\'' => {
                self.quoted = Some(self.start..at);
                (self.start, self.spaced) = (after, false);
                None
            }
            _ if byte.is_ascii_whitespace()
                || (LINES && byte < b' ')
                || (self.quoted.is_some()
                    && matches!(byte, b'+' | b'%' | b'2' | b'0')
                    && self.is_encoded_blank(at, byte)) =>
            {
                if LINES && byte != b'\n' && !self.spaced && self.is_flag(at) {
                    self.spaced = true;
                    return Some(Found { start: after, form: Form::Assigned });
                }
                if !self.spaced {
                    self.scheme = self.text.get(self.start..at).and_then(Scheme::named);
                }
                if LINES && byte == b'\n' {
                    self.scheme = None;
                }
                self.spaced = true;
                None
            }
            _ if self.scheme.take().is_some_and(|scheme| scheme.has_credentials(self.rest(at))) => {
                Some(Found { start: at, form: Form::Scheme })
            }
            _ => {
                match byte {
                    b'{' => self.members = Some(after),
                    b'}' => self.members = None,
                    _ => {}
                }
                if self.spaced || !is_part_of_name(byte) {
                    let part = is_part_of_name(byte);
                    (self.start, self.spaced) = (if part { at } else { after }, false);
                }
                self.quoted = None;
                None
            }
        }
    }

    /// Whether it is a plus or part of a `%20` next to a quote: white space there, elsewhere part
    /// of a name.
    #[cold]
    #[inline(never)]
    fn is_encoded_blank(&self, at: usize, byte: u8) -> bool {
        let back = match byte {
            b'%' => 0,
            b'2' => 1,
            b'0' => 2,
            _ => return byte == b'+',
        };
        let text = at.checked_sub(back).and_then(|from| self.text.as_bytes().get(from..));
        text.is_some_and(|text| text.starts_with(b"%20"))
    }

    /// What follows this name within its brackets, if that is its value: in `("password", …)`, in
    /// `["password", …]` of two elements, and after an option of a command. A list of names is none.
    fn pair(&self, name: Range<usize>, after: usize) -> Option<Found> {
        let word = self.text.get(name.clone())?;
        let found = Found { start: after, form: Form::Pair };
        if word.starts_with("--") {
            return self.is_sensitive(word.trim_start_matches('-')).then_some(found);
        }
        // A `b` is of Python's bytes.
        let before = self.text.get(..name.start)?.trim_end_matches(['"', '\'', '\\']);
        let before = before.strip_suffix('b').unwrap_or(before).trim_end();
        if !before.ends_with(['(', '[']) || !self.is_sensitive(word) {
            return None;
        }
        (before.ends_with('(') || !has_further_element(self.rest(after))).then_some(found)
    }

    /// Whether the word that ends there is a sensitive option of a command: `--password …`.
    fn is_flag(&self, at: usize) -> bool {
        self.text.get(self.start..at).is_some_and(|word| {
            word.starts_with("--") && self.is_sensitive(word.trim_start_matches('-'))
        })
    }

    /// Whether a bare name may be a member's, as programs print them.
    fn is_member(&self) -> bool {
        self.place == Place::Lines && self.members.is_some_and(|start| start > 0)
    }

    fn rest(&self, at: usize) -> &str {
        self.text.get(at..).unwrap_or_default()
    }

    fn is_sensitive(&self, name: &str) -> bool {
        match self.place {
            Place::Lines => {
                is_sensitive(name, self.more)
                    || after_escape(name).is_some_and(|name| is_sensitive(name, self.more))
            }
            Place::Words => is_sensitive(name, self.more),
            Place::Parameter | Place::Segment => is_sensitive_parameter(name, self.more),
        }
    }

    /// Whether it is a header's name followed by its value, rather than a host with its port, a
    /// scheme, or a word of prose.
    fn is_header(&self, begin: usize, name: &str, after: usize) -> bool {
        let value = self.text.as_bytes().get(after..).unwrap_or_default();
        let digits = value.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
        let next = value.get(digits).copied().unwrap_or_default();
        let port = (1..6).contains(&digits) && !next.is_ascii_alphanumeric();
        matches!(self.place, Place::Words | Place::Lines)
            && !port
            && value.first() != Some(&b'/')
            && (!is_prose(name) || self.is_text_member(name, after) || self.is_phrase(begin, name))
            && self.is_sensitive(name)
    }

    /// Whether the word before makes a credential's name of an ordinary word: `API key: …`.
    fn is_phrase(&self, begin: usize, name: &str) -> bool {
        let before = self.text.get(..begin).unwrap_or_default();
        let word = before.trim_end_matches(' ');
        let first = word.rsplit(|part: char| !part.is_ascii_alphanumeric()).next();
        self.place == Place::Lines
            && word.len() < before.len()
            && first.is_some_and(|first| {
                !first.is_empty() && self.is_sensitive(&format!("{first}_{name}"))
            })
    }

    /// Whether it is a member whose value is a text, as in `{ key: "…" }`, unlike `{ code: 7 }`.
    fn is_text_member(&self, name: &str, after: usize) -> bool {
        let value = self.rest(after).trim_start();
        let value = value.strip_prefix("Some(").map_or(value, str::trim_start);
        self.is_member() && !is_code(name) && value.starts_with(['"', '\''])
    }
}

/// Whether another element follows the first one of these: a string, a number or a word.
fn has_further_element(elements: &str) -> bool {
    let first = elements.trim_start();
    let first = first.strip_prefix('b').unwrap_or(first);
    let end = string_end(first).or_else(|| first.find([',', ']', '(', '[', '{']));
    let next = end.and_then(|end| first.get(end..)).unwrap_or_default();
    next.trim_start().starts_with(',')
}

/// The name after an escape of a quoted text: of `\npassword`, `password`.
fn after_escape(name: &str) -> Option<&str> {
    let (_, escape) = name.rsplit_once('\\')?;
    let digits = match escape.as_bytes().first()? {
        b'x' => 2,
        b'u' => 4,
        _ => 0,
    };
    let mut letters = escape.chars();
    letters.nth(digits)?;
    Some(letters.as_str())
}

const fn is_part_of_name(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | 0x80..)
        || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']' | b'%' | b'+' | b'\\')
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

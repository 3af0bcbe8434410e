//! Finds names of credentials in a text and masks the values assigned to them.
//!
//! An assignment is `name=value`, or `"name": value` as in JSON, or, in free text, `Name: value` as
//! in a header. Where the value ends depends on where the text comes from: a secret may contain any
//! character allowed there.

use std::borrow::Cow;
use std::ops::Range;

use super::MASK;
use super::names::{is_prose, is_sensitive, is_sensitive_parameter};

/// Where a text comes from, which determines where a value in it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A parameter of a query or fragment: the value ends with the text.
    Parameter,
    /// A segment of a path: the next `;` begins another parameter.
    Segment,
    /// Free text: only quotes, JSON and `&` tell where a value ends.
    Words,
}

impl Place {
    /// Length in bytes of the value that follows `before`, which ends with its `=` or `:`.
    fn value_length(self, before: &str, text: &str) -> usize {
        let end = match self {
            Place::Parameter => None,
            Place::Segment => text.find(';'),
            Place::Words => {
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
    match quoted_end(value) {
        Some(end) if value.as_bytes().get(end).is_none_or(|next| ends(*next)) => Some(end),
        _ => value.find('&'),
    }
}

/// The end of a JSON value, including a whole array or object; `None` if it extends to the end of
/// the text or is not JSON.
fn json_end(value: &str) -> Option<usize> {
    let end = match value.as_bytes().first()? {
        b'{' | b'[' => nested_end(value)?,
        b'"' | b'\'' => quoted_end(value)?,
        _ => value.find(|part: char| !(part.is_ascii_alphanumeric() || "+-.".contains(part)))?,
    };
    let next = value.get(end..)?.trim_start().chars().next();
    next.is_none_or(|next| matches!(next, ',' | '}' | ']')).then_some(end)
}

/// Where a quoted string ends.
fn quoted_end(value: &str) -> Option<usize> {
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let mut escaped = false;
    let closing = value.char_indices().skip(1).find(|(_, character)| {
        let closes = *character == quote && !escaped;
        escaped = *character == '\\' && !escaped;
        closes
    });
    closing.map(|(at, _)| at.saturating_add(1))
}

/// Where the leading array or object ends: its brackets balance outside quotes.
fn nested_end(value: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    value.bytes().enumerate().find_map(|(at, byte)| {
        match (quote, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(open), _) if open == byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'{' | b'[') => depth = depth.saturating_add(1),
            (None, b'}' | b']') => depth = depth.saturating_sub(1),
            (Some(_) | None, _) => {}
        }
        (depth == 0).then(|| at.saturating_add(1))
    })
}

/// Masks the values of sensitive names in the text; `more` are the configured names.
pub fn mask<'t>(text: &'t str, place: Place, more: &[String]) -> Cow<'t, str> {
    let Some(first) = value_start(text, place, more) else {
        return Cow::Borrowed(text);
    };
    let mut masked = String::with_capacity(text.len());
    let (mut rest, mut start) = (text, Some(first));
    while let Some((before, value)) = start.and_then(|start| rest.split_at_checked(start)) {
        masked.extend([before, MASK]);
        rest = value.get(place.value_length(before, value)..).unwrap_or_default();
        start = value_start(rest, place, more);
    }
    masked.push_str(rest);
    Cow::Owned(masked)
}

/// Where the first value of a sensitive name begins. Reads each byte once, and each name once.
pub fn value_start(text: &str, place: Place, more: &[String]) -> Option<usize> {
    let mut names = Names { text, place, more, start: 0, spaced: false, quoted: None };
    text.bytes().enumerate().find_map(|(at, byte)| names.next(at, byte))
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
}

impl Names<'_> {
    /// Takes the next byte; returns where the value of a sensitive name begins.
    fn next(&mut self, at: usize, byte: u8) -> Option<usize> {
        let after = at.saturating_add(1);
        match byte {
            b'=' | b':' => {
                let quoted = self.quoted.take();
                let bare = quoted.is_none();
                let name = self.text.get(quoted.unwrap_or(self.start..at)).unwrap_or_default();
                (self.start, self.spaced) = (after, false);
                let sensitive = if bare && byte == b':' {
                    self.is_header(name, after)
                } else {
                    self.is_sensitive(name)
                };
                sensitive.then_some(after)
            }
            b'"' | b'\'' => {
                self.quoted = Some(self.start..at);
                (self.start, self.spaced) = (after, false);
                None
            }
            _ if byte.is_ascii_whitespace()
                || (self.quoted.is_some()
                    && matches!(byte, b'+' | b'%' | b'2' | b'0')
                    && self.is_encoded_blank(at, byte)) =>
            {
                self.spaced = true;
                None
            }
            _ => {
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

    fn is_sensitive(&self, name: &str) -> bool {
        match self.place {
            Place::Words => is_sensitive(name, self.more),
            Place::Parameter | Place::Segment => is_sensitive_parameter(name, self.more),
        }
    }

    /// Whether it is a header's name followed by its value, rather than a host with its port, a
    /// scheme, or a word of prose.
    fn is_header(&self, name: &str, after: usize) -> bool {
        let value = self.text.as_bytes().get(after..).unwrap_or_default();
        let digits = value.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
        let next = value.get(digits).copied().unwrap_or_default();
        let port = (1..6).contains(&digits) && !next.is_ascii_alphanumeric();
        self.place == Place::Words
            && !port
            && value.first() != Some(&b'/')
            && !is_prose(name)
            && self.is_sensitive(name)
    }
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
        ] {
            assert_eq!(mask(text, place, &[]), expected, "{text}");
        }
    }
}

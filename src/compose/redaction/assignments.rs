//! Finds names of credentials in a text and masks the values assigned to them.
//!
//! An assignment is `name=value`, or `"name": value` as in JSON. Where the value ends depends on where the
//! text comes from: a secret may contain any character allowed there.

use std::borrow::Cow;
use std::ops::Range;

use super::MASK;
use super::names::is_sensitive_parameter;

/// Where a text comes from, which determines where a value in it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A parameter of a query or fragment: the value ends with the text.
    Parameter,
    /// A segment of a path: the next `;` begins another parameter.
    Segment,
    /// Free text: white space or a closing bracket ends an unquoted value.
    Words,
}

impl Place {
    /// Length in bytes of the value at the beginning of `text`.
    fn value_length(self, text: &str) -> usize {
        let end = match self {
            Place::Parameter => None,
            Place::Segment => text.find(';'),
            Place::Words => {
                // A backslash escapes the quote of a nested JSON text.
                let opens = |before: char| before.is_whitespace() || before == '\\';
                let value = text.trim_start_matches(opens);
                let blank = text.len().saturating_sub(value.len());
                word_end(value).map(|end| end.saturating_add(blank))
            }
        };
        end.unwrap_or(text.len())
    }
}

/// The end of a value in free text; `None` if the value ends with the text.
fn word_end(value: &str) -> Option<usize> {
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
    let Some(quote) = quote else {
        return value.find(|end: char| {
            end.is_whitespace() || matches!(end, '&' | ';' | '"' | '\'' | '<' | '>' | ')')
        });
    };
    let mut escaped = false;
    let closing = value.char_indices().skip(1).find(|(_, character)| {
        let closes = *character == quote && !escaped;
        escaped = *character == '\\' && !escaped;
        closes
    });
    closing.map(|(at, _)| at.saturating_add(1))
}

/// The text with the values of sensitive names masked; `more` are the configuration's own names.
pub(super) fn mask<'t>(text: &'t str, place: Place, more: &[String]) -> Cow<'t, str> {
    let Some(first) = value_start(text, more) else {
        return Cow::Borrowed(text);
    };
    let mut masked = String::with_capacity(text.len());
    let (mut rest, mut start) = (text, Some(first));
    while let Some((before, value)) = start.and_then(|start| rest.split_at_checked(start)) {
        masked.extend([before, MASK]);
        rest = value.get(place.value_length(value)..).unwrap_or_default();
        start = value_start(rest, more);
    }
    masked.push_str(rest);
    Cow::Owned(masked)
}

/// Where the first value of a sensitive name begins. Reads each byte once, and each name once.
pub(super) fn value_start(text: &str, more: &[String]) -> Option<usize> {
    let mut names = Names { text, more, start: 0, spaced: false, quoted: None };
    text.bytes().enumerate().find_map(|(at, byte)| names.next(at, byte))
}

/// The part of the name read so far.
struct Names<'t> {
    text: &'t str,
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
                let bare = (byte == b'=').then_some(self.start..at);
                let name = self.quoted.take().or(bare);
                (self.start, self.spaced) = (after, false);
                let name = name.and_then(|name| self.text.get(name));
                name.is_some_and(|name| is_sensitive_parameter(name, self.more)).then_some(after)
            }
            b'"' | b'\'' => {
                self.quoted = Some(self.start..at);
                (self.start, self.spaced) = (after, false);
                None
            }
            _ if byte.is_ascii_whitespace() => {
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
            (Place::Words, "bot/1 (key=S; x=1) z", "bot/1 (key=[redacted]; x=1) z"),
            (Place::Words, "token=\"a b\" x", "token=[redacted] x"),
            (Place::Words, "token='a b", "token=[redacted]"),
            (Place::Words, "{\"token\": \"a\\\"b\", \"c\": 1}", "{\"token\":[redacted], \"c\": 1}"),
            (Place::Words, "token = S x", "token =[redacted] x"),
            (Place::Words, "text/html;q=0.9", "text/html;q=0.9"),
        ] {
            assert_eq!(mask(text, place, &[]), expected, "{text}");
        }
    }
}

//! Where a value ends: that depends on where its text comes from, and on what tells that it is one.

use super::json::{elements_end, json_end, members_end, string_end};
use super::lines;
use super::schemes::{OPENS_CREDENTIALS, is_credential};

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

/// What tells that a value is a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A name before it, and `=` or `:`.
    Assigned,
    /// The name of an authentication scheme before it, and white space.
    Scheme,
    /// A name as another value of the same object.
    Member,
    /// A name as the first of two elements.
    Pair,
}

impl Place {
    /// Length in bytes of the value that follows `before`.
    pub(super) fn value_length(self, form: Form, before: &str, text: &str) -> usize {
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

//! Reads a text once and finds where the next value to mask begins.

use std::ops::Range;

use super::harmless::{is_code, is_harmless};
use super::json::{is_naming, string_at, string_end};
use super::marks::Marks;
use super::names::{is_prose, is_sensitive, is_sensitive_parameter};
use super::place::{Form, Place};
use super::schemes::{Scheme, first_credentials};

/// A value to mask: where it starts, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) form: Form,
}

/// The first value to mask whose name ends within the first `length` bytes. Reads each byte once, and
/// each name once.
pub(super) fn find(
    text: &str,
    length: usize,
    marks: Marks,
    place: Place,
    more: &[String],
) -> Option<Found> {
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

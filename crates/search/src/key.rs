//! The place of a record in the order of time.

use std::fmt;
use std::str::FromStr;

use gatelog_record::{Timestamp, Uuid};
use mongodb::bson::RawDocument;

/// The place of a record: its timestamp, then its id. Unique, so a search continues behind it,
/// however many records share its time.
///
/// Its text is `2026-01-26T02:11:57.469652+00:00/01a20c73-7db5-7d3f-a203-60fc1aff1b8d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// When it was.
    pub at: Timestamp,
    /// The record's id.
    pub id: Uuid,
}

impl Key {
    /// The first place of an instant: in front of whatever is then, and behind all that is earlier.
    pub const fn first(at: Timestamp) -> Self {
        Self { at, id: Uuid::nil() }
    }

    /// The place of a document; `None` if it is none of gatelog's.
    pub fn of(document: &RawDocument) -> Option<Self> {
        let at = Timestamp::parse(document.get_str("timestamp").ok()?).ok()?;
        let id = Uuid::from_slice(document.get_binary("_id").ok()?.bytes).ok()?;
        Some(Self { at, id })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.at, self.id.hyphenated())
    }
}

/// A text that is not a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseKeyError;

impl fmt::Display for ParseKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a time, or where another search ended: TIME/ID")
    }
}

impl std::error::Error for ParseKeyError {}

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let (at, id) = text.split_once('/').ok_or(ParseKeyError)?;
        let at = Timestamp::parse(at).map_err(|_| ParseKeyError)?;
        let id = Uuid::try_parse(id).map_err(|_| ParseKeyError)?;
        Ok(Self { at, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_and_is_ordered_by_time_first() {
        let at = |micros| Timestamp::from_unix_micros(micros);
        let key = Key { at: at(7), id: Uuid::from_u128(9) };
        assert_eq!(key.to_string().parse(), Ok(key));
        assert!(Key::first(at(7)) < key && key < Key::first(at(8)));
        for text in ["", "/", "2026-01-26T02:11:57Z", "x/y", "2026-01-26T02:11:57Z/7"] {
            assert_eq!(text.parse::<Key>(), Err(ParseKeyError), "{text}");
        }
    }
}

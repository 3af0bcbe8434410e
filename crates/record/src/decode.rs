//! Reads one line of a batch back into a record, and says what is wrong with one that is none.
//!
//! Everything a sender can put into a line is checked here, once: its size, its nesting, its
//! numbers and its keys (the `scan` module, on the bytes, before anything is allocated for
//! them), then the shape of every key that the format knows (the `shape` module). What comes
//! out is in canonical form:
//!
//! - `timestamp` is the fixed-width UTC text, `level` one of the five names, every UUID lower
//!   case with dashes;
//! - `logger_name`, `function_name`, `line_number` and the five ids of `context` are always
//!   there, null where unknown; every other part that came as null is left out;
//! - top-level keys that the format does not know stand under `extra`;
//! - the whole number `-0` is 0;
//! - of a key that stands twice in one object, the last value counts.
//!
//! No key has a meaning to the parser: see [`Plain`]. (`serde_json`'s feature
//! `arbitrary_precision` would give one to a key of its own, and must be off.)

mod plain;
mod quick;
mod scan;
mod shape;

pub use plain::Plain;
pub use quick::{Checked, check_record};

use std::fmt;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::limits::{DEPTH, RECORD_BYTES_MAX, VALUES};
use crate::{Level, Timestamp};

/// The bounds that a line must keep to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most bytes of one line, its line feed not counted.
    pub record_bytes: usize,
    /// Most levels of objects and arrays, the record itself being the first.
    pub depth: usize,
    /// Most values, objects and arrays included.
    pub values: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { record_bytes: RECORD_BYTES_MAX, depth: DEPTH, values: VALUES }
    }
}

/// A record as it came, checked and in canonical form.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The record's own id, or the one that was given for a record without.
    pub id: Uuid,
    /// Decides the collection.
    pub level: Level,
    /// The instant of `body`'s `timestamp`.
    pub timestamp: Timestamp,
    /// Whether it belongs to the audit trail too.
    pub audit: bool,
    /// Which flow it belongs to; never empty.
    pub correlation_id: Option<String>,
    /// Which record of which sender it is; applications' records may have none.
    pub source: Option<OwnedSource>,
    /// The whole record, `id` included.
    pub body: Map<String, Value>,
}

/// Which record of which sender: [`Source`](crate::Source), owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedSource {
    /// The gateway's node id, else its host name; at most
    /// [`GATEWAY_BYTES`](crate::limits::GATEWAY_BYTES).
    pub gateway: String,
    /// One life of the filter's root context.
    pub boot: Uuid,
    /// The how-many-th record of that life, from 1.
    pub seq: u64,
}

/// What is wrong with a line: the kinds that dead letters are filed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecodeErrorKind {
    /// Longer than the bound, or of more values.
    TooLarge,
    /// Not JSON, or not UTF-8.
    NotJson,
    /// A part of the record has the wrong type or an impossible value, or is missing.
    WrongShape,
    /// Objects or arrays nested deeper than the bound.
    TooDeep,
    /// A key contains U+0000, which BSON cannot hold.
    NulInKey,
    /// A whole number outside 64 signed bits, or a number too large for a double.
    NumberRange,
}

impl DecodeErrorKind {
    /// All kinds.
    pub const ALL: [DecodeErrorKind; 6] = [
        DecodeErrorKind::TooLarge,
        DecodeErrorKind::NotJson,
        DecodeErrorKind::WrongShape,
        DecodeErrorKind::TooDeep,
        DecodeErrorKind::NulInKey,
        DecodeErrorKind::NumberRange,
    ];

    /// The name in dead letters and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            DecodeErrorKind::TooLarge => "too_large",
            DecodeErrorKind::NotJson => "not_json",
            DecodeErrorKind::WrongShape => "wrong_shape",
            DecodeErrorKind::TooDeep => "too_deep",
            DecodeErrorKind::NulInKey => "nul_in_key",
            DecodeErrorKind::NumberRange => "number_range",
        }
    }
}

/// A line that is no record. The text names places and types, never a value of the record, so
/// that it may stand in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    text: String,
}

impl DecodeError {
    fn new(kind: DecodeErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// The name of the fault in dead letters and metrics.
    pub const fn kind_name(&self) -> &'static str {
        self.kind.as_str()
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for DecodeError {}

/// Reads a line. `id_if_absent` becomes the id of a record that has none: to make a redelivery
/// harmless, the same line must be given the same one.
///
/// # Errors
///
/// The line is past a bound, not JSON, or not a record. The error says which, as data
/// ([`DecodeError`]'s `fault`) and as text.
///
/// ```
/// use gatelog_record::{DecodeLimits, DecodeErrorKind, Level, Uuid, decode_record};
///
/// let limits = DecodeLimits::default();
/// let line = br#"{"timestamp":"2026-01-26T02:11:57.469652+00:00","level":"ERROR",
///                 "logger_name":"billing","message":"no such invoice"}"#;
/// let decoded = decode_record(line, &limits, Uuid::from_u128(7))?;
/// assert_eq!((decoded.level, decoded.id), (Level::Error, Uuid::from_u128(7)));
///
/// let error = decode_record(b"{\"level\":", &limits, Uuid::nil()).unwrap_err();
/// assert_eq!(error.kind, DecodeErrorKind::NotJson);
/// # Ok::<(), gatelog_record::DecodeError>(())
/// ```
pub fn decode_record(
    line: &[u8],
    limits: &DecodeLimits,
    id_if_absent: Uuid,
) -> Result<Decoded, DecodeError> {
    if line.len() > limits.record_bytes {
        return Err(DecodeError::new(
            DecodeErrorKind::TooLarge,
            format!("record of {} bytes: limit is {}", line.len(), limits.record_bytes),
        ));
    }
    let line = scan::scan(line, limits)?;
    let Plain(value) = serde_json::from_slice(&line).map_err(|error| {
        // Syntax errors only, as any JSON is a `Value`: their texts quote nothing.
        DecodeError::new(DecodeErrorKind::NotJson, format!("not JSON: {error}"))
    })?;
    shape::check(value, id_if_absent)
}

#[cfg(test)]
mod tests;

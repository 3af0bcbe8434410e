//! Reads one line of a batch back into a record, or says why it is not one.
//!
//! Everything a sender can put into a line is checked here, once: its size, its nesting, its
//! numbers and its keys (the `scan` module, on the bytes, before anything is allocated for
//! them), then the shape of every key that the format knows (the `shape` module). The result
//! is in canonical form:
//!
//! - `timestamp` is the fixed-width UTC text, `level` one of the five names, every UUID lower
//!   case with dashes;
//! - `logger_name`, `function_name`, `line_number` and the five ids of `context` are always
//!   present, null if unknown; every other part that was null is left out;
//! - top-level keys that the format does not know are moved under `extra`;
//! - the whole number `-0` is 0;
//! - if a key appears twice in one object, the last value counts.
//!
//! No key has a special meaning to the parser: see [`Plain`]. (`serde_json`'s feature
//! `arbitrary_precision` would give one to a reserved key, and must be off.)

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

/// The limits that a line must respect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Maximum bytes of one line, without its line feed.
    pub record_bytes: usize,
    /// Maximum nesting of objects and arrays, counting the record itself.
    pub depth: usize,
    /// Maximum values, including objects and arrays.
    pub values: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { record_bytes: RECORD_BYTES_MAX, depth: DEPTH, values: VALUES }
    }
}

/// A decoded record, checked and in canonical form.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The record's own id, or the one given for a record without an id.
    pub id: Uuid,
    /// Determines the collection.
    pub level: Level,
    /// The instant of `body`'s `timestamp`.
    pub timestamp: Timestamp,
    /// Whether it belongs to the audit trail too.
    pub audit: bool,
    /// The flow that it belongs to; never empty.
    pub correlation_id: Option<String>,
    /// The sender and the sequence number; applications' records may have none.
    pub source: Option<OwnedSource>,
    /// The whole record, `id` included.
    pub body: Map<String, Value>,
}

/// The sender and the sequence number: [`Source`](crate::Source), owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedSource {
    /// The gateway's configured name, node id or host name; at most
    /// [`GATEWAY_BYTES`](crate::limits::GATEWAY_BYTES).
    pub gateway: String,
    /// The boot: one lifetime of the filter's root context.
    pub boot: Uuid,
    /// Sequence number within the boot, from 1.
    pub seq: u64,
}

/// What is wrong with a line: the kind of its dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecodeErrorKind {
    /// Exceeds the bound on bytes or values.
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

/// A line that is not a valid record. The text names places and types, never a value of the record,
/// so it is safe to log.
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

/// Reads a line. `id_if_absent` becomes the id of a record without one: to make a redelivery
/// harmless, pass the same id for the same line.
///
/// # Errors
///
/// The line exceeds a bound, is not JSON, or is not a record. The error says which, as data
/// ([`DecodeError`]'s `kind`) and as text.
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
        // Only syntax errors are possible, because any JSON is a `Value`; their text quotes
        // nothing.
        DecodeError::new(DecodeErrorKind::NotJson, format!("not JSON: {error}"))
    })?;
    shape::check(value, id_if_absent)
}

#[cfg(test)]
mod tests;

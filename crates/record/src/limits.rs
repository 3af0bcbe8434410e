//! The bounds of the record format. All are configurable in the filter, within these ranges.

/// Most bytes of one encoded record, its line feed not counted.
pub const RECORD_BYTES: usize = 16 * 1024;

/// Least value that [`RECORD_BYTES`] may be configured to: the fixed keys, and every value cut
/// to [`TIGHT_VALUE_BYTES`], always fit.
pub const RECORD_BYTES_MIN: usize = 8 * 1024;

/// Most value that [`RECORD_BYTES`] may be configured to: far below MongoDB's 16 MiB document.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// Most bytes of one string value as encoded, its quotes not counted. Long enough for a long
/// user agent or path, too short for a payload.
pub const VALUE_BYTES: usize = 2 * 1024;

/// Least value that [`VALUE_BYTES`] may be configured to.
pub const VALUE_BYTES_MIN: usize = 128;

/// What values are cut to when a record would pass its own bound: the second, last attempt.
pub const TIGHT_VALUE_BYTES: usize = 128;

/// Most pairs of one of a record's open-ended objects (headers, metrics, extra fields).
pub const PAIRS: usize = 64;

/// Most levels of objects and arrays in a record that is read, the record itself being the first.
/// MongoDB holds documents of up to 100.
pub const DEPTH: usize = 64;

/// Most values in a record that is read, objects and arrays and what they hold. Two bytes of text
/// can be a value, which takes a hundred bytes in memory; a gateway's record has some fifty.
pub const VALUES: usize = 16 * 1024;

/// Most bytes of a gateway's name, in a record's `source` and in a batch's header: the filter cuts
/// its own to as many. Names are kept in memory for as long as their boots are accounted for.
pub const GATEWAY_BYTES: usize = 128;

/// Most bytes of a batch's header that is read: some 300 are usual, and a later version's keys
/// have room.
pub const HEADER_BYTES: usize = 16 * 1024;

/// Most reasons for dropping that a header may name; the filter has four.
pub const DROP_REASONS: usize = 16;

/// Most bytes of the name of such a reason; the longest of the filter's has ten.
pub const DROP_REASON_BYTES: usize = 64;

/// Stands at the end of a value that was cut.
pub const CUT_MARK: &str = "…";

/// The bounds that an encoder keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordLimits {
    /// Most bytes of one record, `RECORD_BYTES_MIN` to `RECORD_BYTES_MAX`.
    pub record_bytes: usize,
    /// Most bytes of one string value, `VALUE_BYTES_MIN` to `record_bytes`.
    pub value_bytes: usize,
}

impl Default for RecordLimits {
    fn default() -> Self {
        Self { record_bytes: RECORD_BYTES, value_bytes: VALUE_BYTES }
    }
}

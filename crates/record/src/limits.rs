//! The bounds of the record format. All are configurable in the filter, within these ranges.

/// Maximum bytes of one encoded record, without its line feed.
pub const RECORD_BYTES: usize = 16 * 1024;

/// Minimum for the configured [`RECORD_BYTES`]: the fixed keys, and every value cut
/// to [`TIGHT_VALUE_BYTES`], always fit.
pub const RECORD_BYTES_MIN: usize = 8 * 1024;

/// Maximum for the configured [`RECORD_BYTES`]: far below MongoDB's limit of 16 MiB per document.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// Maximum bytes of one string value as encoded, without its quotes. Long enough for a long
/// user agent or path, too short for a payload.
pub const VALUE_BYTES: usize = 2 * 1024;

/// Minimum for the configured [`VALUE_BYTES`].
pub const VALUE_BYTES_MIN: usize = 128;

/// The bound for values when a record exceeds its own bound and is encoded a second and last time.
pub const TIGHT_VALUE_BYTES: usize = 128;

/// Lines of a stack trace that such a second encoding keeps.
pub const TIGHT_STACK_LINES: usize = 16;

/// Maximum pairs in each of a record's open-ended objects (headers, metrics, extra fields).
pub const PAIRS: usize = 64;

/// Maximum nesting of objects and arrays in a record that is read, counting the record itself.
/// MongoDB allows up to 100 levels.
pub const DEPTH: usize = 64;

/// Maximum values in a record that is read, including objects, arrays and their contents. Two bytes of text
/// can be a value, which takes a hundred bytes in memory; a gateway's record has about fifty values.
pub const VALUES: usize = 16 * 1024;

/// Maximum bytes of a gateway's name, in a record's `source` and in a batch's header: the filter cuts
/// its own name to this length. Names are kept in memory for as long as their boots are accounted for.
pub const GATEWAY_BYTES: usize = 128;

/// Largest sequence number of a record, 2^53 − 1: every JSON reader reads it exactly.
pub const SEQ_MAX: u64 = (1 << 53) - 1;

/// Maximum bytes of a batch's header that is read: about 300 are usual, which leaves room for
/// the keys of later versions.
pub const HEADER_BYTES: usize = 16 * 1024;

/// Maximum number of drop reasons in a header; the filter has four.
pub const DROP_REASONS: usize = 16;

/// Maximum bytes of the name of such a reason; the filter's longest has ten.
pub const DROP_REASON_BYTES: usize = 64;

/// Marks the end of a value that was cut.
pub const CUT_MARK: &str = "…";

/// The bounds of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordLimits {
    /// Maximum bytes of one record, `RECORD_BYTES_MIN` to `RECORD_BYTES_MAX`.
    pub record_bytes: usize,
    /// Maximum bytes of one string value, `VALUE_BYTES_MIN` to `record_bytes`.
    pub value_bytes: usize,
}

impl Default for RecordLimits {
    fn default() -> Self {
        Self { record_bytes: RECORD_BYTES, value_bytes: VALUE_BYTES }
    }
}

//! The gatelog record and the batch that carries it.
//!
//! Shared by the filter, which encodes, and the collector, which decodes. No I/O; builds for
//! wasm and native alike.
//!
//! - [`Record`]: one access-log record, encoded as one JSON line with keys in a fixed order.
//! - [`decode`]: one line read back, checked and in canonical form.
//! - [`BatchHeader`]: the first line of a batch, with the sender's own accounting.
//! - [`Level`], [`Timestamp`]: the two values every record is filed by.
//! - [`limits`]: every bound of the format, with its reason.

#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

mod batch;
pub mod decode;
mod encode;
mod json;
mod level;
pub mod limits;
mod record;
mod timestamp;

pub use batch::{BATCH_VERSION, BatchHeader, DropReason, Dropped, HeaderError};
pub use decode::{
    Checked, DecodeError, DecodeLimits, Decoded, Fault, OwnedSource, check_record, decode_record,
};
pub use encode::{EncodeError, Encoded, Encoder};
pub use json::acts_on_display;
pub use level::{Level, ParseLevelError};
pub use limits::RecordLimits;
pub use record::{Context, Http, Outcome, Pairs, Record, Source, Status, Trace};
pub use timestamp::{ParseTimestampError, Timestamp};
pub use uuid::Uuid;

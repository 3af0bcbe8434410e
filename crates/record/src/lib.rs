//! The gatelog record and the batch that carries it.
//!
//! Shared by the filter, which encodes, and the collector, which decodes. No I/O; builds for
//! wasm and native alike.
//!
//! - [`Record`]: one access-log record, encoded as one JSON line with its keys in a fixed order.
//! - [`ServiceRecord`]: the record of an event in a service, in the same shape.
//! - [`decode`]: reads one line back, checks it and returns it in canonical form.
//! - [`BatchHeader`]: the first line of a batch, with the sender's own accounting.
//! - [`Level`], [`Timestamp`]: the two values that determine where a record is stored.
//! - [`limits`]: every bound of the format, with its reason.
//! - [`sensitive`]: the names of credentials, whose values no record may contain.
//!
//! A batch is a header line followed by one line for each record:
//!
//! ```
//! use gatelog_record::{
//!     BatchHeader, Context, DecodeLimits, Dropped, Encoder, Http, Level, Record, Source, Status,
//!     Timestamp, Trace, Uuid, decode_record,
//! };
//!
//! let boot = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0007);
//! let record = Record {
//!     timestamp: Timestamp::parse("2026-01-26T02:11:57.469652+00:00")?,
//!     level: Level::Info,
//!     logger_name: "gateway.edge",
//!     function_name: "conversations",
//!     message: "GET /api/v1/conversations -> 200 in 45.23 ms",
//!     context: Context { organization_id: Some("org_123"), ..Context::default() },
//!     trace: Trace {
//!         execution_time_us: 45_230,
//!         status: Status::Success,
//!         slow: false,
//!         trace_id: None,
//!         span_id: None,
//!         parent_span_id: None,
//!         upstream_us: Some(44_000),
//!         metrics: &[],
//!         phases: &[],
//!     },
//!     http: Http { status: Some(200), ..Http::default() },
//!     error: None,
//!     audit: false,
//!     weight: None,
//!     extra: &[],
//!     id: Uuid::from_u128(1),
//!     source: Source { gateway: "edge-7", boot, seq: 1 },
//! };
//! let header = BatchHeader {
//!     gateway: "edge-7".to_owned(),
//!     boot,
//!     assigned: 1,
//!     queued: 0,
//!     dropped: Dropped::default(),
//!     sampled: 0,
//! };
//!
//! let mut batch = Vec::new();
//! header.encode(&mut batch);
//! Encoder::default().encode(&record, &mut batch)?;
//!
//! let (first, line) = batch.split_at(batch.iter().position(|byte| *byte == b'\n').unwrap());
//! assert_eq!(BatchHeader::decode(first)?.assigned, 1);
//! let decoded = decode_record(line.trim_ascii(), &DecodeLimits::default(), Uuid::nil())?;
//! assert_eq!(decoded.id, record.id);
//! assert_eq!(decoded.body["context"]["organization_id"], "org_123");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// What is parsed here comes from outside: no number in it may overflow.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod batch;
pub mod decode;
mod encode;
mod fields;
mod json;
mod level;
pub mod limits;
mod record;
pub mod sensitive;
mod service;
mod timestamp;
pub mod units;

pub use batch::{BATCH_VERSION, BatchHeader, DropReason, Dropped, HeaderError};
pub use decode::{
    Checked, DecodeError, DecodeErrorKind, DecodeLimits, Decoded, OwnedSource, check_record,
    decode_record,
};
pub use encode::{EncodeError, Encoded, Encoder};
pub use json::acts_on_display;
pub use level::{Level, ParseLevelError};
pub use limits::RecordLimits;
pub use record::{Context, ErrorDetails, Http, Pairs, Record, Source, Status, Trace};
pub use service::{ServiceError, ServiceRecord, ServiceTrace, Value};
pub use timestamp::{ParseTimestampError, Timestamp};
pub use uuid::Uuid;

//! The record of one event in a service, as `gatelog-tracing` builds it. Encoded by
//! [`Encoder::encode_service`](crate::Encoder::encode_service).

use uuid::Uuid;

use crate::record::{Context, Source, Status};
use crate::{Level, Timestamp};

/// One event of a service. Field order is the order of the JSON keys.
///
/// Every text is untrusted: the encoder escapes and bounds it.
#[derive(Clone, Debug)]
pub struct ServiceRecord<'a> {
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its severity.
    pub level: Level,
    /// The module that logged it.
    pub logger_name: &'a str,
    /// The function or the operation; null where unknown.
    pub function_name: Option<&'a str>,
    /// The line in the source file; null where unknown.
    pub line_number: Option<u32>,
    /// What happened.
    pub message: &'a str,
    /// The ids and the tenant of the request that it is part of.
    pub context: Context<'a>,
    /// Timing, and its place in a distributed trace.
    pub trace: ServiceTrace<'a>,
    /// The error that it reports.
    pub error: Option<ServiceError<'a>>,
    /// Whether the record also belongs to the audit trail.
    pub audit: bool,
    /// A UUIDv7, assigned once: MongoDB's `_id`.
    pub id: Uuid,
    /// The service and the sequence number.
    pub source: Source<'a>,
}

/// Timing of an operation, and its place in a distributed trace. Unknown values are left out.
#[derive(Clone, Debug, Default)]
pub struct ServiceTrace<'a> {
    /// Duration of the operation, in microseconds; written in milliseconds.
    pub execution_time_us: Option<u64>,
    /// How it ended.
    pub status: Option<Status>,
    /// The W3C trace id, 32 hex digits.
    pub trace_id: Option<&'a str>,
    /// The service's own span, 16 hex digits.
    pub span_id: Option<&'a str>,
    /// The caller's span, 16 hex digits.
    pub parent_span_id: Option<&'a str>,
    /// Measured values by name.
    pub metrics: &'a [(&'a str, f64)],
}

impl ServiceTrace<'_> {
    /// Whether nothing is known: the object is then left out.
    pub(crate) fn is_empty(&self) -> bool {
        self.execution_time_us.is_none()
            && self.status.is_none()
            && self.trace_id.or(self.span_id).or(self.parent_span_id).is_none()
            && self.metrics.is_empty()
    }
}

/// An error and where it came from.
#[derive(Clone, Debug, Default)]
pub struct ServiceError<'a> {
    /// Its type.
    pub kind: Option<&'a str>,
    /// Its message.
    pub message: Option<&'a str>,
    /// Its causes, then the spans that it passed, innermost first.
    pub stack_trace: &'a [String],
}

/// A value under `extra`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// A whole number, 0 or greater; one past 2^63 − 1 is written as text, as MongoDB has none.
    Uint(u64),
    /// A number; one that JSON cannot represent becomes null.
    Float(f64),
    /// True or false.
    Bool(bool),
}

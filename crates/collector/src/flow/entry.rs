//! The parts of a record that a tree needs, read from its compact document.

use gatelog_record::{Level, Timestamp, Uuid};
use mongodb::bson::{RawBsonRef, RawDocument};

/// Maximum bytes of an error's description: an application may list any number of flags.
const ERROR_BYTES: usize = 1_024;

/// One record of a flow. A field that the document lacks, or has in another type, is unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// The record's id.
    pub id: Option<Uuid>,
    /// When it began; for an application's record, when it was made. Microseconds since 1970.
    pub at: i64,
    /// How long it took, in milliseconds.
    pub took: Option<f64>,
    /// Its severity.
    pub level: Option<Level>,
    /// Whether the operation failed, whatever its level.
    pub failed: bool,
    /// Whether it was slower than its threshold.
    pub slow: bool,
    /// The logger, or the gateway record's service.
    pub logger: Option<String>,
    /// The function, or the gateway record's route.
    pub function: Option<String>,
    /// An application's message; always `None` for a gateway record.
    pub message: Option<String>,
    /// The flow it belongs to.
    pub correlation_id: Option<String>,
    /// The request it belongs to.
    pub request_id: Option<String>,
    /// The trace of its spans.
    pub trace_id: Option<String>,
    /// Its own span.
    pub span_id: Option<String>,
    /// The span that caused it.
    pub parent_span_id: Option<String>,
    /// The HTTP method; only gateway records have one.
    pub method: Option<String>,
    /// The path without its query.
    pub path: Option<String>,
    /// The response's status.
    pub status: Option<i64>,
    /// A short description of what went wrong.
    pub error: Option<String>,
}

impl Entry {
    /// Reads a document of `trace_logs`.
    pub fn read(document: &RawDocument) -> Self {
        let at = text(document, "timestamp").and_then(|text| Timestamp::parse(&text).ok());
        let level = text(document, "level").and_then(|text| text.parse().ok());
        let context = part(document, "context");
        let trace = part(document, "trace");
        let http = part(document, "http");
        Self {
            id: document.get_binary("_id").ok().and_then(|id| Uuid::from_slice(id.bytes).ok()),
            at: at.map_or(0, Timestamp::unix_micros),
            took: trace.and_then(|trace| number(trace, "execution_time_ms")),
            level,
            failed: level >= Some(Level::Error)
                || trace.and_then(|trace| text(trace, "status")).as_deref() == Some("error"),
            slow: trace
                .is_some_and(|trace| matches!(get(trace, "slow"), Some(RawBsonRef::Boolean(true)))),
            logger: text(document, "logger_name"),
            function: text(document, "function_name"),
            message: text(document, "message"),
            correlation_id: context.and_then(|context| text(context, "correlation_id")),
            request_id: context.and_then(|context| text(context, "request_id")),
            trace_id: trace.and_then(|trace| text(trace, "trace_id")),
            span_id: trace.and_then(|trace| text(trace, "span_id")),
            parent_span_id: trace.and_then(|trace| text(trace, "parent_span_id")),
            method: http.and_then(|http| text(http, "method")),
            path: http.and_then(|http| text(http, "path")),
            status: http.and_then(|http| whole(http, "status")),
            error: part(document, "error").and_then(summary),
        }
    }

    /// Whether it is a gateway's record: only those have a method.
    pub(super) fn is_gateways(&self) -> bool {
        self.method.is_some()
    }

    /// Whether it is an application's record without a correlation id of its own: it has none, or the
    /// trace id in its place.
    pub(super) fn is_unlinked(&self) -> bool {
        let own = self.correlation_id.as_ref().filter(|_| self.correlation_id != self.trace_id);
        !self.is_gateways() && own.is_none()
    }

    /// Whether it is a gateway's record of a whole exchange: other records can be parts of it.
    pub(super) fn is_exchange(&self) -> bool {
        self.is_gateways() && self.took.is_some() && self.level != Some(Level::Debug)
    }

    /// When it ended, in microseconds since 1970.
    pub(super) fn end(&self) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let micros = (self.took.unwrap_or(0.0).max(0.0) * 1_000.0) as i64;
        self.at.saturating_add(micros)
    }
}

fn get<'a>(document: &'a RawDocument, key: &str) -> Option<RawBsonRef<'a>> {
    document.get(key).ok().flatten()
}

fn part<'a>(document: &'a RawDocument, key: &str) -> Option<&'a RawDocument> {
    get(document, key)?.as_document()
}

fn text(document: &RawDocument, key: &str) -> Option<String> {
    get(document, key)?.as_str().map(str::to_owned)
}

fn whole(document: &RawDocument, key: &str) -> Option<i64> {
    match get(document, key)? {
        RawBsonRef::Int32(value) => Some(value.into()),
        RawBsonRef::Int64(value) => Some(value),
        _ => None,
    }
}

fn number(document: &RawDocument, key: &str) -> Option<f64> {
    get(document, key)?.as_f64()
}

/// `ValueError: bad`, or `UF via_upstream`, followed by a gRPC status.
fn summary(error: &RawDocument) -> Option<String> {
    let mut words = Vec::new();
    if let Some(kind) = text(error, "type") {
        words.push(text(error, "message").map_or(kind.clone(), |text| format!("{kind}: {text}")));
    } else {
        words.extend(text(error, "message"));
    }
    if let Some(flags) = get(error, "flags").and_then(RawBsonRef::as_array) {
        let flags: Vec<_> = flags.into_iter().flatten().filter_map(RawBsonRef::as_str).collect();
        words.extend((!flags.is_empty()).then(|| flags.join(",")));
    }
    words.extend(text(error, "details"));
    words.extend(whole(error, "grpc_status").map(|status| format!("grpc {status}")));
    let mut summary = words.join(" ");
    summary.truncate(summary.floor_char_boundary(ERROR_BYTES));
    Some(summary).filter(|summary| !summary.is_empty())
}

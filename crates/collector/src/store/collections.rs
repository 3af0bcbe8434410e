//! The seven collections, and which of them each record goes to.

use gatelog_record::{Decoded, Level};
use serde_json::Value;

/// A record collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogCollection {
    /// `debug_logs`
    Debug,
    /// `info_logs`
    Info,
    /// `warning_logs`
    Warning,
    /// `error_logs`
    Error,
    /// `critical_logs`
    Critical,
    /// `audit_logs`: full copies of audited records of every level.
    Audit,
    /// `trace_logs`: a compact document of every record with a correlation id, a request id or a
    /// trace id.
    Trace,
}

impl LogCollection {
    /// All of them.
    pub const ALL: [LogCollection; 7] = [
        LogCollection::Debug,
        LogCollection::Info,
        LogCollection::Warning,
        LogCollection::Error,
        LogCollection::Critical,
        LogCollection::Audit,
        LogCollection::Trace,
    ];

    /// The collection's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            LogCollection::Debug => "debug_logs",
            LogCollection::Info => "info_logs",
            LogCollection::Warning => "warning_logs",
            LogCollection::Error => "error_logs",
            LogCollection::Critical => "critical_logs",
            LogCollection::Audit => "audit_logs",
            LogCollection::Trace => "trace_logs",
        }
    }

    /// The name without `_logs`, used in the configuration.
    pub fn short_name(self) -> &'static str {
        self.as_str().strip_suffix("_logs").unwrap_or(self.as_str())
    }

    /// The collection for a level.
    pub const fn of(level: Level) -> Self {
        match level {
            Level::Debug => LogCollection::Debug,
            Level::Info => LogCollection::Info,
            Level::Warning => LogCollection::Warning,
            Level::Error => LogCollection::Error,
            Level::Critical => LogCollection::Critical,
        }
    }

    /// The collections that a record goes to.
    pub fn of_record(record: &Decoded) -> impl Iterator<Item = Self> {
        [
            Some(LogCollection::of(record.level)),
            record.audit.then_some(LogCollection::Audit),
            belongs_to_a_flow(record).then_some(LogCollection::Trace),
        ]
        .into_iter()
        .flatten()
    }
}

/// Whether anything links the record to others. A gateway's always has a correlation id; an
/// application may know only the request, or the trace.
fn belongs_to_a_flow(record: &Decoded) -> bool {
    let known = |part: &str, key: &str| {
        let value = record.body.get(part).and_then(|part| part.get(key));
        value.and_then(Value::as_str).is_some_and(|id| !id.is_empty())
    };
    record.correlation_id.is_some() || known("context", "request_id") || known("trace", "trace_id")
}

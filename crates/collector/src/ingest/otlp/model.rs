//! The messages of OTLP logs, each a view of the bytes of a request. Source: opentelemetry-proto,
//! `common.proto`, `resource.proto`, `logs.proto`, `logs_service.proto`. Fields that are unknown, or
//! of another type, are ignored, as protobuf has it.

use std::borrow::Cow;

use super::wire::{Message, Wire};

/// `ExportLogsServiceRequest.resource_logs`, `ResourceLogs.scope_logs`, `ScopeLogs.log_records`.
pub(super) const RESOURCE_LOGS: u64 = 1;
pub(super) const SCOPE_LOGS: u64 = 2;
pub(super) const LOG_RECORDS: u64 = 2;
/// `ResourceLogs.resource` and `ScopeLogs.scope`.
pub(super) const RESOURCE: u64 = 1;
pub(super) const SCOPE: u64 = 1;
/// `attributes` of each.
pub(super) const RESOURCE_ATTRIBUTES: u64 = 1;
pub(super) const SCOPE_ATTRIBUTES: u64 = 3;
pub(super) const RECORD_ATTRIBUTES: u64 = 6;
/// `LogRecord.body` and `KeyValue.value`.
pub(super) const BODY: u64 = 5;
pub(super) const VALUE: u64 = 2;
/// `ArrayValue.values` and `KeyValueList.values`.
pub(super) const VALUES: u64 = 1;
/// `AnyValue.array_value` and `AnyValue.kvlist_value`.
pub(super) const ARRAY: u64 = 5;
pub(super) const KVLIST: u64 = 6;

/// A received text: what is not UTF-8 becomes U+FFFD.
pub(super) type Text<'a> = Cow<'a, str>;

fn text(bytes: &[u8]) -> Text<'_> {
    String::from_utf8_lossy(bytes)
}

/// `AnyValue`.
#[derive(Clone, Debug, Default)]
pub(super) enum AnyValue<'a> {
    /// None was set.
    #[default]
    Empty,
    Text(Text<'a>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Array(Message<'a>),
    Map(Message<'a>),
    Bytes(&'a [u8]),
}

impl<'a> AnyValue<'a> {
    /// If several are set, the last one counts.
    pub(super) fn of(message: Message<'a>) -> Self {
        message.fields().fold(Self::Empty, |found, field| match field {
            (1, Wire::Bytes(bytes)) => Self::Text(text(bytes)),
            (2, Wire::Varint(value)) => Self::Bool(value != 0),
            (3, Wire::Varint(value)) => Self::Int(value.cast_signed()),
            (4, Wire::Fixed64(bits)) => Self::Double(f64::from_bits(bits)),
            (ARRAY, Wire::Bytes(bytes)) => Self::Array(Message::new(bytes)),
            (KVLIST, Wire::Bytes(bytes)) => Self::Map(Message::new(bytes)),
            (7, Wire::Bytes(bytes)) => Self::Bytes(bytes),
            _ => found,
        })
    }

    /// The elements of an `ArrayValue`.
    pub(super) fn elements(array: Message<'a>) -> impl Iterator<Item = AnyValue<'a>> {
        array.messages(VALUES).map(AnyValue::of)
    }
}

/// `KeyValue`.
#[derive(Clone, Debug)]
pub(super) struct KeyValue<'a> {
    pub(super) key: Text<'a>,
    pub(super) value: AnyValue<'a>,
}

impl<'a> KeyValue<'a> {
    fn of(message: Message<'a>) -> Self {
        let mut pair = Self { key: Cow::Borrowed(""), value: AnyValue::Empty };
        for field in message.fields() {
            match field {
                (1, Wire::Bytes(bytes)) => pair.key = text(bytes),
                (VALUE, Wire::Bytes(bytes)) => pair.value = AnyValue::of(Message::new(bytes)),
                _ => {}
            }
        }
        pair
    }

    /// The pairs in one of a message's fields.
    pub(super) fn all(message: Message<'a>, number: u64) -> impl Iterator<Item = KeyValue<'a>> {
        message.messages(number).map(KeyValue::of)
    }
}

/// `ResourceLogs.resource` and `ScopeLogs.scope` of some log records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin<'a> {
    pub(super) resource: Message<'a>,
    pub(super) scope: Message<'a>,
}

impl<'a> Origin<'a> {
    pub(super) fn resource_attributes(self) -> impl Iterator<Item = KeyValue<'a>> {
        KeyValue::all(self.resource, RESOURCE_ATTRIBUTES)
    }

    pub(super) fn scope_attributes(self) -> impl Iterator<Item = KeyValue<'a>> {
        KeyValue::all(self.scope, SCOPE_ATTRIBUTES)
    }

    /// The scope's name and version; empty if unknown.
    pub(super) fn scope_name(self) -> (Text<'a>, Text<'a>) {
        let mut found = <(Text<'a>, Text<'a>)>::default();
        for field in self.scope.fields() {
            match field {
                (1, Wire::Bytes(bytes)) => found.0 = text(bytes),
                (2, Wire::Bytes(bytes)) => found.1 = text(bytes),
                _ => {}
            }
        }
        found
    }
}

/// `LogRecord`, without its attributes.
#[derive(Clone, Debug, Default)]
pub(super) struct LogRecord<'a> {
    pub(super) time_unix_nano: u64,
    pub(super) observed_time_unix_nano: u64,
    pub(super) severity_number: u64,
    pub(super) severity_text: Text<'a>,
    pub(super) body: AnyValue<'a>,
    pub(super) dropped_attributes_count: u64,
    pub(super) flags: u32,
    pub(super) trace_id: &'a [u8],
    pub(super) span_id: &'a [u8],
    pub(super) event_name: Text<'a>,
}

impl<'a> LogRecord<'a> {
    pub(super) fn of(message: Message<'a>) -> Self {
        let mut record = Self::default();
        for field in message.fields() {
            match field {
                (1, Wire::Fixed64(nanos)) => record.time_unix_nano = nanos,
                (2, Wire::Varint(number)) => record.severity_number = number,
                (3, Wire::Bytes(bytes)) => record.severity_text = text(bytes),
                (BODY, Wire::Bytes(bytes)) => record.body = AnyValue::of(Message::new(bytes)),
                (7, Wire::Varint(count)) => record.dropped_attributes_count = count,
                (8, Wire::Fixed32(flags)) => record.flags = flags,
                (9, Wire::Bytes(bytes)) => record.trace_id = bytes,
                (10, Wire::Bytes(bytes)) => record.span_id = bytes,
                (11, Wire::Fixed64(nanos)) => record.observed_time_unix_nano = nanos,
                (12, Wire::Bytes(bytes)) => record.event_name = text(bytes),
                _ => {}
            }
        }
        record
    }
}

//! The keys of OTLP/JSON, and the protobuf fields that they stand for. Source: opentelemetry-proto,
//! `common.proto`, `resource.proto`, `logs.proto`, `logs_service.proto`.

/// A message and its fields.
pub(super) struct Schema(pub(super) &'static [(&'static str, u64, Kind)]);

/// The type of a field.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Message(&'static Schema),
    Repeated(&'static Schema),
    Text,
    Hex,
    Base64,
    Bool,
    /// A number of variable length.
    Int,
    /// The same, or in the field of this number a double.
    IntOrDouble(u64),
    Fixed64,
    Fixed32,
    Double,
}

pub(super) static EXPORT: Schema = Schema(&[("resourceLogs", 1, Kind::Repeated(&RESOURCE_LOGS))]);
static RESOURCE_LOGS: Schema = Schema(&[
    ("resource", 1, Kind::Message(&RESOURCE)),
    ("scopeLogs", 2, Kind::Repeated(&SCOPE_LOGS)),
]);
static RESOURCE: Schema = Schema(&[("attributes", 1, Kind::Repeated(&KEY_VALUE))]);
static SCOPE_LOGS: Schema =
    Schema(&[("scope", 1, Kind::Message(&SCOPE)), ("logRecords", 2, Kind::Repeated(&LOG_RECORD))]);
static SCOPE: Schema = Schema(&[
    ("name", 1, Kind::Text),
    ("version", 2, Kind::Text),
    ("attributes", 3, Kind::Repeated(&KEY_VALUE)),
]);
static LOG_RECORD: Schema = Schema(&[
    ("timeUnixNano", 1, Kind::Fixed64),
    ("severityNumber", 2, Kind::Int),
    ("severityText", 3, Kind::Text),
    ("body", 5, Kind::Message(&ANY_VALUE)),
    ("attributes", 6, Kind::Repeated(&KEY_VALUE)),
    ("droppedAttributesCount", 7, Kind::Int),
    ("flags", 8, Kind::Fixed32),
    ("traceId", 9, Kind::Hex),
    ("spanId", 10, Kind::Hex),
    ("observedTimeUnixNano", 11, Kind::Fixed64),
    ("eventName", 12, Kind::Text),
]);
static KEY_VALUE: Schema =
    Schema(&[("key", 1, Kind::Text), ("value", 2, Kind::Message(&ANY_VALUE))]);
static ANY_VALUE: Schema = Schema(&[
    ("stringValue", 1, Kind::Text),
    ("boolValue", 2, Kind::Bool),
    ("intValue", 3, Kind::IntOrDouble(4)),
    ("doubleValue", 4, Kind::Double),
    ("arrayValue", 5, Kind::Message(&ARRAY_VALUE)),
    ("kvlistValue", 6, Kind::Message(&KV_LIST)),
    ("bytesValue", 7, Kind::Base64),
]);
static ARRAY_VALUE: Schema = Schema(&[("values", 1, Kind::Repeated(&ANY_VALUE))]);
static KV_LIST: Schema = Schema(&[("values", 1, Kind::Repeated(&KEY_VALUE))]);

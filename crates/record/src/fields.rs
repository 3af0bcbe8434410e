//! The shape of a record: every key that the format knows, in order, and the type of its
//! value. The decoder, the quick check and the encoder's tests all use this description;
//! docs/record.md is tested against the encoder.

use serde_json::Value;

/// The type of a value. Any key may be null, which is the same as absent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A string.
    Text,
    /// A string or an array of strings: a stack trace may be either.
    Lines,
    /// An array of strings.
    Texts,
    /// A boolean.
    Bool,
    /// A whole number.
    Int,
    /// A whole number, 0 or greater.
    Count,
    /// Any number, kept as a double.
    Double,
    /// RFC 3339: see [`Timestamp`](crate::Timestamp).
    Timestamp,
    /// The name of a [`Level`](crate::Level).
    Level,
    /// The record's own UUID.
    Id,
    /// The UUID of a boot.
    Boot,
    /// `success` or `error`.
    Status,
    /// One of the five ids: a string, or a whole number that is converted to text.
    ContextId,
    /// A number greater than 0.
    Weight,
    /// A name of at most [`GATEWAY_BYTES`](crate::limits::GATEWAY_BYTES).
    Gateway,
    /// A whole number, 1 or greater.
    Seq,
    /// An object with the described keys.
    Object(&'static [Field]),
    /// An object with any keys.
    Map,
}

impl Kind {
    /// The type in words, for error messages.
    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Kind::Text
            | Kind::Timestamp
            | Kind::Level
            | Kind::Id
            | Kind::Boot
            | Kind::Status
            | Kind::Gateway => "a string",
            Kind::Lines => "a string or an array of strings",
            Kind::Texts => "an array of strings",
            Kind::Bool => "true or false",
            Kind::Int => "a whole number",
            Kind::Count | Kind::Seq => "a whole number from 0",
            Kind::Double | Kind::Weight => "a number",
            Kind::ContextId => "a string or null",
            Kind::Object(_) | Kind::Map => "an object",
        }
    }

    /// Whether a value has the type; the decoder checks its content.
    pub(crate) fn fits(self, value: &Value) -> bool {
        match self {
            Kind::Text
            | Kind::Timestamp
            | Kind::Level
            | Kind::Id
            | Kind::Boot
            | Kind::Status
            | Kind::Gateway => value.is_string(),
            Kind::Lines => value.is_string() || Kind::Texts.fits(value),
            Kind::Texts => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            Kind::Bool => value.is_boolean(),
            Kind::Int => value.is_i64(),
            Kind::Count | Kind::Seq => value.is_u64(),
            Kind::Double | Kind::Weight => value.is_number(),
            Kind::ContextId => value.is_string() || value.is_i64() || value.is_u64(),
            Kind::Object(_) | Kind::Map => value.is_object(),
        }
    }
}

/// One key of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

const fn field(key: &'static str, kind: Kind) -> Field {
    Field { key, kind, required: false }
}

const fn required(key: &'static str, kind: Kind) -> Field {
    Field { key, kind, required: true }
}

pub(crate) const RECORD: &[Field] = &[
    required("timestamp", Kind::Timestamp),
    required("level", Kind::Level),
    field("logger_name", Kind::Text),
    field("function_name", Kind::Text),
    field("line_number", Kind::Int),
    required("message", Kind::Text),
    field("context", Kind::Object(CONTEXT)),
    field("trace", Kind::Object(TRACE)),
    field("http", Kind::Object(HTTP)),
    field("error", Kind::Object(ERROR)),
    field("audit", Kind::Bool),
    field("sampling", Kind::Object(SAMPLING)),
    field("extra", Kind::Map),
    field("id", Kind::Id),
    field("source", Kind::Object(SOURCE)),
];

pub(crate) const CONTEXT: &[Field] = &[
    field("request_id", Kind::ContextId),
    field("correlation_id", Kind::ContextId),
    field("organization_id", Kind::ContextId),
    field("user_id", Kind::ContextId),
    field("conversation_id", Kind::ContextId),
    field("client_request_id", Kind::Text),
    field("client_correlation_id", Kind::Text),
];

pub(crate) const TRACE: &[Field] = &[
    field("execution_time_ms", Kind::Double),
    field("status", Kind::Status),
    field("slow", Kind::Bool),
    field("trace_id", Kind::Text),
    field("span_id", Kind::Text),
    field("parent_span_id", Kind::Text),
    field("upstream_ms", Kind::Double),
    field("metrics", Kind::Map),
    field("phases", Kind::Map),
];

pub(crate) const HTTP: &[Field] = &[
    field("method", Kind::Text),
    field("scheme", Kind::Text),
    field("host", Kind::Text),
    field("path", Kind::Text),
    field("query", Kind::Text),
    field("status", Kind::Count),
    field("protocol", Kind::Text),
    field("user_agent", Kind::Text),
    field("client_ip", Kind::Text),
    field("route", Kind::Text),
    field("cluster", Kind::Text),
    field("upstream", Kind::Text),
    field("attempts", Kind::Count),
    field("request_bytes", Kind::Count),
    field("response_bytes", Kind::Count),
    field("request_headers", Kind::Map),
    field("response_headers", Kind::Map),
];

pub(crate) const ERROR: &[Field] = &[
    field("details", Kind::Text),
    field("flags", Kind::Texts),
    field("transport_failure", Kind::Text),
    field("grpc_status", Kind::Count),
    field("type", Kind::Text),
    field("message", Kind::Text),
    field("stack_trace", Kind::Lines),
];

pub(crate) const SAMPLING: &[Field] = &[field("weight", Kind::Weight)];

pub(crate) const SOURCE: &[Field] =
    &[required("gateway", Kind::Gateway), required("boot", Kind::Boot), required("seq", Kind::Seq)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_described_twice_and_every_object_fits_the_quick_checks_mask() {
        for fields in [RECORD, CONTEXT, TRACE, HTTP, ERROR, SAMPLING, SOURCE] {
            assert!(fields.len() <= 32, "{}", fields.len());
            for (at, field) in fields.iter().enumerate() {
                assert!(!fields[..at].iter().any(|other| other.key == field.key), "{}", field.key);
            }
        }
    }
}

//! A record as BSON: in full for its level's collection and the audit trail, and in compact form
//! for its flow. Plain values only: an object in a record is stored as that object, whatever it
//! looks like, and never interpreted as extended JSON.

use std::fmt;

use gatelog_record::Decoded;
use mongodb::bson::raw::{CStr, cstr};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{DateTime, RawArrayBuf, RawBinaryRef, RawBson, RawBsonRef, RawDocumentBuf};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Maximum size of a document in bytes. Source: MongoDB's limits, "BSON Document Size".
const DOCUMENT_BYTES: usize = 16 * 1024 * 1024;

/// Maximum bytes of a potentially long string in a compact document.
const SUMMARY_BYTES: usize = 256;

/// A record that does not fit into any document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DocumentError {
    NulInKey,
    TooLarge { bytes: usize },
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DocumentError::NulInKey => f.write_str("a key contains U+0000, which BSON cannot hold"),
            DocumentError::TooLarge { bytes } => {
                write!(f, "document of {bytes} bytes: limit is {DOCUMENT_BYTES}")
            }
        }
    }
}

/// The key of the mark of the row that inserted a document.
pub(super) const ROW: &CStr = cstr!("row");

/// The full record. `id` becomes `_id`; `created_at` repeats `timestamp` as a date; `mark` names the
/// row that inserts it.
pub(super) fn whole(
    record: &Decoded,
    expires_at: Option<DateTime>,
    mark: Option<i64>,
) -> Result<RawDocumentBuf, DocumentError> {
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), uuid(&record.id));
    for (key, value) in &record.body {
        if key != "id" {
            document.append(key_of(key)?, bson(value)?);
        }
    }
    if let Some(mark) = mark {
        document.append(ROW, mark);
    }
    finish(document, record, expires_at)
}

/// What is needed to draw a flow: when, how long, what, how it ended, and the ids that link it.
pub(super) fn compact(
    record: &Decoded,
    expires_at: Option<DateTime>,
) -> Result<RawDocumentBuf, DocumentError> {
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), uuid(&record.id));
    for key in ["timestamp", "level", "logger_name", "function_name"] {
        append_summary(&mut document, key, record.body.get(key))?;
    }
    // A gateway record's message only repeats what `http` says.
    if !record.body.contains_key("http") {
        append_summary(&mut document, "message", record.body.get("message"))?;
    }
    let traced = named_by_trace(record);
    append_part(
        &mut document,
        traced.as_ref().unwrap_or(&record.body),
        "context",
        &["request_id", "correlation_id", "organization_id", "user_id", "conversation_id"],
    )?;
    append_part(
        &mut document,
        &record.body,
        "trace",
        &[
            "execution_time_ms",
            "status",
            "slow",
            "trace_id",
            "span_id",
            "parent_span_id",
            "upstream_ms",
        ],
    )?;
    append_part(&mut document, &record.body, "http", &["method", "path", "status", "route"])?;
    append_part(
        &mut document,
        &record.body,
        "error",
        &["details", "flags", "grpc_status", "type", "message"],
    )?;
    finish(document, record, expires_at)
}

/// The context of an application's record that knows only its trace: its flow is then found by the
/// trace id.
fn named_by_trace(record: &Decoded) -> Option<Map<String, Value>> {
    let trace_id = record.body.get("trace")?.get("trace_id")?.as_str()?;
    if record.correlation_id.is_some() || trace_id.is_empty() {
        return None;
    }
    let context = record.body.get("context").and_then(Value::as_object);
    let mut context = context.cloned().unwrap_or_default();
    context.insert("correlation_id".to_owned(), trace_id.into());
    Some(Map::from_iter([("context".to_owned(), context.into())]))
}

fn finish(
    mut document: RawDocumentBuf,
    record: &Decoded,
    expires_at: Option<DateTime>,
) -> Result<RawDocumentBuf, DocumentError> {
    document.append(cstr!("created_at"), DateTime::from_millis(record.timestamp.unix_millis()));
    if let Some(expires_at) = expires_at {
        document.append(cstr!("expires_at"), expires_at);
    }
    let bytes = document.as_bytes().len();
    if bytes > DOCUMENT_BYTES {
        return Err(DocumentError::TooLarge { bytes });
    }
    Ok(document)
}

/// Copies some keys of one of the record's objects, if present; long strings are shortened.
fn append_part(
    document: &mut RawDocumentBuf,
    body: &Map<String, Value>,
    part: &str,
    keys: &[&str],
) -> Result<(), DocumentError> {
    let Some(object) = body.get(part).and_then(Value::as_object) else {
        return Ok(());
    };
    let mut compact = RawDocumentBuf::new();
    for key in keys {
        append_summary(&mut compact, key, object.get(*key))?;
    }
    if !compact.is_empty() {
        document.append(key_of(part)?, compact);
    }
    Ok(())
}

fn append_summary(
    document: &mut RawDocumentBuf,
    key: &str,
    value: Option<&Value>,
) -> Result<(), DocumentError> {
    match value {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => {
            // An id must stay whole; otherwise it would link nothing.
            let text = if key.ends_with("_id") { text } else { shortened(text) };
            document.append(key_of(key)?, text);
        }
        Some(Value::Array(values)) => {
            let mut array = RawArrayBuf::new();
            for value in values {
                match value {
                    Value::String(text) => array.push(shortened(text)),
                    value => array.push(bson(value)?),
                }
            }
            document.append(key_of(key)?, array);
        }
        Some(value) => document.append(key_of(key)?, bson(value)?),
    }
    Ok(())
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(SUMMARY_BYTES)).unwrap_or_default()
}

fn uuid(id: &Uuid) -> RawBsonRef<'_> {
    RawBsonRef::Binary(RawBinaryRef { subtype: BinarySubtype::Uuid, bytes: id.as_bytes() })
}

fn key_of(key: &str) -> Result<&CStr, DocumentError> {
    <&CStr>::try_from(key).map_err(|_| DocumentError::NulInKey)
}

/// Converts a plain value. Its nesting was bounded when the record was read.
fn bson(value: &Value) -> Result<RawBson, DocumentError> {
    Ok(match value {
        Value::Null => RawBson::Null,
        Value::Bool(value) => RawBson::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => i32::try_from(whole).map_or(RawBson::Int64(whole), RawBson::Int32),
            None => RawBson::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => RawBson::String(text.clone()),
        Value::Array(values) => {
            let mut array = RawArrayBuf::new();
            for value in values {
                array.push(bson(value)?);
            }
            RawBson::Array(array)
        }
        Value::Object(object) => {
            let mut document = RawDocumentBuf::new();
            for (key, value) in object {
                document.append(key_of(key)?, bson(value)?);
            }
            RawBson::Document(document)
        }
    })
}

//! Checks a record against the format's [fields](crate::fields) and brings it into canonical form.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{DecodeError, DecodeErrorKind, Decoded, OwnedSource};
use crate::fields::{CONTEXT, ERROR, Field, HTTP, Kind, RECORD, SAMPLING, SOURCE, TRACE};
use crate::limits::{GATEWAY_BYTES, SEQ_MAX};
use crate::{Level, Timestamp};

/// Checks a record and brings it into canonical form.
pub(super) fn check(value: Value, id_if_absent: Uuid) -> Result<Decoded, DecodeError> {
    let Value::Object(record) = value else {
        return Err(wrong("record", "an object", &value));
    };
    check_keys(&record)?;
    let (mut known, unknown): (Map<_, _>, Map<_, _>) =
        record.into_iter().partition(|(key, _)| RECORD.iter().any(|field| field.key == key));

    let timestamp = timestamp(&required(&mut known, "timestamp", Kind::Text)?)?;
    let level = level(&required(&mut known, "level", Kind::Text)?)?;
    let mut body = Map::new();
    body.insert("timestamp".into(), timestamp.to_string().into());
    body.insert("level".into(), level.as_str().into());
    for (key, kind) in
        [("logger_name", Kind::Text), ("function_name", Kind::Text), ("line_number", Kind::Int)]
    {
        body.insert(key.into(), optional(&mut known, key, kind)?.unwrap_or(Value::Null));
    }
    body.insert("message".into(), required(&mut known, "message", Kind::Text)?);

    let context = context(object(&mut known, "context")?.unwrap_or_default())?;
    let correlation_id = context.get("correlation_id").and_then(Value::as_str).map(str::to_owned);
    body.insert("context".into(), context.into());
    if let Some(trace) = object(&mut known, "trace")? {
        body.insert("trace".into(), status_checked(typed("trace", trace, TRACE)?)?.into());
    }
    for (key, table) in [("http", HTTP), ("error", ERROR)] {
        if let Some(part) = object(&mut known, key)? {
            body.insert(key.into(), typed(key, part, table)?.into());
        }
    }
    let audit = optional(&mut known, "audit", Kind::Bool)? == Some(Value::Bool(true));
    if audit {
        body.insert("audit".into(), true.into());
    }
    if let Some(sampling) = object(&mut known, "sampling")? {
        body.insert("sampling".into(), weight_checked(sampling)?.into());
    }
    let extra = with_unknown(object(&mut known, "extra")?.unwrap_or_default(), unknown);
    if !extra.is_empty() {
        body.insert("extra".into(), extra.into());
    }
    let id = match optional(&mut known, "id", Kind::Text)? {
        Some(text) => uuid("id", &text)?,
        None => id_if_absent,
    };
    body.insert("id".into(), id.to_string().into());
    let source = object(&mut known, "source")?.map(source).transpose()?;
    if let Some((_, canonical)) = &source {
        body.insert("source".into(), canonical.clone().into());
    }
    let source = source.map(|(source, _)| source);
    Ok(Decoded { id, level, timestamp, audit, correlation_id, source, body })
}

/// Rejects U+0000 in any key. The nesting is already bounded.
fn check_keys(object: &Map<String, Value>) -> Result<(), DecodeError> {
    fn check_value(value: &Value) -> Result<(), DecodeError> {
        match value {
            Value::Object(object) => check_keys(object),
            Value::Array(values) => values.iter().try_for_each(check_value),
            _ => Ok(()),
        }
    }
    if object.keys().any(|key| key.contains('\0')) {
        return Err(DecodeError::new(
            DecodeErrorKind::NulInKey,
            "a key contains U+0000, which BSON cannot hold",
        ));
    }
    object.values().try_for_each(check_value)
}

fn wrong(place: &str, expected: &str, found: &Value) -> DecodeError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    DecodeError::new(
        DecodeErrorKind::WrongShape,
        format!("{place}: must be {expected}, found {found}"),
    )
}

fn impossible(place: &str, rule: impl std::fmt::Display) -> DecodeError {
    DecodeError::new(DecodeErrorKind::WrongShape, format!("{place}: {rule}"))
}

/// A part that may be missing or null.
fn optional(
    known: &mut Map<String, Value>,
    key: &str,
    kind: Kind,
) -> Result<Option<Value>, DecodeError> {
    match known.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) if kind.fits(&value) => Ok(Some(value)),
        Some(value) => Err(wrong(key, kind.expected(), &value)),
    }
}

fn required(known: &mut Map<String, Value>, key: &str, kind: Kind) -> Result<Value, DecodeError> {
    optional(known, key, kind)?.ok_or_else(|| impossible(key, "missing"))
}

fn object(
    known: &mut Map<String, Value>,
    key: &str,
) -> Result<Option<Map<String, Value>>, DecodeError> {
    match optional(known, key, Kind::Map)? {
        Some(Value::Object(object)) => Ok(Some(object)),
        _ => Ok(None),
    }
}

/// Checks an object's keys against its fields, in their original order; null keys are left out,
/// unknown keys are kept.
fn typed(
    place: &str,
    object: Map<String, Value>,
    fields: &[Field],
) -> Result<Map<String, Value>, DecodeError> {
    let mut checked = Map::new();
    for (key, value) in object {
        let Some(Field { kind, .. }) = fields.iter().find(|field| field.key == key) else {
            checked.insert(key, value);
            continue;
        };
        match (kind, &value) {
            (_, Value::Null) => {}
            (Kind::Double | Kind::Weight, Value::Number(number)) => {
                checked.insert(key, number.as_f64().into());
            }
            _ if kind.fits(&value) => {
                checked.insert(key, value);
            }
            _ => return Err(wrong(&format!("{place}.{key}"), kind.expected(), &value)),
        }
    }
    Ok(checked)
}

fn timestamp(text: &Value) -> Result<Timestamp, DecodeError> {
    Timestamp::parse(text.as_str().unwrap_or_default())
        .map_err(|error| impossible("timestamp", error))
}

fn level(text: &Value) -> Result<Level, DecodeError> {
    text.as_str()
        .unwrap_or_default()
        .parse()
        .map_err(|_| impossible("level", "must be DEBUG, INFO, WARNING, ERROR or CRITICAL"))
}

fn uuid(place: &str, text: &Value) -> Result<Uuid, DecodeError> {
    text.as_str()
        .and_then(|text| Uuid::try_parse(text).ok())
        .ok_or_else(|| impossible(place, "must be a UUID"))
}

/// The five ids first, in their order: each a string, or null if unknown or empty. A whole number,
/// which many applications use as a user id, becomes text, so that every query compares text.
fn context(object: Map<String, Value>) -> Result<Map<String, Value>, DecodeError> {
    let mut given = typed("context", object, CONTEXT)?;
    let mut context = Map::new();
    let ids = || CONTEXT.iter().filter(|field| matches!(field.kind, Kind::ContextId));
    for Field { key, .. } in ids() {
        let id = match given.get_mut(*key).map_or(Value::Null, Value::take) {
            Value::String(text) if text.is_empty() => Value::Null,
            Value::Number(number) => number.to_string().into(),
            id => id,
        };
        context.insert((*key).into(), id);
    }
    context.extend(given.into_iter().filter(|(key, _)| !ids().any(|field| field.key == key)));
    Ok(context)
}

fn status_checked(trace: Map<String, Value>) -> Result<Map<String, Value>, DecodeError> {
    match trace.get("status").and_then(Value::as_str) {
        None | Some("success" | "error") => Ok(trace),
        Some(_) => Err(impossible("trace.status", "must be \"success\" or \"error\"")),
    }
}

fn weight_checked(sampling: Map<String, Value>) -> Result<Map<String, Value>, DecodeError> {
    let sampling = typed("sampling", sampling, SAMPLING)?;
    match sampling.get("weight").and_then(Value::as_f64) {
        Some(weight) if weight <= 0.0 => Err(impossible("sampling.weight", "must be above 0")),
        _ => Ok(sampling),
    }
}

/// Adds the top-level keys that the format does not know. One whose name is taken gets
/// underscores until it is free, so that neither value is lost.
fn with_unknown(mut extra: Map<String, Value>, unknown: Map<String, Value>) -> Map<String, Value> {
    for (mut key, value) in unknown {
        while extra.contains_key(&key) {
            key.push('_');
        }
        extra.insert(key, value);
    }
    extra
}

fn source(object: Map<String, Value>) -> Result<(OwnedSource, Map<String, Value>), DecodeError> {
    let mut given = typed("source", object, SOURCE)?;
    let missing = |key: &str| impossible(&format!("source.{key}"), "missing");
    let boot = uuid("source.boot", given.get("boot").ok_or_else(|| missing("boot"))?)?;
    given.insert("boot".into(), boot.to_string().into());
    let gateway = given.get("gateway").and_then(Value::as_str).ok_or_else(|| missing("gateway"))?;
    if gateway.len() > GATEWAY_BYTES {
        let found = gateway.len();
        let rule = format!("must be at most {GATEWAY_BYTES} bytes, found {found}");
        return Err(impossible("source.gateway", rule));
    }
    let seq = given.get("seq").and_then(Value::as_u64).ok_or_else(|| missing("seq"))?;
    if seq == 0 {
        return Err(impossible("source.seq", "must be at least 1"));
    }
    if seq > SEQ_MAX {
        let rule = format!("must be at most {SEQ_MAX}, found {seq}");
        return Err(impossible("source.seq", rule));
    }
    Ok((OwnedSource { gateway: gateway.to_owned(), boot, seq }, given))
}

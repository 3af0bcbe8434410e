//! Encodes the record of a service's event.

use std::borrow::Cow;

use super::{EncodeError, Encoded, Encoder, count_left_out, write_context, write_source};
use super::{write_text, write_uuid};
use crate::json::Json;
use crate::limits::{PAIRS, TIGHT_STACK_LINES, TIGHT_VALUE_BYTES};
use crate::record::Status;
use crate::service::{ServiceError, ServiceRecord, ServiceTrace, Value};

impl Encoder {
    /// Appends a service's record, without a line feed; `extra` are its fields under `extra`, in
    /// order. On an error nothing is appended.
    ///
    /// ```
    /// use gatelog_record::{
    ///     Context, DecodeLimits, Encoder, Level, ServiceRecord, ServiceTrace, Source, Timestamp,
    ///     Uuid, Value, decode_record,
    /// };
    ///
    /// let record = ServiceRecord {
    ///     timestamp: Timestamp::parse("2026-01-26T02:11:57Z")?,
    ///     level: Level::Warning,
    ///     logger_name: "orders::stock",
    ///     function_name: Some("reserve"),
    ///     line_number: Some(42),
    ///     message: "stock is low",
    ///     context: Context { correlation_id: Some("corr_456"), ..Context::default() },
    ///     trace: ServiceTrace::default(),
    ///     error: None,
    ///     audit: false,
    ///     id: Uuid::from_u128(1),
    ///     source: Source { gateway: "orders", boot: Uuid::from_u128(2), seq: 1 },
    /// };
    /// let mut line = Vec::new();
    /// Encoder::default().encode_service(&record, [("left", Value::Int(3))].into_iter(), &mut line)?;
    /// let decoded = decode_record(&line, &DecodeLimits::default(), Uuid::nil())?;
    /// assert_eq!(decoded.body["extra"]["left"], 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encode_service<'v>(
        &self,
        record: &ServiceRecord<'_>,
        extra: impl Iterator<Item = (&'v str, Value<'v>)> + Clone,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, EncodeError> {
        let start = out.len();
        let values_cut = write(record, Some(extra), self.limits.value_bytes, out);
        if self.fits(start, out) {
            return Ok(Encoded { values_cut, shortened: false });
        }
        out.truncate(start);
        let tight = self.limits.value_bytes.min(TIGHT_VALUE_BYTES);
        let values_cut = write(record, None::<std::iter::Empty<_>>, tight, out);
        if self.fits(start, out) {
            return Ok(Encoded { values_cut, shortened: true });
        }
        let length = out.len().saturating_sub(start);
        out.truncate(start);
        Err(EncodeError { length, limit: self.limits.record_bytes })
    }
}

/// Writes the whole record, or, without `extra`, a shortened one.
fn write<'v>(
    record: &ServiceRecord<'_>,
    extra: Option<impl Iterator<Item = (&'v str, Value<'v>)>>,
    value_bytes: usize,
    out: &mut Vec<u8>,
) -> u32 {
    let short = extra.is_none();
    let mut json = Json::new(out, value_bytes);
    json.open();
    json.key("timestamp");
    json.plain(&record.timestamp.text());
    json.key("level");
    json.plain(record.level.as_str().as_bytes());
    json.key("logger_name");
    json.string(record.logger_name);
    json.key("function_name");
    match record.function_name {
        Some(name) => json.string(name),
        None => json.null(),
    }
    json.key("line_number");
    match record.line_number {
        Some(line) => json.uint(line.into()),
        None => json.null(),
    }
    json.key("message");
    json.string(record.message);
    write_context(&mut json, &record.context);
    if !record.trace.is_empty() {
        write_trace(&mut json, &record.trace, short);
    }
    if let Some(error) = &record.error {
        write_error(&mut json, error, short);
    }
    if record.audit {
        json.key("audit");
        json.bool(true);
    }
    if let Some(extra) = extra {
        write_extra(&mut json, extra);
    }
    json.key("id");
    write_uuid(&mut json, record.id);
    write_source(&mut json, &record.source);
    json.close();
    json.cut
}

fn write_trace(json: &mut Json<'_>, trace: &ServiceTrace<'_>, short: bool) {
    json.key("trace");
    json.open();
    if let Some(micros) = trace.execution_time_us {
        json.key("execution_time_ms");
        json.millis(micros);
    }
    if let Some(status) = trace.status {
        json.key("status");
        json.plain(match status {
            Status::Success => b"success",
            Status::Error => b"error",
        });
    }
    write_text(json, "trace_id", trace.trace_id);
    write_text(json, "span_id", trace.span_id);
    write_text(json, "parent_span_id", trace.parent_span_id);
    if !short && !trace.metrics.is_empty() {
        json.key("metrics");
        json.open();
        for (name, value) in trace.metrics.iter().take(PAIRS) {
            json.any_key(&metric_name(name));
            json.float(*value);
        }
        json.close();
        count_left_out(json, trace.metrics.len());
    }
    json.close();
}

fn write_error(json: &mut Json<'_>, error: &ServiceError<'_>, short: bool) {
    json.key("error");
    json.open();
    write_text(json, "type", error.kind);
    write_text(json, "message", error.message);
    if !error.stack_trace.is_empty() {
        let most = if short { TIGHT_STACK_LINES } else { PAIRS };
        json.key("stack_trace");
        json.raw(b"[");
        for line in error.stack_trace.iter().take(most) {
            json.element(line);
        }
        json.raw(b"]");
        let left_out = error.stack_trace.len().saturating_sub(most);
        json.cut = json.cut.saturating_add(u32::try_from(left_out).unwrap_or(u32::MAX));
    }
    json.close();
}

/// Writes the first [`PAIRS`] fields.
fn write_extra<'v>(json: &mut Json<'_>, extra: impl Iterator<Item = (&'v str, Value<'v>)>) {
    let mut written = 0_usize;
    for (name, value) in extra {
        if written >= PAIRS {
            json.cut = json.cut.saturating_add(1);
            continue;
        }
        if written == 0 {
            json.key("extra");
            json.open();
        }
        written = written.saturating_add(1);
        json.any_key(&storable(name));
        match value {
            Value::Text(text) => json.string(text),
            Value::Int(number) => json.int(number),
            // BSON has no larger whole number.
            Value::Uint(number) if i64::try_from(number).is_err() => {
                json.plain(number.to_string().as_bytes());
            }
            Value::Uint(number) => json.uint(number),
            Value::Float(number) => json.float(number),
            Value::Bool(value) => json.bool(value),
        }
    }
    if written > 0 {
        json.close();
    }
}

/// A name without U+0000, which no key in MongoDB can have.
fn storable(name: &str) -> Cow<'_, str> {
    if name.contains('\0') { name.replace('\0', "_").into() } else { name.into() }
}

/// A metric's name: as of the gateway's metrics, dots and a leading `$`, which MongoDB's queries give a meaning,
/// become `_`.
fn metric_name(name: &str) -> Cow<'_, str> {
    let name = storable(name);
    if !name.contains('.') && !name.starts_with('$') {
        return name;
    }
    let dotless = name.replace('.', "_");
    match dotless.strip_prefix('$') {
        Some(rest) => Cow::Owned(format!("_{rest}")),
        None => Cow::Owned(dotless),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use uuid::Uuid;

    use super::*;
    use crate::fields::{Field, Kind, RECORD};
    use crate::limits::{RECORD_BYTES_MIN, VALUE_BYTES_MIN};
    use crate::{Context, DecodeLimits, Level, RecordLimits, Source, Timestamp, decode_record};

    const EXTRA: [(&str, Value<'_>); 6] = [
        ("text", Value::Text("a")),
        ("int", Value::Int(-3)),
        ("least", Value::Int(i64::MIN)),
        ("uint", Value::Uint(u64::MAX)),
        ("float", Value::Float(1.5)),
        ("bool", Value::Bool(true)),
    ];

    fn full<'a>(text: &'a str, stack_trace: &'a [String]) -> ServiceRecord<'a> {
        let some = Some(text);
        ServiceRecord {
            timestamp: Timestamp::from_unix_micros(1_769_393_517_469_652),
            level: Level::Error,
            logger_name: text,
            function_name: some,
            line_number: Some(42),
            message: text,
            context: Context {
                request_id: some,
                correlation_id: some,
                organization_id: some,
                user_id: some,
                conversation_id: some,
                ..Context::default()
            },
            trace: ServiceTrace {
                execution_time_us: Some(1_500),
                status: Some(Status::Error),
                trace_id: some,
                span_id: some,
                parent_span_id: some,
                metrics: &[("nodes", 5.0)],
            },
            error: Some(ServiceError { kind: some, message: some, stack_trace }),
            audit: true,
            id: Uuid::from_u128(1),
            source: Source { gateway: "orders", boot: Uuid::from_u128(7), seq: 42 },
        }
    }

    fn in_order(fields: &[Field], object: &serde_json::Map<String, serde_json::Value>) {
        let known = fields.iter().map(|field| field.key);
        let expected: Vec<_> = known.filter(|key| object.contains_key(*key)).collect();
        assert_eq!(object.keys().map(String::as_str).collect::<Vec<_>>(), expected);
        for field in fields {
            let Some(value) = object.get(field.key) else { continue };
            assert!(field.kind.fits(value), "{}: {value}", field.key);
            if let Kind::Object(fields) = field.kind {
                in_order(fields, value.as_object().unwrap());
            }
        }
    }

    #[test]
    fn every_field_has_its_place_and_the_decoder_reads_it_as_it_is() {
        let stack = ["caused by: refused".to_owned(), "in reserve".to_owned()];
        let mut line = Vec::new();
        let record = full("x", &stack);
        let encoded =
            Encoder::default().encode_service(&record, EXTRA.into_iter(), &mut line).unwrap();
        assert_eq!(encoded, Encoded::default());
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        in_order(RECORD, value.as_object().unwrap());
        assert_eq!(value["extra"]["least"], i64::MIN);
        assert_eq!(value["extra"]["uint"], u64::MAX.to_string());
        let decoded = decode_record(&line, &DecodeLimits::default(), Uuid::nil()).unwrap();
        assert_eq!(decoded.id, record.id);
        assert_eq!(decoded.source.unwrap().seq, 42);
    }

    #[test]
    fn names_are_such_as_the_database_takes() {
        let mut record = full("x", &[]);
        record.trace.metrics = &[("a.b", 1.0), ("$c", 2.0), ("d\0", 3.0)];
        let extra = [("a.b", Value::Int(1)), ("c\0d", Value::Int(2))];
        let mut line = Vec::new();
        Encoder::default().encode_service(&record, extra.into_iter(), &mut line).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        let metrics = serde_json::json!({"a_b": 1.0, "_c": 2.0, "d_": 3.0});
        assert_eq!(value["trace"]["metrics"], metrics);
        assert_eq!(value["extra"], serde_json::json!({"a.b": 1, "c_d": 2}));
        decode_record(&line, &DecodeLimits::default(), Uuid::nil()).unwrap();
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let mut least = full("x", &[]);
        (least.function_name, least.line_number) = (None, None);
        least.trace = ServiceTrace::default();
        (least.error, least.audit) = (None, false);
        let mut line = Vec::new();
        Encoder::default().encode_service(&least, EXTRA.into_iter().take(0), &mut line).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        for key in ["trace", "error", "audit", "extra", "http"] {
            assert!(value.get(key).is_none(), "{key}");
        }
        assert!(value["function_name"].is_null() && value["line_number"].is_null());
    }

    #[test]
    fn a_record_past_its_bound_is_shortened_and_always_fits() {
        let long = "\u{1}".repeat(100_000);
        let stack = vec![long.clone(); 1_000];
        let extra = std::iter::repeat_n((long.as_str(), Value::Text(&long)), 1_000);
        let limits = RecordLimits { record_bytes: RECORD_BYTES_MIN, value_bytes: VALUE_BYTES_MIN };
        let mut record = full(&long, &stack);
        record.source.gateway = &long;
        let mut line = Vec::new();
        let encoded = Encoder::new(limits).encode_service(&record, extra, &mut line).unwrap();
        assert!(encoded.shortened && line.len() <= RECORD_BYTES_MIN, "{}", line.len());
        serde_json::from_slice::<serde_json::Value>(&line).unwrap();
    }
}

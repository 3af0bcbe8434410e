//! Encodes a record as one JSON line, keys in a fixed order, within its bounds.

mod service;

use std::fmt;

use uuid::Uuid;

use crate::json::Json;
use crate::limits::{PAIRS, RecordLimits, TIGHT_VALUE_BYTES};
use crate::record::{Context, ErrorDetails, Http, Pairs, Record, Source, Status, Trace};

/// Encodes records within bounds and holds no state between them. The crate's documentation has an
/// example.
#[derive(Clone, Copy, Debug, Default)]
pub struct Encoder {
    limits: RecordLimits,
}

/// What was cut from one record to keep its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Values that were cut and marked, and pairs left out past [`PAIRS`].
    pub values_cut: u32,
    /// Whether the record exceeded its bound and was encoded again with its headers,
    /// metrics and extra fields left out and its values cut short.
    pub shortened: bool,
}

/// A record that does not fit its bound even when shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeError {
    /// Encoded length of the shortened record, in bytes.
    pub length: usize,
    /// The bound, in bytes.
    pub limit: usize,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "record too large: shortened length is {} bytes, limit is {}",
            self.length, self.limit
        )
    }
}

impl std::error::Error for EncodeError {}

impl Encoder {
    /// An encoder with these bounds.
    pub const fn new(limits: RecordLimits) -> Self {
        Self { limits }
    }

    /// Appends the record's line, without a line feed. On an error nothing is appended.
    pub fn encode(&self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
        let start = out.len();
        let values_cut = write_record(record, self.limits.value_bytes, false, out);
        if self.fits(start, out) {
            return Ok(Encoded { values_cut, shortened: false });
        }
        out.truncate(start);
        let tight = self.limits.value_bytes.min(TIGHT_VALUE_BYTES);
        let values_cut = write_record(record, tight, true, out);
        if self.fits(start, out) {
            return Ok(Encoded { values_cut, shortened: true });
        }
        let length = out.len().saturating_sub(start);
        out.truncate(start);
        Err(EncodeError { length, limit: self.limits.record_bytes })
    }

    fn fits(&self, start: usize, out: &[u8]) -> bool {
        out.len().saturating_sub(start) <= self.limits.record_bytes
    }
}

fn write_record(record: &Record<'_>, value_bytes: usize, short: bool, out: &mut Vec<u8>) -> u32 {
    let mut json = Json::new(out, value_bytes);
    json.open();
    json.key("timestamp");
    json.plain(&record.timestamp.text());
    json.key("level");
    json.plain(record.level.as_str().as_bytes());
    json.key("logger_name");
    json.string(record.logger_name);
    json.key("function_name");
    json.string(record.function_name);
    json.key("line_number");
    json.null();
    json.key("message");
    json.string(record.message);
    write_context(&mut json, &record.context);
    write_trace(&mut json, &record.trace, short);
    write_http(&mut json, &record.http, short);
    if let Some(error) = &record.error {
        write_error(&mut json, error);
    }
    if record.audit {
        json.key("audit");
        json.bool(true);
    }
    if let Some(weight) = record.weight {
        json.key("sampling");
        json.open();
        json.key("weight");
        json.float(weight);
        json.close();
    }
    if !short {
        write_pairs(&mut json, "extra", record.extra);
    }
    json.key("id");
    write_uuid(&mut json, record.id);
    write_source(&mut json, &record.source);
    json.close();
    json.cut
}

fn write_context(json: &mut Json<'_>, context: &Context<'_>) {
    json.key("context");
    json.open();
    for (key, value) in [
        ("request_id", context.request_id),
        ("correlation_id", context.correlation_id),
        ("organization_id", context.organization_id),
        ("user_id", context.user_id),
        ("conversation_id", context.conversation_id),
    ] {
        json.key(key);
        match value {
            Some(text) => json.string(text),
            None => json.null(),
        }
    }
    write_text(json, "client_request_id", context.client_request_id);
    write_text(json, "client_correlation_id", context.client_correlation_id);
    json.close();
}

fn write_trace(json: &mut Json<'_>, trace: &Trace<'_>, short: bool) {
    json.key("trace");
    json.open();
    json.key("execution_time_ms");
    json.millis(trace.execution_time_us);
    json.key("status");
    json.plain(match trace.status {
        Status::Success => b"success",
        Status::Error => b"error",
    });
    if trace.slow {
        json.key("slow");
        json.bool(true);
    }
    write_text(json, "trace_id", trace.trace_id);
    write_text(json, "span_id", trace.span_id);
    write_text(json, "parent_span_id", trace.parent_span_id);
    if let Some(micros) = trace.upstream_us {
        json.key("upstream_ms");
        json.millis(micros);
    }
    if !short && !trace.metrics.is_empty() {
        json.key("metrics");
        json.open();
        for (name, value) in trace.metrics.iter().take(PAIRS) {
            json.any_key(name);
            json.float(*value);
        }
        json.close();
        count_left_out(json, trace.metrics.len());
    }
    if !trace.phases.is_empty() {
        json.key("phases");
        json.open();
        for (name, micros) in trace.phases {
            json.key(name);
            json.millis(*micros);
        }
        json.close();
    }
    json.close();
}

fn write_http(json: &mut Json<'_>, http: &Http<'_>, short: bool) {
    json.key("http");
    json.open();
    for (key, value) in [
        ("method", http.method),
        ("scheme", http.scheme),
        ("host", http.host),
        ("path", http.path),
        ("query", http.query),
    ] {
        write_text(json, key, value);
    }
    write_uint(json, "status", http.status.map(u64::from));
    for (key, value) in [
        ("protocol", http.protocol),
        ("user_agent", http.user_agent),
        ("client_ip", http.client_ip),
        ("route", http.route),
        ("cluster", http.cluster),
        ("upstream", http.upstream),
    ] {
        write_text(json, key, value);
    }
    write_uint(json, "attempts", http.attempts);
    write_uint(json, "request_bytes", http.request_bytes);
    write_uint(json, "response_bytes", http.response_bytes);
    if !short {
        write_pairs(json, "request_headers", http.request_headers);
        write_pairs(json, "response_headers", http.response_headers);
    }
    json.close();
}

fn write_error(json: &mut Json<'_>, error: &ErrorDetails<'_>) {
    json.key("error");
    json.open();
    write_text(json, "details", error.details);
    if !error.flags.is_empty() {
        json.key("flags");
        json.raw(b"[");
        for flag in error.flags.iter().take(PAIRS) {
            json.element(flag);
        }
        json.raw(b"]");
    }
    write_text(json, "transport_failure", error.transport_failure);
    write_uint(json, "grpc_status", error.grpc_status.map(u64::from));
    json.close();
}

fn write_source(json: &mut Json<'_>, source: &Source<'_>) {
    json.key("source");
    json.open();
    json.key("gateway");
    json.string(source.gateway);
    json.key("boot");
    write_uuid(json, source.boot);
    json.key("seq");
    json.uint(source.seq);
    json.close();
}

fn write_uuid(json: &mut Json<'_>, id: Uuid) {
    let mut text = Uuid::encode_buffer();
    json.plain(id.hyphenated().encode_lower(&mut text).as_bytes());
}

fn write_text(json: &mut Json<'_>, key: &'static str, value: Option<&str>) {
    if let Some(text) = value {
        json.key(key);
        json.string(text);
    }
}

fn write_uint(json: &mut Json<'_>, key: &'static str, value: Option<u64>) {
    if let Some(number) = value {
        json.key(key);
        json.uint(number);
    }
}

fn write_pairs(json: &mut Json<'_>, key: &'static str, pairs: Pairs<'_>) {
    if pairs.is_empty() {
        return;
    }
    json.key(key);
    json.open();
    for (name, value) in pairs.iter().take(PAIRS) {
        json.any_key(name);
        json.string(value);
    }
    json.close();
    count_left_out(json, pairs.len());
}

/// Counts the pairs past the bound.
fn count_left_out(json: &mut Json<'_>, pairs: usize) {
    let left_out = pairs.saturating_sub(PAIRS);
    json.cut = json.cut.saturating_add(u32::try_from(left_out).unwrap_or(u32::MAX));
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::fields::{Field, Kind, RECORD};
    use crate::limits::{RECORD_BYTES_MIN, VALUE_BYTES_MIN};
    use crate::{Level, Timestamp};

    fn record<'a>() -> Record<'a> {
        Record {
            timestamp: Timestamp::from_unix_micros(1_769_393_517_469_652),
            level: Level::Info,
            logger_name: "gateway.edge",
            function_name: "conversations",
            message: "GET /api/v1/conversations -> 200 in 45.23 ms",
            context: Context {
                request_id: Some("r-1"),
                correlation_id: Some("corr_456"),
                organization_id: Some("org_123"),
                ..Context::default()
            },
            trace: Trace {
                execution_time_us: 45_230,
                status: Status::Success,
                slow: false,
                trace_id: None,
                span_id: None,
                parent_span_id: None,
                upstream_us: Some(44_000),
                metrics: &[],
                phases: &[],
            },
            http: Http {
                method: Some("GET"),
                path: Some("/api/v1/conversations"),
                status: Some(200),
                ..Http::default()
            },
            error: None,
            audit: false,
            weight: None,
            extra: &[],
            id: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001),
            source: Source { gateway: "edge-7", boot: Uuid::from_u128(7), seq: 42 },
        }
    }

    fn encode(record: &Record<'_>, limits: RecordLimits) -> (String, Encoded) {
        let mut out = Vec::new();
        let encoded = Encoder::new(limits).encode(record, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), encoded)
    }

    #[test]
    fn keys_come_in_the_documented_order_and_unknown_ids_are_null() {
        let (line, encoded) = encode(&record(), RecordLimits::default());
        assert_eq!(
            line,
            concat!(
                r#"{"timestamp":"2026-01-26T02:11:57.469652+00:00","level":"INFO","#,
                r#""logger_name":"gateway.edge","function_name":"conversations","line_number":null,"#,
                r#""message":"GET /api/v1/conversations -> 200 in 45.23 ms","#,
                r#""context":{"request_id":"r-1","correlation_id":"corr_456","#,
                r#""organization_id":"org_123","user_id":null,"conversation_id":null},"#,
                r#""trace":{"execution_time_ms":45.230,"status":"success","upstream_ms":44.000},"#,
                r#""http":{"method":"GET","path":"/api/v1/conversations","status":200},"#,
                r#""id":"01900000-0000-7000-8000-000000000001","#,
                r#""source":{"gateway":"edge-7","boot":"00000000-0000-0000-0000-000000000007","seq":42}}"#,
            )
        );
        assert_eq!(encoded, Encoded::default());
    }

    #[test]
    fn every_optional_part_has_its_place() {
        let mut full = record();
        full.trace.slow = true;
        full.trace.metrics = &[("db", 12.5)];
        full.trace.phases = &[("request_ms", 1_000)];
        full.http.request_headers = &[("x-region", "eu")];
        full.error = Some(ErrorDetails {
            details: Some("via_upstream"),
            flags: &["UF", "URX"],
            transport_failure: Some("refused"),
            grpc_status: Some(14),
        });
        full.audit = true;
        full.weight = Some(10.0);
        full.extra = &[("region", "eu")];
        let (line, _) = encode(&full, RecordLimits::default());
        for part in [
            r#""slow":true,"upstream_ms":44.000,"metrics":{"db":12.5},"phases":{"request_ms":1.000}}"#,
            r#""request_headers":{"x-region":"eu"}},"error":{"details":"via_upstream","flags":["UF","URX"],"#,
            r#""transport_failure":"refused","grpc_status":14},"audit":true,"sampling":{"weight":10.0},"#,
            r#""extra":{"region":"eu"},"id":"#,
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
        serde_json::from_str::<serde_json::Value>(&line).unwrap();
    }

    /// The keys that only applications use.
    const OF_APPLICATIONS: [&str; 3] = ["type", "message", "stack_trace"];

    fn holds_to(fields: &[Field], object: &serde_json::Map<String, serde_json::Value>) {
        let known = fields.iter().map(|field| field.key);
        let expected: Vec<_> = known.filter(|key| object.contains_key(*key)).collect();
        let written: Vec<_> = object.keys().map(String::as_str).collect();
        assert_eq!(written, expected, "unknown keys, or another order");
        for field in fields {
            match object.get(field.key) {
                None => assert!(OF_APPLICATIONS.contains(&field.key), "{}", field.key),
                Some(serde_json::Value::Null) => assert_eq!(field.key, "line_number"),
                Some(value) => assert!(field.kind.fits(value), "{}: {value}", field.key),
            }
            if let (Kind::Object(fields), Some(part)) = (field.kind, object.get(field.key)) {
                holds_to(fields, part.as_object().unwrap());
            }
        }
    }

    #[test]
    fn what_is_written_has_every_field_of_the_format_in_its_order() {
        let text = Some("x");
        let mut full = record();
        full.context = Context {
            request_id: text,
            correlation_id: text,
            organization_id: text,
            user_id: text,
            conversation_id: text,
            client_request_id: text,
            client_correlation_id: text,
        };
        full.trace = Trace {
            slow: true,
            trace_id: text,
            span_id: text,
            parent_span_id: text,
            metrics: &[("db", 1.0)],
            phases: &[("request_ms", 1)],
            ..full.trace
        };
        full.http = Http {
            method: text,
            scheme: text,
            host: text,
            path: text,
            query: text,
            status: Some(200),
            protocol: text,
            user_agent: text,
            client_ip: text,
            route: text,
            cluster: text,
            upstream: text,
            attempts: Some(1),
            request_bytes: Some(1),
            response_bytes: Some(1),
            request_headers: &[("x-a", "b")],
            response_headers: &[("x-a", "b")],
        };
        full.error = Some(ErrorDetails {
            details: text,
            flags: &["UF"],
            transport_failure: text,
            grpc_status: Some(14),
        });
        full.audit = true;
        full.weight = Some(10.0);
        full.extra = &[("region", "eu")];
        let (line, _) = encode(&full, RecordLimits::default());
        holds_to(RECORD, &serde_json::from_str(&line).unwrap());
    }

    #[test]
    fn a_quote_in_any_value_does_not_break_the_line() {
        let mut hostile = record();
        hostile.http.user_agent = Some("\"},\"level\":\"CRITICAL\"\n{");
        let (line, _) = encode(&hostile, RecordLimits::default());
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["level"], "INFO");
        assert_eq!(value["http"]["user_agent"], "\"},\"level\":\"CRITICAL\"\n{");
    }

    #[test]
    fn pairs_past_their_bound_are_left_out_and_counted() {
        let names: Vec<String> = (0..PAIRS + 3).map(|n| format!("x-{n}")).collect();
        let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
        let mut many = record();
        many.http.request_headers = &pairs;
        let mut line = Vec::new();
        let encoded = Encoder::default().encode(&many, &mut line).unwrap();
        assert_eq!(encoded, Encoded { values_cut: 3, shortened: false });
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["http"]["request_headers"].as_object().unwrap().len(), PAIRS);
    }

    #[test]
    fn a_record_past_its_bound_is_shortened_and_always_fits() {
        let long = "\u{1}".repeat(100_000);
        let text = Some(long.as_str());
        let limits = RecordLimits { record_bytes: RECORD_BYTES_MIN, value_bytes: VALUE_BYTES_MIN };
        let pairs = [(long.as_str(), long.as_str()); PAIRS];
        let flags = [long.as_str(); 32];
        let mut huge = record();
        huge.logger_name = &long;
        huge.function_name = &long;
        huge.message = &long;
        huge.context = Context {
            request_id: text,
            correlation_id: text,
            organization_id: text,
            user_id: text,
            conversation_id: text,
            client_request_id: text,
            client_correlation_id: text,
        };
        // Their lengths are fixed.
        huge.trace.trace_id = Some("0af7651916cd43dd8448eb211c80319c");
        huge.trace.span_id = Some("00f067aa0ba902b7");
        huge.trace.parent_span_id = Some("b7ad6b7169203331");
        huge.http = Http {
            method: text,
            scheme: text,
            host: text,
            path: text,
            query: text,
            status: Some(u16::MAX),
            protocol: text,
            user_agent: text,
            client_ip: text,
            route: text,
            cluster: text,
            upstream: text,
            attempts: Some(u64::MAX),
            request_bytes: Some(u64::MAX),
            response_bytes: Some(u64::MAX),
            request_headers: &pairs,
            response_headers: &pairs,
        };
        huge.error = Some(ErrorDetails {
            details: text,
            flags: &flags,
            transport_failure: text,
            grpc_status: Some(u32::MAX),
        });
        huge.extra = &pairs;
        huge.source.gateway = &long;
        let (line, encoded) = encode(&huge, limits);
        assert!(encoded.shortened);
        assert!(line.len() <= RECORD_BYTES_MIN);
        serde_json::from_str::<serde_json::Value>(&line).unwrap();
    }

    #[test]
    fn a_record_that_cannot_fit_leaves_the_buffer_as_it_was() {
        let mut out = b"before".to_vec();
        let limits = RecordLimits { record_bytes: 100, value_bytes: VALUE_BYTES_MIN };
        let error = Encoder::new(limits).encode(&record(), &mut out).unwrap_err();
        assert_eq!(out, b"before");
        assert_eq!(
            error.to_string(),
            format!("record too large: shortened length is {} bytes, limit is 100", error.length)
        );
    }
}

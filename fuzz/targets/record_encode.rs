//! Whatever a record contains, its line is one line of JSON within its bound, the collector can
//! read it, and values that were not truncated appear in it unchanged.
#![no_main]

use arbitrary::Arbitrary;
use gatelog_record::limits::{
    GATEWAY_BYTES, RECORD_BYTES_MAX, RECORD_BYTES_MIN, SEQ_MAX, VALUE_BYTES_MIN,
};
use gatelog_record::{
    Context, DecodeLimits, Encoder, ErrorDetails, Http, Level, Record, RecordLimits, Source,
    Status, Timestamp, Trace, Uuid, decode_record,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    limits: (u16, u16),
    micros: i64,
    level: u8,
    names: [&'a str; 3],
    message: &'a str,
    context: [Option<&'a str>; 7],
    duration: (u64, Option<u64>),
    flags: [bool; 3],
    trace: [Option<&'a str>; 3],
    metrics: Vec<(&'a str, f64)>,
    http: [Option<&'a str>; 11],
    status: Option<u16>,
    numbers: [Option<u64>; 3],
    headers: Vec<(&'a str, &'a str)>,
    error: Option<(Option<&'a str>, Vec<&'a str>, Option<&'a str>, Option<u32>)>,
    weight: Option<f64>,
    extra: Vec<(&'a str, &'a str)>,
    id: u128,
    seq: u64,
}

fuzz_target!(|input: Input<'_>| {
    let numbers = |value: &f64| value.is_finite();
    let metrics: Vec<_> =
        input.metrics.iter().copied().filter(|(_, value)| numbers(value)).collect();
    let signed = |value: Option<u64>| value.map(|value| value >> 1);
    let [
        request_id,
        correlation_id,
        organization_id,
        user_id,
        conversation_id,
        client_request_id,
        client_correlation_id,
    ] = input.context;
    let [
        method,
        scheme,
        host,
        path,
        query,
        protocol,
        user_agent,
        client_ip,
        route,
        cluster,
        upstream,
    ] = input.http;
    // The configuration and the worker keep the gateway's name within its bound.
    let gateway = input.names[2];
    let gateway = &gateway[..gateway.floor_char_boundary(GATEWAY_BYTES)];
    let record = Record {
        timestamp: Timestamp::from_unix_micros(input.micros),
        level: Level::ALL[usize::from(input.level) % Level::ALL.len()],
        logger_name: input.names[0],
        function_name: input.names[1],
        message: input.message,
        context: Context {
            request_id,
            correlation_id,
            organization_id,
            user_id,
            conversation_id,
            client_request_id,
            client_correlation_id,
        },
        trace: Trace {
            execution_time_us: input.duration.0,
            status: if input.flags[0] { Status::Success } else { Status::Error },
            slow: input.flags[1],
            trace_id: input.trace[0],
            span_id: input.trace[1],
            parent_span_id: input.trace[2],
            upstream_us: input.duration.1,
            metrics: &metrics,
            phases: &[("wait_ms", 1)],
        },
        http: Http {
            method,
            scheme,
            host,
            path,
            query,
            status: input.status,
            protocol,
            user_agent,
            client_ip,
            route,
            cluster,
            upstream,
            attempts: signed(input.numbers[0]),
            request_bytes: signed(input.numbers[1]),
            response_bytes: signed(input.numbers[2]),
            request_headers: &input.headers,
            response_headers: &input.headers,
        },
        error: input.error.as_ref().map(|(details, flags, transport_failure, grpc_status)| {
            ErrorDetails {
                details: *details,
                flags,
                transport_failure: *transport_failure,
                grpc_status: *grpc_status,
            }
        }),
        audit: input.flags[2],
        weight: input.weight.filter(|weight| weight.is_finite() && *weight > 0.0),
        extra: &input.extra,
        id: Uuid::from_u128(input.id),
        source: Source { gateway, boot: Uuid::from_u128(1), seq: (input.seq % SEQ_MAX).max(1) },
    };
    let record_bytes =
        RECORD_BYTES_MIN + usize::from(input.limits.0) % (RECORD_BYTES_MAX - RECORD_BYTES_MIN);
    let value_bytes =
        VALUE_BYTES_MIN + usize::from(input.limits.1) % (record_bytes - VALUE_BYTES_MIN);

    let mut line = b"before".to_vec();
    let encoded =
        Encoder::new(RecordLimits { record_bytes, value_bytes }).encode(&record, &mut line);
    let line = line.strip_prefix(b"before").expect("what stood before stays");
    let encoded = match encoded {
        Ok(encoded) => encoded,
        Err(error) => {
            assert!(line.is_empty() && error.length > error.limit);
            return;
        }
    };
    assert!(line.len() <= record_bytes);
    assert!(!line.iter().any(|byte| *byte < b' '), "a control character");
    let parsed: Value = serde_json::from_slice(line).expect("JSON");
    if encoded.values_cut == 0 {
        assert_eq!(parsed["message"], record.message);
        assert_eq!(parsed["context"]["request_id"].as_str(), request_id);
        assert_eq!(parsed["http"]["path"].as_str(), path);
        assert_eq!(parsed["http"]["user_agent"].as_str(), user_agent);
    }
    // Pair names come from the configuration or are tokens: they contain no NUL.
    let names = input.headers.iter().chain(&input.extra).map(|(name, _)| *name);
    if names.chain(metrics.iter().map(|(name, _)| *name)).any(|name| name.contains('\0')) {
        return;
    }
    let decoded = decode_record(line, &DecodeLimits::default(), Uuid::nil()).expect("a record");
    assert_eq!((decoded.id, decoded.level), (record.id, record.level));
    assert_eq!(decoded.timestamp, record.timestamp);
    assert_eq!(decoded.source.map(|source| source.seq), Some(record.source.seq));
});

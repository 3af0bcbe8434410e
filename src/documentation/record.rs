//! `docs/record.md` against the encoder and the decoder of records.

use std::collections::BTreeMap;

use gatelog_record::limits::{PAIRS, RECORD_BYTES, TIGHT_VALUE_BYTES, VALUE_BYTES};
use gatelog_record::{
    BatchHeader, Context, DecodeErrorKind, DecodeLimits, Encoder, ErrorDetails, Http, Level,
    Record, Source, Status, Timestamp, Trace, Uuid, decode_record,
};
use serde_json::{Map, Value, json};

use super::page::{blocks, code, rows};
use crate::compose::{assemble, server_timing};
use crate::config;
use crate::identity::ids;

const PAGE: &str = include_str!("../../docs/record.md");

/// Objects whose keys the format does not define.
const OPEN: [&str; 5] =
    ["trace.metrics", "trace.phases", "http.request_headers", "http.response_headers", "extra"];

/// Every field of a line, with its value.
fn fields(line: &[u8]) -> BTreeMap<String, Value> {
    fn walk(path: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(object) if !OPEN.contains(&path) => {
                for (key, value) in object {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(&below, value, found);
                }
            }
            _ => drop(found.insert(path.to_owned(), value.clone())),
        }
    }
    let mut found = BTreeMap::new();
    walk("", &serde_json::from_slice(line).unwrap(), &mut found);
    found
}

fn encoded(record: &Record<'_>) -> BTreeMap<String, Value> {
    let mut line = Vec::new();
    Encoder::default().encode(record, &mut line).unwrap();
    fields(&line)
}

fn least<'a>() -> Record<'a> {
    Record {
        timestamp: Timestamp::from_unix_micros(1_769_393_517_469_652),
        level: Level::Info,
        logger_name: "gateway.edge",
        function_name: "unrouted",
        message: "- -> 400 in 0.02 ms",
        context: Context::default(),
        trace: Trace {
            execution_time_us: 20,
            status: Status::Success,
            slow: false,
            trace_id: None,
            span_id: None,
            parent_span_id: None,
            upstream_us: None,
            metrics: &[],
            phases: &[],
        },
        http: Http::default(),
        error: None,
        audit: false,
        weight: None,
        extra: &[],
        id: Uuid::from_u128(1),
        source: Source { gateway: "edge-7", boot: Uuid::from_u128(2), seq: 1 },
    }
}

fn most<'a>() -> Record<'a> {
    let text = Some("text");
    let count = Some(1);
    Record {
        context: Context {
            request_id: text,
            correlation_id: text,
            organization_id: text,
            user_id: text,
            conversation_id: text,
            client_request_id: text,
            client_correlation_id: text,
        },
        trace: Trace {
            slow: true,
            trace_id: text,
            span_id: text,
            parent_span_id: text,
            upstream_us: count,
            metrics: &[("db", 1.5)],
            phases: &[("wait_ms", 1)],
            ..least().trace
        },
        http: Http {
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
            attempts: count,
            request_bytes: count,
            response_bytes: count,
            request_headers: &[("a", "b")],
            response_headers: &[("a", "b")],
        },
        error: Some(ErrorDetails {
            details: text,
            flags: &["UF"],
            transport_failure: text,
            grpc_status: Some(14),
        }),
        audit: true,
        weight: Some(10.0),
        extra: &[("a", "b")],
        ..least()
    }
}

/// Whether a value is of the type that a table names.
fn is_of(value: &Value, kind: &str) -> bool {
    kind.split(" or ").any(|kind| match kind {
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_f64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        "list of strings" => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
        other => panic!("unknown type {other}"),
    })
}

fn example(cell: &str) -> Value {
    serde_json::from_str(code(cell).unwrap()).unwrap_or_else(|_| panic!("JSON: {cell}"))
}

#[test]
fn the_fields_are_those_of_the_encoder() {
    let (least, most) = (encoded(&least()), encoded(&most()));
    let rows = rows(PAGE, &["field", "type", "when", "meaning", "example"]);
    let mut names: Vec<&str> = Vec::new();
    for row in &rows {
        let [name, kind, when, _, shown] = row.as_slice() else { panic!() };
        let name = code(name).unwrap();
        assert_eq!(when == "always", least.contains_key(name), "{name}: {when}");
        for value in [least.get(name), most.get(name), Some(&example(shown))].into_iter().flatten()
        {
            assert!(is_of(value, kind), "{name}: {value} is not a {kind}");
        }
        names.push(name);
    }
    names.sort_unstable();
    assert_eq!(names, most.keys().collect::<Vec<_>>());
}

#[test]
fn the_fields_of_applications_are_those_of_the_decoder() {
    let decode = |path: &str, value: Value| {
        let mut record =
            json!({"timestamp": "2026-01-26T02:11:57Z", "level": "INFO", "message": "m"});
        let place = path.split('.').fold(&mut record, |object, key| &mut object[key]);
        *place = value;
        decode_record(record.to_string().as_bytes(), &DecodeLimits::default(), Uuid::nil())
    };
    let rows = rows(PAGE, &["field", "type", "meaning", "example"]);
    assert_eq!(rows.len(), 4);
    for row in rows {
        let name = code(&row[0]).unwrap();
        let shown = example(&row[3]);
        assert!(is_of(&shown, &row[1]), "{name}");
        let decoded = decode(name, shown.clone()).unwrap();
        let kept =
            name.split('.').fold(&Value::Object(decoded.body), |object, key| &object[key]).clone();
        assert_eq!(kept, shown, "{name}");
        assert_eq!(
            decode(name, json!({})).unwrap_err().kind,
            DecodeErrorKind::WrongShape,
            "{name}"
        );
    }
}

#[test]
fn every_example_is_a_record_that_the_decoder_takes() {
    let known = encoded(&most());
    let mut seen = BTreeMap::new();
    for block in blocks(PAGE, "json").into_iter().filter(|block| !block.contains("\"batch\"")) {
        let limits = DecodeLimits::default();
        let decoded = decode_record(block.as_bytes(), &limits, Uuid::nil())
            .unwrap_or_else(|error| panic!("{error}: {block}"));
        let record: Map<String, Value> = serde_json::from_str(block).unwrap();
        assert_eq!(decoded.body, record, "already in canonical form");
        for field in fields(block.as_bytes()).keys() {
            assert!(known.contains_key(field), "{field}");
        }
        *seen.entry(decoded.level).or_insert(0) += 1;
    }
    assert!(Level::ALL.iter().all(|level| seen.contains_key(level)), "{seen:?}");
}

#[test]
fn the_batch_header_is_the_codes_own() {
    let block = blocks(PAGE, "json").into_iter().find(|block| block.contains("\"batch\"")).unwrap();
    let header = BatchHeader::decode(block.as_bytes()).unwrap();
    let mut again = Vec::new();
    header.encode(&mut again);
    assert_eq!(block.as_bytes(), again);

    let header: Value = serde_json::from_slice(&again).unwrap();
    let header = header["batch"].as_object().unwrap();
    let mut keys: Vec<String> = header.keys().cloned().collect();
    keys.extend(header["dropped"].as_object().unwrap().keys().map(|key| format!("dropped.{key}")));
    let rows = rows(PAGE, &["key", "meaning"]);
    let mut documented: Vec<&str> = rows.iter().map(|row| code(&row[0]).unwrap()).collect();
    keys.sort();
    documented.sort_unstable();
    assert_eq!(documented, keys);
}

#[test]
fn the_bounds_are_the_codes_own() {
    let table = ["bound", "value", "configured by", "at the bound", "counted as"];
    let documented: Vec<usize> =
        rows(PAGE, &table).iter().filter_map(|row| row[1].parse().ok()).collect();
    let own = [
        RECORD_BYTES,
        VALUE_BYTES,
        TIGHT_VALUE_BYTES,
        PAIRS,
        ids::ID_BYTES_MAX,
        assemble::MESSAGE_PATH_CHARS,
        server_timing::NAME_BYTES_MAX,
        config::GATEWAY_BYTES_MAX,
    ];
    assert_eq!(documented, own);
}

//! What log records become, by the table of docs/record.md, and what no request may do.

use std::convert::Infallible;
use std::fs;
use std::path::Path;

use gatelog_record::{DecodeLimits, decode_record};
use serde_json::{Map, Value, json};

use super::*;

const LIMITS: BatchLimits = BatchLimits {
    records: 1_000,
    record: DecodeLimits { record_bytes: 64 << 10, depth: 64, values: 1_000 },
};

/// Attributes in OTLP/JSON.
fn attributes(pairs: &Map<String, Value>) -> Value {
    let pairs = pairs.iter().map(|(key, value)| json!({"key": key, "value": any(value)}));
    pairs.collect()
}

fn any(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({"boolValue": value}),
        Value::Number(number) if number.is_i64() => json!({"intValue": number.to_string()}),
        Value::Number(number) => json!({"doubleValue": number}),
        Value::String(text) => json!({"stringValue": text}),
        Value::Array(values) => {
            json!({"arrayValue": {"values": values.iter().map(any).collect::<Value>()}})
        }
        Value::Object(pairs) => json!({"kvlistValue": {"values": attributes(pairs)}}),
    }
}

/// A request with this log record, whose attributes are written as an object.
fn request(mut record: Value) -> Value {
    let mut origin = ["resource", "scope"]
        .map(|key| record.as_object_mut().unwrap().remove(key).unwrap_or_default());
    for part in origin.iter_mut().chain([&mut record]) {
        if let Some(Value::Object(pairs)) = part.get("attributes") {
            part["attributes"] = attributes(&pairs.clone());
        }
    }
    let [resource, scope] = origin;
    json!({"resourceLogs": [{"resource": resource, "scopeLogs": [
        {"scope": scope, "logRecords": [record]},
    ]}]})
}

fn stored(request: &[u8], mapping: &Mapping, limits: &BatchLimits) -> (Vec<Append>, Outcome) {
    let export = Export::check(request, limits, 8 << 20).unwrap();
    let mut parts = Vec::new();
    let received = Timestamp::from_unix_micros(1_000_000);
    let stored = export.store(mapping, limits, received, |part| {
        parts.push(part);
        Ok::<_, Infallible>(())
    });
    let (outcome, last) = stored.unwrap();
    parts.push(last);
    (parts, outcome)
}

fn lines(parts: &[Append]) -> Vec<Value> {
    let bodies = parts.iter().flat_map(|part| part.body.split(|byte| *byte == b'\n'));
    let records = bodies.filter(|line| !line.is_empty()).map(|line| {
        let record = decode_record(line, &LIMITS.record, Uuid::nil()).unwrap();
        Value::Object(record.body)
    });
    records.collect()
}

/// The record of a log record, or its dead letter's kind.
fn record(request: &Value, mapping: &Mapping) -> Result<Value, String> {
    let wire = to_protobuf(request.to_string().as_bytes()).unwrap();
    let (parts, outcome) = stored(&wire, mapping, &LIMITS);
    assert_eq!(parts.len(), 1);
    match lines(&parts).pop() {
        Some(record) => Ok(record),
        None => Err(outcome.rejected.into_keys().next().unwrap()),
    }
}

fn assert_contains(whole: &Value, part: &Value, row: &str) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (key, part) in part {
                assert_contains(whole.get(key).unwrap_or(&Value::Null), part, row);
            }
        }
        _ => assert_eq!(whole, part, "{row}"),
    }
}

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/record.md");
    fs::read_to_string(page).unwrap()
}

/// The rows of the table under a heading, each as the texts of its cells.
fn table<'p>(page: &'p str, heading: &str) -> Vec<Vec<&'p str>> {
    let section = page.split_once(heading).unwrap().1;
    let rows = section.lines().skip_while(|line| !line.starts_with("|---"));
    let rows = rows.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

#[test]
fn every_example_of_the_documented_mapping_is_what_becomes_of_it() {
    let page = page();
    let rows = table(&page, "### OTLP log records\n");
    assert!(rows.len() > 20);
    for row in rows {
        let [.., given, becomes] = &row[..] else { panic!("{row:?}") };
        let [given, becomes] = [given, becomes].map(|cell| {
            let text = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).unwrap();
            serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{text}: {error}"))
        });
        let record = record(&request(given), &Mapping::default()).unwrap();
        assert_contains(&record, &becomes, &row.join(" | "));
    }
}

#[test]
fn the_documented_attributes_of_the_ids_are_those_that_are_used() {
    let page = page();
    let rows = table(&page, "#### Ids of OTLP log records\n");
    let documented = rows.iter().map(|row| row.iter().map(|cell| cell.replace('`', "")).collect());
    let used = IDS.iter().map(|(_, id, names)| vec![(*id).to_owned(), names.join(" ")]);
    assert_eq!(documented.collect::<Vec<Vec<String>>>(), used.collect::<Vec<_>>());
}

/// A request as Python's protobuf library writes it, in both encodings: seeds of the fuzzer.
#[test]
fn a_request_in_json_and_in_protobuf_makes_the_same_records() {
    let seed = |name: &str| {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/otlp");
        fs::read(seeds.join(name)).unwrap().split_off(1)
    };
    let [one, other] = [seed("protobuf"), to_protobuf(&seed("json")).unwrap()].map(|wire| {
        let (parts, _) = stored(&wire, &Mapping::default(), &LIMITS);
        let letters = parts[0].letters.iter().map(|letter| letter.kind.clone()).collect::<Vec<_>>();
        let mut records = lines(&parts);
        // Of the bytes, which may be in another order.
        for record in &mut records {
            record["id"] = Value::Null;
        }
        (records, letters)
    });
    assert_eq!(one, other);
    assert_eq!((one.0.len(), one.1), (1, vec!["nul_in_key".to_owned()]));
    let expected = json!({
        "timestamp": "2026-01-26T02:11:57.469652+00:00", "level": "ERROR", "logger_name": "app",
        "message": "token=[redacted]", "context": {"user_id": "7"}, "line_number": 4,
        "trace": {"trace_id": "000102030405060708090a0b0c0d0e0f", "span_id": "0001020304050607"},
        "error": {"stack_trace": "a\nb"},
        "extra": {
            "event_name": "e", "scope_version": "1", "trace_flags": 1, "dropped_attributes_count": 2,
            "observed_timestamp": "1970-01-01T00:00:00.000000+00:00", "service_name": "orders",
            "password": "[redacted]",
        },
    });
    assert_contains(&one.0[0], &expected, "");
}

#[test]
fn the_first_of_several_attributes_for_a_place_is_taken_and_the_others_are_kept() {
    let given = json!({
        "resource": {"attributes": {"user_id": "of the resource", "request_id": "r"}},
        "scope": {"name": "s", "attributes": {"user_id": "of the scope"}},
        "attributes": {
            "enduser.id": "second", "user.id": "first", "organization_id": "", "code.lineno": "7",
            "conversation_id": ["a"], "exception.type": 5,
        },
        "traceId": "", "spanId": "00",
    });
    let record = record(&request(given), &Mapping::default()).unwrap();
    let expected = json!({
        "context": {
            "request_id": "r", "correlation_id": null, "organization_id": null, "user_id": "first",
            "conversation_id": null,
        },
        "line_number": null, "error": null, "trace": null, "timestamp": "1970-01-01T00:00:01.000000+00:00",
        "message": "",
        "extra": {
            "user_id": "of the resource", "user_id_2": "of the scope", "enduser_id": "second",
            "organization_id": "", "code_lineno": "7", "conversation_id": ["a"], "exception_type": 5,
        },
    });
    assert_contains(&record, &expected, "");
    assert_eq!(record["extra"].as_object().unwrap().len(), 7);
}

#[test]
fn configured_ids_and_names_are_used() {
    let mapping = Mapping {
        slots: Slots::parse("user_id=who").unwrap(),
        secrets: Secrets {
            mask: true,
            plain: vec!["session.id".into()],
            more: vec!["iban".into()],
        },
    };
    let given = json!({"attributes": {
        "who": 7, "user_id": "x", "session.id": "s", "iban": "DE00", "a": {"iban": 1, "b": [{"pwd": "p"}]},
        "http.request.header.authorization": ["Bearer a"], "otp": 123_456, "secret": true, "token": null,
    }});
    let record = record(&request(given), &mapping).unwrap();
    assert_eq!(record["context"]["user_id"], "7");
    let masked = "[redacted]";
    assert_eq!(
        record["extra"],
        json!({
            "user_id": "x", "session_id": "s", "iban": masked, "a": {"iban": masked, "b": [{"pwd": masked}]},
            "http_request_header_authorization": masked, "otp": masked, "secret": true, "token": null,
        })
    );
}

#[test]
fn a_request_that_comes_again_has_the_same_ids_and_equal_records_have_different_ones() {
    let record = json!({"timeUnixNano": "1769393517469652123", "body": {"stringValue": "a"}});
    let request = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record, record]}]}]});
    let wire = to_protobuf(request.to_string().as_bytes()).unwrap();
    let ids = |wire: &[u8]| {
        let (parts, _) = stored(wire, &Mapping::default(), &LIMITS);
        let ids = lines(&parts).into_iter().map(|line| line["id"].as_str().unwrap().parse());
        ids.map(Result::unwrap).collect::<Vec<Uuid>>()
    };
    let first = ids(&wire);
    assert_eq!(first, ids(&wire));
    assert_ne!(first[0], first[1]);
    for id in &first {
        assert_eq!((id.get_version_num(), id.get_variant()), (8, uuid::Variant::RFC4122));
        assert_eq!(id.as_u128() >> 80, 1_769_393_517_469);
    }
    let other = to_protobuf(request.to_string().replace("\"a\"", "\"b\"").as_bytes()).unwrap();
    assert_ne!(ids(&other)[0], first[0]);
}

#[test]
fn what_cannot_be_stored_becomes_a_dead_letter_with_the_reason_and_its_neighbours_are_stored() {
    let mut nested = json!("deep");
    for _ in 0..20 {
        nested = json!([nested]);
    }
    let long = "x".repeat(LIMITS.record.record_bytes);
    let record = DecodeLimits { depth: 16, ..LIMITS.record };
    for (bad, kind, says) in [
        (json!({"attributes": {"a": nested}}), "too_deep", "nested deeper than 16"),
        (json!({"body": any(&nested)}), "too_deep", "nested deeper than 16"),
        (json!({"body": {"stringValue": long}}), "too_large", "record of 656"),
        (json!({"attributes": {"a\0b": 1}}), "nul_in_key", "U+0000"),
        (json!({"attributes": {"a": vec![0; 1_001]}}), "too_large", "more than 1000 values"),
    ] {
        let mut request = request(bad);
        let records = request.pointer_mut("/resourceLogs/0/scopeLogs/0/logRecords").unwrap();
        let records = records.as_array_mut().unwrap();
        records.insert(0, json!({}));
        records.push(json!({"body": {"stringValue": "good"}}));
        let wire = to_protobuf(request.to_string().as_bytes()).unwrap();
        let limits = BatchLimits { record, ..LIMITS };
        let (parts, outcome) = stored(&wire, &Mapping::default(), &limits);
        assert_eq!((outcome.accepted, outcome.rejected()), (2, 1), "{kind}");
        let expected = format!("kept as dead letters: 1 {kind}; the first: ");
        let message = outcome.message();
        assert!(message.starts_with(&expected) && message.contains(says), "{message}");
        assert_eq!(parts[0].letters[0].kind, kind);
        assert!(parts[0].letters[0].line.len() < record.record_bytes + 512);
    }
}

/// Whatever stays unwritten must be noticed: a line that was cut is never a record.
#[test]
fn no_record_of_a_size_around_the_bound_is_cut_in_silence() {
    for length in 0..400_usize {
        let text = "\u{1}é".repeat(length / 8) + &"y".repeat(length % 8);
        let given = json!({
            "body": {"stringValue": text}, "attributes": {"list": [text, length], "last": "here"},
        });
        let wire = to_protobuf(request(given).to_string().as_bytes()).unwrap();
        let record = DecodeLimits { record_bytes: 1_024, depth: 5, values: 24 };
        let (parts, outcome) =
            stored(&wire, &Mapping::default(), &BatchLimits { record, ..LIMITS });
        match lines(&parts).pop() {
            Some(record) => {
                assert_eq!(
                    (&record["message"], &record["extra"]["last"]),
                    (&json!(text), &json!("here"))
                );
            }
            None => assert_eq!(outcome.rejected["too_large"], 1),
        }
    }
}

#[test]
fn a_request_is_handed_on_in_parts_and_its_resource_is_not_repeated_without_bound() {
    let resource = |length: usize| {
        let attribute = json!({"key": "k", "value": {"stringValue": "x".repeat(length)}});
        let records = vec![json!({}); 1_000];
        let request = json!({"resourceLogs": [{
            "resource": {"attributes": [attribute]}, "scopeLogs": [{"logRecords": records}],
        }]});
        to_protobuf(request.to_string().as_bytes()).unwrap()
    };
    let wire = resource(3_000);
    let (parts, outcome) = stored(&wire, &Mapping::default(), &LIMITS);
    assert_eq!((outcome.accepted, outcome.rejected()), (1_000, 0));
    assert_eq!(parts.len(), 4);
    assert!(parts.iter().all(|part| part.body.len() < PART_BYTES + 4_000));

    // Wherever it stands in the request.
    let key = [&b"\x0a"[..], &[0xe8, 0x07], &vec![b'k'; 1_000]].concat();
    let attribute = [&b"\x0a"[..], &[0xeb, 0x07], &key].concat();
    let scope_logs = [b"\x12\xd0\x0f".to_vec(), [0x12, 0].repeat(1_000)].concat();
    let parts = [scope_logs, [&b"\x0a"[..], &[0xee, 0x07], &attribute].concat()].concat();
    let length = parts.len();
    let head =
        vec![0x0a, u8::try_from(length & 0x7f).unwrap() | 0x80, u8::try_from(length >> 7).unwrap()];
    let last = [head, parts].concat();
    assert_eq!(
        Export::check(&last, &LIMITS, 8 << 20).unwrap().amount.bytes,
        1_000 * attribute.len()
    );
    let error = Export::check(&last, &LIMITS, 100 << 10).unwrap_err();
    assert_eq!(error, BatchError::Expands { limit: 800 << 10 });

    let wire = resource(60_000);
    let error = Export::check(&wire, &LIMITS, 1 << 20).unwrap_err();
    assert_eq!(error, BatchError::Expands { limit: 8 << 20 });
    assert!(error.to_string().contains("too large together: limit is 8MiB"), "{error}");
    let few = BatchLimits { records: 999, ..LIMITS };
    let error = Export::check(&wire, &few, 64 << 20).unwrap_err();
    assert_eq!(error, BatchError::TooMany { limit: 999 });
}

#[test]
fn a_request_without_times_that_comes_again_later_has_the_same_ids() {
    let wire = request(json!({"body": {"stringValue": "a"}})).to_string();
    let wire = to_protobuf(wire.as_bytes()).unwrap();
    let export = Export::check(&wire, &LIMITS, 1 << 20).unwrap();
    let records = [1_000_000, 2_000_000_000].map(|micros| {
        let received = Timestamp::from_unix_micros(micros);
        let mapping = Mapping::default();
        let (_, part) =
            export.store(&mapping, &LIMITS, received, |_| Ok::<_, Infallible>(())).unwrap();
        decode_record(part.body.trim_ascii(), &LIMITS.record, Uuid::nil()).unwrap()
    });
    assert_eq!(records[0].id, records[1].id);
    assert_ne!(records[0].timestamp, records[1].timestamp);
}

#[test]
fn what_javascript_sends_costs_no_other_record() {
    let text = |value: &str| {
        format!(
            r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{value}}},{{"attributes":[
                {{"key":"a\udc00","value":{value}}}]}},{{"body":null}}]}}]}}]}}"#
        )
    };
    for (value, becomes) in [
        (r#"{"stringValue":"cut \ud83d"}"#, json!("cut \u{fffd}")),
        (r#"{"stringValue":"\udc00\ud83dx\ud83d\ude00"}"#, json!("\u{fffd}\u{fffd}x\u{1f600}")),
        (r#"{"intValue":1e19}"#, json!(1e19)),
        (r#"{"intValue":-1e300}"#, json!(-1e300)),
        (r#"{"intValue":1.5}"#, json!(1.5)),
        (r#"{"intValue":"9223372036854775808"}"#, json!(9_223_372_036_854_775_808.0)),
    ] {
        let text = text(value);
        let wire = to_protobuf(text.as_bytes()).unwrap();
        assert!(wire.len() <= text.len(), "{value}");
        let (parts, outcome) = stored(&wire, &Mapping::default(), &LIMITS);
        assert_eq!((outcome.accepted, outcome.rejected()), (3, 0), "{value}");
        assert_eq!(lines(&parts)[1]["extra"]["a\u{fffd}"], becomes, "{value}");
    }
    assert!(to_protobuf(b"{\"resourceLogs\":[{\"schemaUrl\":\"\xff\"}]}").is_ok(), "not read");
    let bad = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"X"}]}]}]}"#;
    let bad: Vec<u8> = bad.iter().map(|byte| if *byte == b'X' { 0xff } else { *byte }).collect();
    let error = to_protobuf(&bad).unwrap_err().to_string();
    assert!(error.contains("severityText: must be UTF-8"), "{error}");
}

#[test]
fn a_secret_is_masked_in_every_text_of_a_record() {
    const TEXT: &str = "token=hunter2";
    let text = json!({"stringValue": TEXT});
    let pairs: Vec<_> = [
        "request_id",
        "correlation_id",
        "organization_id",
        "user_id",
        "conversation_id",
        "exception.type",
        "exception.message",
        "exception.stacktrace",
        "code.function.name",
        "other",
    ]
    .iter()
    .map(|key| json!({"key": key, "value": text}))
    .collect();
    let record =
        json!({"body": text, "eventName": TEXT, "severityText": TEXT, "attributes": pairs});
    let all = json!({"resourceLogs": [{"resource": {"attributes": [{"key": "r", "value": text}]}, "scopeLogs": [
        {"scope": {"name": TEXT, "version": TEXT, "attributes": [{"key": "s", "value": text}]},
         "logRecords": [record]}
    ]}]});
    let wire = to_protobuf(all.to_string().as_bytes()).unwrap();
    let (parts, outcome) = stored(&wire, &Mapping::default(), &LIMITS);
    assert_eq!((outcome.accepted, outcome.rejected()), (1, 0));
    let line = String::from_utf8(parts[0].body.clone()).unwrap();
    assert!(!line.contains("hunter2"), "{line}");
    assert_eq!(line.matches("token=[redacted]").count(), 17, "{line}");
}

#[test]
fn a_structure_that_names_a_secret_is_masked() {
    let given = json!({"attributes": {
        "headers": [{"name": "Accept", "value": "a"}, {"name": "authorization", "value": "S", "sent": true}],
        "pairs": [["password", "S"], ["user", "x"], ["token", "a", "b"], ["token"]],
        "form": {"value": {"of": "S"}, "field": "password"},
    }});
    let record = record(&request(given), &Mapping::default()).unwrap();
    let masked = "[redacted]";
    assert_eq!(
        record["extra"],
        json!({
            "headers": [{"name": "Accept", "value": "a"}, {"name": "authorization", "value": masked, "sent": true}],
            "pairs": [["password", masked], ["user", "x"], ["token", "a", "b"], ["token"]],
            "form": {"value": masked, "field": "password"},
        })
    );
}

#[test]
fn a_part_that_is_not_taken_ends_the_request() {
    let large = json!({"body": {"stringValue": "x".repeat(60_000)}});
    let request = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": vec![large; 20]}]}]});
    let wire = to_protobuf(request.to_string().as_bytes()).unwrap();
    let export = Export::check(&wire, &LIMITS, 1 << 20).unwrap();
    let received = Timestamp::from_unix_micros(0);
    let refused = export.store(&Mapping::default(), &LIMITS, received, |_| Err("full"));
    assert_eq!(refused.err(), Some("full"));
}

#[test]
fn bytes_that_are_not_a_request_are_refused_as_a_whole() {
    let good = to_protobuf(request(json!({"body": {"stringValue": "a"}})).to_string().as_bytes());
    let good = good.unwrap();
    for end in 1..good.len() {
        let cut = Export::check(&good[..end], &LIMITS, 1 << 20).unwrap_err().to_string();
        assert!(cut.starts_with("body is not an OTLP export request: not protobuf: "), "{cut}");
    }
    assert_eq!(Export::check(b"", &LIMITS, 1 << 20).unwrap().amount.records, 0);
    for twice in [&b"\x0a\x04\x0a\x00\x0a\x00"[..], b"\x0a\x06\x12\x04\x0a\x00\x0a\x00"] {
        let error = Export::check(twice, &LIMITS, 1 << 20).unwrap_err().to_string();
        assert!(error.ends_with("a resource or a scope occurs twice"), "{error}");
    }
}

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde_json::{Value, json};

use super::*;

const GIVEN: Uuid = Uuid::from_u128(99);

fn decode(record: &Value) -> Result<Decoded, DecodeError> {
    decode_record(record.to_string().as_bytes(), &DecodeLimits::default(), GIVEN)
}

fn minimal() -> Value {
    json!({"timestamp": "2026-01-26T02:11:57.469652+00:00", "level": "INFO", "message": "m"})
}

/// The minimal record with one key changed.
fn with(key: &str, value: Value) -> Value {
    let mut record = minimal();
    record[key] = value;
    record
}

fn fault_of(line: &str) -> (DecodeErrorKind, String) {
    let error = decode_record(line.as_bytes(), &DecodeLimits::default(), GIVEN).unwrap_err();
    (error.kind, error.to_string())
}

#[test]
fn a_gateway_record_reads_as_it_was_written() {
    let line = concat!(
        r#"{"timestamp":"2026-01-26T02:11:57.469652+00:00","level":"ERROR","#,
        r#""logger_name":"gateway.edge","function_name":"orders","line_number":null,"#,
        r#""message":"POST /orders -> 503 in 45.23 ms","#,
        r#""context":{"request_id":"r-1","correlation_id":"corr_456","organization_id":"org_123","#,
        r#""user_id":null,"conversation_id":null,"client_request_id":"their own"},"#,
        r#""trace":{"execution_time_ms":45.230,"status":"error","metrics":{"db":12.5}},"#,
        r#""http":{"method":"POST","path":"/orders","status":503,"request_headers":{"x-a":"b"}},"#,
        r#""error":{"details":"no_healthy_upstream","flags":["UH"]},"audit":true,"#,
        r#""sampling":{"weight":10.0},"extra":{"region":"eu"},"#,
        r#""id":"01900000-0000-7000-8000-000000000001","#,
        r#""source":{"gateway":"edge-7","boot":"00000000-0000-0000-0000-000000000007","seq":42}}"#,
    );
    let read = decode_record(line.as_bytes(), &DecodeLimits::default(), GIVEN).unwrap();
    assert_eq!(Value::Object(read.body.clone()), serde_json::from_str::<Value>(line).unwrap());
    assert_eq!(read.id, Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
    assert_eq!((read.level, read.audit), (Level::Error, true));
    assert_eq!(read.correlation_id.as_deref(), Some("corr_456"));
    let source = OwnedSource { gateway: "edge-7".into(), boot: Uuid::from_u128(7), seq: 42 };
    assert_eq!(read.source, Some(source));
}

#[test]
fn a_minimal_record_gets_the_given_id_and_the_keys_that_are_always_there() {
    let read = decode(&minimal()).unwrap();
    assert_eq!(
        Value::Object(read.body),
        json!({
            "timestamp": "2026-01-26T02:11:57.469652+00:00", "level": "INFO", "logger_name": null,
            "function_name": null, "line_number": null, "message": "m",
            "context": {"request_id": null, "correlation_id": null, "organization_id": null,
                        "user_id": null, "conversation_id": null},
            "id": GIVEN.to_string(),
        })
    );
    assert_eq!((read.id, read.source, read.correlation_id, read.audit), (GIVEN, None, None, false));
}

#[test]
fn an_application_record_in_python_or_go_style_is_accepted() {
    let read = decode(&json!({
        "timestamp": "2026-01-26T04:11:57+02:00", "level": "warn", "message": "took long",
        "logger_name": "app.services.chat", "function_name": "create", "line_number": 42,
        "context": {"user_id": 17, "organization_id": "", "tenant": "t"},
        "trace": {"execution_time_ms": 45, "status": null, "metrics": {"model": "large"}},
        "http": null, "sampling": null, "audit": false, "extra": null, "source": null, "id": null,
        "error": {"type": "ValueError", "message": "bad", "stack_trace": ["a", "b"], "flags": null},
        "thread": "main", "extra_fields": {"a": 1},
    }))
    .unwrap();
    assert_eq!(
        Value::Object(read.body),
        json!({
            "timestamp": "2026-01-26T02:11:57.000000+00:00", "level": "WARNING",
            "logger_name": "app.services.chat", "function_name": "create", "line_number": 42,
            "message": "took long",
            "context": {"request_id": null, "correlation_id": null, "organization_id": null,
                        "user_id": "17", "conversation_id": null, "tenant": "t"},
            "trace": {"execution_time_ms": 45.0, "metrics": {"model": "large"}},
            "error": {"type": "ValueError", "message": "bad", "stack_trace": ["a", "b"]},
            "extra": {"thread": "main", "extra_fields": {"a": 1}},
            "id": GIVEN.to_string(),
        })
    );
}

#[test]
fn an_unknown_key_never_takes_the_place_of_an_extra_one() {
    let read = decode(&json!({
        "timestamp": "2026-01-26T02:11:57Z", "level": "INFO", "message": "m",
        "extra": {"a": 1, "a_": 2}, "a": 3,
    }))
    .unwrap();
    assert_eq!(read.body["extra"], json!({"a": 1, "a_": 2, "a__": 3}));
}

#[test]
fn what_looks_like_extended_json_or_an_operator_is_plain_data() {
    let odd = json!({"$date": "2026-01-26"});
    let read = decode(&with("extra", json!({"when": odd, "$where": 1, "a.b": 2, "": 3}))).unwrap();
    assert_eq!(read.body["extra"], json!({"when": odd, "$where": 1, "a.b": 2, "": 3}));
    assert_eq!(decode(&with("$set", json!(1))).unwrap().body["extra"], json!({"$set": 1}));
}

#[test]
fn every_known_key_of_a_wrong_type_is_named_with_what_was_found() {
    for (key, value, says) in [
        ("timestamp", json!(1_769_393_517), "timestamp: must be a string, found a number"),
        ("timestamp", json!("yesterday"), "timestamp: must be an RFC 3339 date and time"),
        ("timestamp", json!(null), "timestamp: missing"),
        ("level", json!("LOUD"), "level: must be DEBUG, INFO"),
        ("level", json!(20), "level: must be a string, found a number"),
        ("message", json!(["a"]), "message: must be a string, found an array"),
        ("logger_name", json!(1), "logger_name: must be a string, found a number"),
        ("function_name", json!(true), "function_name: must be a string, found a boolean"),
        ("line_number", json!("7"), "line_number: must be a whole number, found a string"),
        ("line_number", json!(1.5), "line_number: must be a whole number, found a number"),
        ("context", json!("c"), "context: must be an object, found a string"),
        ("context", json!({"user_id": {}}), "context.user_id: must be a string or null, found an"),
        ("context", json!({"request_id": 1.5}), "context.request_id: must be a string or null"),
        ("context", json!({"client_request_id": 1}), "context.client_request_id: must be a string"),
        ("trace", json!([]), "trace: must be an object, found an array"),
        ("trace", json!({"execution_time_ms": "1"}), "trace.execution_time_ms: must be a number"),
        ("trace", json!({"status": "ok"}), "trace.status: must be \"success\" or \"error\""),
        ("trace", json!({"slow": 1}), "trace.slow: must be true or false, found a number"),
        ("trace", json!({"metrics": 1}), "trace.metrics: must be an object, found a number"),
        ("http", json!({"status": "200"}), "http.status: must be a whole number from 0, found a"),
        ("http", json!({"request_bytes": -1}), "http.request_bytes: must be a whole number from 0"),
        ("http", json!({"path": 1}), "http.path: must be a string, found a number"),
        ("error", json!("boom"), "error: must be an object, found a string"),
        ("error", json!({"flags": "UF"}), "error.flags: must be an array of strings"),
        ("error", json!({"stack_trace": [1]}), "error.stack_trace: must be a string or an array"),
        ("audit", json!("yes"), "audit: must be true or false, found a string"),
        ("sampling", json!({"weight": "1"}), "sampling.weight: must be a number, found a string"),
        ("sampling", json!({"weight": 0}), "sampling.weight: must be above 0"),
        ("extra", json!([1]), "extra: must be an object, found an array"),
        ("id", json!("7"), "id: must be a UUID"),
        ("id", json!(7), "id: must be a string, found a number"),
        ("source", json!("app"), "source: must be an object, found a string"),
        ("source", json!({}), "source.boot: missing"),
        ("source", json!({"gateway": "g", "boot": "x", "seq": 1}), "source.boot: must be a UUID"),
        ("source", json!({"boot": GIVEN.to_string(), "seq": 1}), "source.gateway: missing"),
        ("source", json!({"gateway": "g", "boot": GIVEN.to_string()}), "source.seq: missing"),
        (
            "source",
            json!({"gateway": "g", "boot": GIVEN.to_string(), "seq": 0}),
            "source.seq: must be at least 1",
        ),
        (
            "source",
            json!({"gateway": "g", "boot": GIVEN.to_string(), "seq": (1_u64 << 53)}),
            "source.seq: must be at most 9007199254740991, found 9007199254740992",
        ),
    ] {
        let error = decode(&with(key, value)).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::WrongShape);
        assert!(error.to_string().starts_with(says), "{error} / {says}");
    }
}

#[test]
fn anything_but_a_json_object_is_rejected_without_quoting_it() {
    for (line, fault) in [
        ("", DecodeErrorKind::NotJson),
        ("secret", DecodeErrorKind::NotJson),
        ("{\"message\":\"secret", DecodeErrorKind::NotJson),
        ("{\"message\":NaN}", DecodeErrorKind::NotJson),
        ("{\"a\":1}{\"secret\":2}", DecodeErrorKind::NotJson),
        ("{\"a\":\"\\ud800 secret\"}", DecodeErrorKind::NotJson),
        ("\"secret\"", DecodeErrorKind::WrongShape),
        ("[\"secret\"]", DecodeErrorKind::WrongShape),
        ("null", DecodeErrorKind::WrongShape),
    ] {
        let (found, text) = fault_of(line);
        assert_eq!(found, fault, "{line}");
        assert!(!text.contains("secret"), "{text}");
    }
    let error = decode_record(b"{\"a\":\"\xff\"}", &DecodeLimits::default(), GIVEN).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::NotJson);
}

#[test]
fn nesting_is_bounded_however_deep_it_goes() {
    let nested = |levels: usize| {
        let record = with("extra", json!("X")).to_string();
        record.replace("\"X\"", &format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels)))
    };
    let read = |line: &str| decode_record(line.as_bytes(), &DecodeLimits::default(), GIVEN);
    read(&nested(crate::limits::DEPTH - 2)).unwrap();
    for levels in [crate::limits::DEPTH - 1, 10_000, 300_000] {
        let error = read(&nested(levels)).unwrap_err();
        assert_eq!(
            (error.kind_name(), error.to_string().as_str()),
            ("too_deep", "nested deeper than 64 levels")
        );
    }
    assert_eq!(fault_of(&"[".repeat(500_000)).0, DecodeErrorKind::TooDeep);
    read(&with("message", json!("[[[[".repeat(1_000))).to_string()).unwrap();
    read(&with("message", json!("\\\"[[[".repeat(1_000))).to_string()).unwrap();
}

#[test]
fn values_are_bounded_before_they_take_memory() {
    let of = |values: usize| {
        let record = with("extra", json!({"a": []})).to_string();
        record.replace("[]", &format!("[{}0]", "0,".repeat(values - 1)))
    };
    let read = |line: &str| decode_record(line.as_bytes(), &DecodeLimits::default(), GIVEN);
    read(&of(crate::limits::VALUES / 2)).unwrap();
    for many in [of(crate::limits::VALUES), of(400_000), of(90_000).replace(",0", ",[]")] {
        let error = read(&many).unwrap_err();
        assert_eq!(
            (error.kind_name(), error.to_string().as_str()),
            ("too_large", "record of more than 16384 values")
        );
    }
    read(&with("message", json!(",".repeat(100_000))).to_string()).unwrap();
}

#[test]
fn numbers_that_bson_cannot_represent_are_rejected_before_they_lose_digits() {
    let with_number = |number: &str| {
        with("extra", json!("X")).to_string().replace("\"X\"", &format!("{{\"n\":{number}}}"))
    };
    for number in
        ["9223372036854775807", "-9223372036854775808", "1.7976931348623157e308", "1e-400"]
    {
        let line = with_number(number);
        decode_record(line.as_bytes(), &DecodeLimits::default(), GIVEN).expect(number);
    }
    for number in
        ["9223372036854775808", "-9223372036854775809", "18446744073709551616", "1e309", "-1e999"]
    {
        assert_eq!(fault_of(&with_number(number)).0, DecodeErrorKind::NumberRange, "{number}");
    }
    for number in ["01", "1.", "--1", "1e"] {
        assert_eq!(fault_of(&with_number(number)).0, DecodeErrorKind::NotJson, "{number}");
    }
}

#[test]
fn no_key_has_a_special_meaning_to_the_parser() {
    for key in ["$serde_json::private::RawValue", "$serde_json::private::Number"] {
        for value in [json!({key: "[1]"}), json!({key: "123"}), json!({"a": [{key: "x", "b": 1}]})]
        {
            assert_eq!(decode(&with("extra", value.clone())).unwrap().body["extra"], value);
        }
        // Parsing such text again would yield more depth, size or other numbers than were checked.
        for text in ["[".repeat(60_000), format!("[{}0]", "0,".repeat(60_000)), "1e999".into()] {
            let value = json!({"x": {key: text}});
            assert_eq!(decode(&with("extra", value.clone())).unwrap().body["extra"], value);
        }
        assert_eq!(
            fault_of(&json!({key: minimal().to_string()}).to_string()).0,
            DecodeErrorKind::WrongShape
        );
    }
}

#[test]
fn a_negative_zero_is_a_whole_number_unless_it_has_a_point() {
    let line = with("message", json!("-0 [-0] \"-0")).to_string();
    let line = line.replace('}', r#","line_number":-0,"extra":{"a":-0,"b":[ -0,-0.0 ]}}"#);
    let read = decode_record(line.as_bytes(), &DecodeLimits::default(), GIVEN).unwrap();
    let (extra, zero) = (&read.body["extra"], json!(0));
    assert_eq!((&extra["a"], &extra["b"][0]), (&zero, &zero));
    assert!(extra["b"][1].is_f64() && extra["b"][1].as_f64().unwrap().is_sign_negative());
    assert_eq!((&read.body["line_number"], &read.body["message"]), (&zero, &json!("-0 [-0] \"-0")));
    for bad in ["- 0", "--0", "-0-0", "1-0", "-00", "-0x", "x-0"] {
        assert_eq!(
            fault_of(&line.replacen("\"a\":-0", &format!("\"a\":{bad}"), 1)).0,
            DecodeErrorKind::NotJson
        );
    }
}

#[test]
fn a_gateways_name_past_its_bound_is_refused_with_both_lengths() {
    let of = |bytes: usize| {
        with("source", json!({"gateway": "g".repeat(bytes), "boot": GIVEN.to_string(), "seq": 1}))
    };
    decode(&of(crate::limits::GATEWAY_BYTES)).unwrap();
    let error = decode(&of(900_000)).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::WrongShape);
    assert_eq!(error.to_string(), "source.gateway: must be at most 128 bytes, found 900000");
}

#[test]
fn a_nul_in_a_key_is_refused_and_in_a_value_is_not() {
    for value in [json!({"a\0b": 1}), json!({"a": [{"\0": 1}]})] {
        assert_eq!(decode(&with("extra", value)).unwrap_err().kind, DecodeErrorKind::NulInKey);
    }
    assert_eq!(decode(&with("a\0", json!(1))).unwrap_err().kind, DecodeErrorKind::NulInKey);
    assert_eq!(decode(&with("message", json!("a\0b"))).unwrap().body["message"], "a\0b");
}

#[test]
fn a_line_past_its_bound_is_refused_with_both_sizes() {
    let line = minimal().to_string();
    let limits = DecodeLimits { record_bytes: line.len() - 1, ..DecodeLimits::default() };
    let error = decode_record(line.as_bytes(), &limits, GIVEN).unwrap_err();
    assert_eq!(error.kind_name(), "too_large");
    assert_eq!(
        error.to_string(),
        format!("record of {} bytes: limit is {}", line.len(), line.len() - 1)
    );
}

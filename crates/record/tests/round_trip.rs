//! The decoder reads everything that the encoder writes, and survives any other input.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a strategy of tests only")]

use gatelog_record::limits::SEQ_MAX;
use gatelog_record::{
    Context, DecodeLimits, Encoder, ErrorDetails, Http, Level, Record, RecordLimits, Source,
    Status, Timestamp, Trace, Uuid, decode_record,
};
use proptest::prelude::*;
use serde_json::Value;

type Text = Option<String>;

/// Any text but one that a context cannot hold apart from an unknown one.
fn text() -> impl Strategy<Value = Text> {
    proptest::option::of("\\PC{0,20}|[ -~]{1,40}|(.|\n){1,4}")
}

fn whole() -> impl Strategy<Value = Option<u64>> {
    proptest::option::of(0..=i64::MAX.cast_unsigned())
}

prop_compose! {
    fn line()(
        micros in any::<i64>(),
        level in 0_usize..5,
        texts in proptest::collection::vec(text(), 25),
        wholes in proptest::collection::vec(whole(), 4),
        (slow, audit, failed, any_error) in any::<(bool, bool, bool, bool)>(),
        execution_time_us in any::<u64>(),
        weight in proptest::option::of(0.001_f64..1e9),
        metric in proptest::num::f64::ANY,
        grpc in proptest::option::of(any::<u32>()),
        status in proptest::option::of(any::<u16>()),
        (id, boot, seq) in (any::<u128>(), any::<u128>(), 1..=SEQ_MAX),
    ) -> (String, u128, u64) {
        let t = |index: usize| texts[index].as_deref();
        let id_text = |index: usize| t(index).filter(|text| !text.is_empty());
        // HTTP knows no name with U+0000 in it, and BSON no key.
        let name = t(0).filter(|text| !text.contains('\0')).unwrap_or("n");
        let pairs = [(name, t(1).unwrap_or_default())];
        let metrics = [(name, metric)];
        let flags = [name];
        let record = Record {
            timestamp: Timestamp::from_unix_micros(micros),
            level: Level::ALL[level],
            logger_name: t(2).unwrap_or_default(),
            function_name: t(3).unwrap_or_default(),
            message: t(4).unwrap_or_default(),
            context: Context {
                request_id: id_text(5),
                correlation_id: id_text(6),
                organization_id: id_text(7),
                user_id: id_text(8),
                conversation_id: id_text(9),
                client_request_id: t(10),
                client_correlation_id: t(11),
            },
            trace: Trace {
                execution_time_us,
                status: if failed { Status::Error } else { Status::Success },
                slow,
                trace_id: t(12),
                span_id: t(24),
                parent_span_id: t(13),
                upstream_us: wholes[0],
                metrics: &metrics,
                phases: &[("request_ms", 1)],
            },
            http: Http {
                method: t(14),
                scheme: t(15),
                host: t(16),
                path: t(17),
                query: t(18),
                status,
                protocol: t(19),
                user_agent: t(20),
                client_ip: t(21),
                route: t(22),
                cluster: t(23),
                upstream: t(0),
                attempts: wholes[1],
                request_bytes: wholes[2],
                response_bytes: wholes[3],
                request_headers: &pairs,
                response_headers: &pairs,
            },
            error: any_error.then_some(ErrorDetails {
                details: t(1),
                flags: &flags,
                transport_failure: t(2),
                grpc_status: grpc,
            }),
            audit,
            weight,
            extra: &pairs,
            id: Uuid::from_u128(id),
            source: Source { gateway: name, boot: Uuid::from_u128(boot), seq },
        };
        let mut line = Vec::new();
        Encoder::new(RecordLimits::default()).encode(&record, &mut line).unwrap();
        (String::from_utf8(line).unwrap(), id, seq)
    }
}

fn decode(line: &[u8]) -> Result<gatelog_record::Decoded, gatelog_record::DecodeError> {
    decode_record(line, &DecodeLimits::default(), Uuid::from_u128(1))
}

/// Any JSON, shallow, with keys that the format knows among them.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::from("2026-01-26T02:11:57Z")),
        Just(Value::from("INFO")),
        ".{0,8}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        proptest::sample::select(vec![
            "timestamp",
            "level",
            "message",
            "context",
            "trace",
            "http",
            "error",
            "extra",
            "source",
            "request_id",
            "execution_time_ms",
            "status",
            "flags",
            "seq",
            "boot",
        ])
        .prop_map(str::to_owned),
        ".{0,3}",
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..12)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_encoded_record_decodes_to_the_same((line, id, seq) in line()) {
        let read = decode(line.as_bytes()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let written: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(read.id, Uuid::from_u128(id));
        prop_assert_eq!(read.source.map(|source| source.seq), Some(seq));
        // As texts: the order of the keys is the same too.
        prop_assert_eq!(Value::Object(read.body).to_string(), written.to_string());
    }

    #[test]
    fn what_was_decoded_decodes_to_the_same_again(json in any_json()) {
        let mut record = serde_json::json!({
            "timestamp": "2026-01-26T02:11:57Z", "level": "info", "message": "m",
        });
        if let Value::Object(more) = json {
            record.as_object_mut().unwrap().extend(more);
        }
        if let Ok(first) = decode(record.to_string().as_bytes()) {
            let second = decode(Value::Object(first.body.clone()).to_string().as_bytes());
            prop_assert_eq!(second, Ok(first));
        }
    }

    #[test]
    fn no_bytes_do_harm(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&line);
    }

    #[test]
    fn no_damage_to_a_line_does_harm(
        (line, _, _) in line(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut line = line.into_bytes();
        for (place, byte) in damage {
            let place = place.index(line.len());
            line[place] = byte;
        }
        let _ = decode(&line);
    }
}

//! The decoder reads every record that a service can log.
#![cfg(not(target_arch = "wasm32"))]

use gatelog_record::limits::SEQ_MAX;
use gatelog_record::{
    Context, DecodeLimits, Encoder, Level, RecordLimits, ServiceError, ServiceRecord, ServiceTrace,
    Source, Status, Timestamp, Uuid, Value, decode_record,
};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,20}|[ -~]{1,40}|(.|\n){1,4}|\\x00{1,3}"
}

#[derive(Clone, Debug)]
enum Any {
    Text(String),
    Int(i64),
    Uint(u64),
    Float(f64),
    Bool(bool),
}

fn value() -> impl Strategy<Value = Any> {
    prop_oneof![
        text().prop_map(Any::Text),
        any::<i64>().prop_map(Any::Int),
        any::<u64>().prop_map(Any::Uint),
        proptest::num::f64::ANY.prop_map(Any::Float),
        any::<bool>().prop_map(Any::Bool),
    ]
}

impl Any {
    fn borrowed(&self) -> Value<'_> {
        match self {
            Any::Text(text) => Value::Text(text),
            Any::Int(number) => Value::Int(*number),
            Any::Uint(number) => Value::Uint(*number),
            Any::Float(number) => Value::Float(*number),
            Any::Bool(value) => Value::Bool(*value),
        }
    }
}

proptest! {
    #[test]
    fn every_record_of_a_service_reads_back(
        micros in any::<i64>(),
        level in 0_usize..5,
        texts in proptest::collection::vec(proptest::option::of(text()), 14),
        stack in proptest::collection::vec(text(), 0..80),
        extra in proptest::collection::vec((text(), value()), 0..80),
        metric in proptest::num::f64::ANY,
        line_number in proptest::option::of(any::<u32>()),
        execution_time_us in proptest::option::of(any::<u64>()),
        (audit, failed, any_error) in any::<(bool, bool, bool)>(),
        (id, boot, seq) in (any::<u128>(), any::<u128>(), 1..=SEQ_MAX),
    ) {
        let t = |index: usize| texts[index].as_deref();
        let id_text = |index: usize| t(index).filter(|text| !text.is_empty());
        let metrics = [(t(0).unwrap_or_default(), metric)];
        let record = ServiceRecord {
            timestamp: Timestamp::from_unix_micros(micros),
            level: Level::ALL[level],
            logger_name: t(1).unwrap_or_default(),
            function_name: t(2),
            line_number,
            message: t(3).unwrap_or_default(),
            context: Context {
                request_id: id_text(4),
                correlation_id: id_text(5),
                organization_id: id_text(6),
                user_id: id_text(7),
                conversation_id: id_text(8),
                ..Context::default()
            },
            trace: ServiceTrace {
                execution_time_us,
                status: Some(if failed { Status::Error } else { Status::Success }),
                trace_id: t(9),
                span_id: t(10),
                parent_span_id: t(11),
                metrics: &metrics,
            },
            error: any_error.then_some(ServiceError {
                kind: t(12),
                message: t(13),
                stack_trace: &stack,
            }),
            audit,
            id: Uuid::from_u128(id),
            source: Source { gateway: "orders", boot: Uuid::from_u128(boot), seq },
        };
        let fields = extra.iter().map(|(name, value)| (name.as_str(), value.borrowed()));
        let mut line = Vec::new();
        Encoder::new(RecordLimits::default()).encode_service(&record, fields, &mut line).unwrap();
        let line = String::from_utf8(line).unwrap();
        prop_assert_eq!(line.lines().count(), 1);
        let decoded = decode_record(line.as_bytes(), &DecodeLimits::default(), Uuid::nil());
        let decoded = decoded.map_err(|error| TestCaseError::fail(format!("{error}: {line}")))?;
        prop_assert_eq!(decoded.id.as_u128(), id);
        prop_assert_eq!(decoded.source.unwrap().seq, seq);
    }
}

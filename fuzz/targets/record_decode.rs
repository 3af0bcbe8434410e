//! Any line is either a record in canonical form or is refused with a reason; a decoded record
//! round-trips; and a line that the quick check accepts also decodes as a record.
#![no_main]

use gatelog_record::limits::GATEWAY_BYTES;
use gatelog_record::{DecodeLimits, Uuid, check_record, decode_record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let limits = DecodeLimits::default();
    let checked = check_record(line, &limits);
    let record = match decode_record(line, &limits, Uuid::from_u128(7)) {
        Ok(record) => record,
        Err(error) => {
            assert_eq!(checked, None, "{error}");
            assert!(!error.to_string().is_empty() && !error.to_string().contains('\n'));
            return;
        }
    };
    if let Some(checked) = checked {
        assert_eq!(checked.source, record.source);
        let again = decode_record(line, &limits, Uuid::from_u128(8));
        assert_eq!(again.map(|again| again.id), Ok(record.id), "an id of its own");
    }
    if let Some(source) = &record.source {
        assert!(source.gateway.len() <= GATEWAY_BYTES);
    }
    assert_eq!(record.body["id"], record.id.to_string());
    assert_eq!(record.body["level"], record.level.as_str());
    assert_eq!(record.body["timestamp"], record.timestamp.to_string());
    let written = serde_json::to_vec(&record.body).expect("JSON");
    // Keys unknown to the format are now under `extra`.
    let depth = limits.depth + 1;
    let limits = DecodeLimits { record_bytes: usize::MAX, values: usize::MAX, depth };
    let again = decode_record(&written, &limits, Uuid::from_u128(8)).expect("its own line");
    assert_eq!(again, record);
});

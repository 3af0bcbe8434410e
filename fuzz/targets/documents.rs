//! Any lines from the spool are inserted into the database within the insert limits, and each
//! record among them becomes documents of plain values, filed under the instant of its timestamp.
#![no_main]

use bson::raw::{RawBsonRef, RawDocument};
use bson::spec::BinarySubtype;
use bson::{DateTime, Document, RawDocumentBuf};
use gatelog_collector::accounting::Seqs;
use gatelog_collector::spool::Row;
use gatelog_collector::store::{LogCollection, Retention, documents};
use gatelog_collector::writer::chunk::{self, CHUNK_BYTES};
use gatelog_record::{DecodeLimits, Decoded, Timestamp, Uuid, decode_record};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::LazyLock;

/// Source: MongoDB's limits, "BSON Document Size" and "Nested Depth for BSON Documents".
const DOCUMENT_BYTES: usize = 16 << 20;
const DOCUMENT_DEPTH: usize = 100;

static RETENTION: LazyLock<Retention> = LazyLock::new(|| {
    "info=30d,acme/info=24855d,acme/error=3650d,acme/trace=2d".parse().expect("a retention")
});

fuzz_target!(|data: &[u8]| {
    let [records, body @ ..] = data else { return };
    let row = |intact| {
        let body = body.to_vec();
        Row { id: 1, parked: None, received: 0, records: 0, seqs: Seqs::default(), intact, body }
    };
    let rows = [row(true), row(false)];
    let lines = chunk::lines(&rows);
    let found = lines.iter().map(|line| line.of(&rows));
    assert!(found.eq(body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())));
    let mut rest = lines.as_slice();
    while !rest.is_empty() {
        let count = chunk::take(rest, usize::from(*records));
        let bytes: usize = rest[..count].iter().map(|line| line.of(&rows).len()).sum();
        assert!(count == 1 || (count <= usize::from(*records) && bytes <= CHUNK_BYTES));
        rest = &rest[count..];
    }
    for line in lines {
        let read = decode_record(line.of(&rows), &DecodeLimits::default(), Uuid::from_u128(7));
        if let Ok(record) = read {
            stored(&record);
        }
    }
});

fn stored(record: &Decoded) {
    let made = match documents(record, &RETENTION, Some(7)) {
        Ok(made) => made,
        Err(refusal) => {
            assert!(!refusal.kind.is_empty() && !refusal.reason.is_empty());
            return;
        }
    };
    let mut collections = vec![LogCollection::of(record.level)];
    collections.extend(record.audit.then_some(LogCollection::Audit));
    let known = |part: &str, key: &str| {
        let id = record.body.get(part).and_then(|part| part.get(key)).and_then(Value::as_str);
        id.is_some_and(|id| !id.is_empty())
    };
    let in_a_flow = ["correlation_id", "request_id"].iter().any(|key| known("context", key))
        || known("trace", "trace_id");
    collections.extend(in_a_flow.then_some(LogCollection::Trace));
    assert!(made.iter().map(|(collection, _)| *collection).eq(collections));
    for (collection, document) in &made {
        within_bounds(document);
        let mut parts: Vec<_> = document.iter().map(|part| part.expect("BSON")).collect();
        filed(record, *collection, &mut parts);
        let mut body = Value::Object(record.body.clone());
        if *collection == LogCollection::Trace
            && record.correlation_id.is_none()
            && known("trace", "trace_id")
        {
            // The trace id stands in for the correlation id.
            body["context"]["correlation_id"] = body["trace"]["trace_id"].clone();
        }
        for (key, value) in parts {
            let given = &body[key.as_str()];
            match (collection, given, value) {
                (LogCollection::Trace, Value::Object(given), RawBsonRef::Document(part)) => {
                    for part in part {
                        let (key, value) = part.expect("BSON");
                        shortened(key.as_str(), &given[key.as_str()], value);
                    }
                }
                (LogCollection::Trace, ..) => shortened(key.as_str(), given, value),
                _ => same(given, value, 2),
            }
        }
    }
}

fn within_bounds(document: &RawDocumentBuf) {
    assert!(document.as_bytes().len() <= DOCUMENT_BYTES);
    let read = Document::try_from(document.clone()).expect("BSON");
    assert_eq!(bson::serialize_to_vec(&read).expect("BSON"), document.as_bytes());
}

/// Removes and checks what the store adds to a record; the record itself uses none of these names,
/// and nothing else is missing.
fn filed<K: AsRef<str>>(
    record: &Decoded,
    collection: LogCollection,
    parts: &mut Vec<(K, RawBsonRef<'_>)>,
) {
    let mut added = |name: &str| {
        let at = parts.iter().position(|(key, _)| key.as_ref() == name)?;
        Some(parts.remove(at).1)
    };
    let Some(RawBsonRef::Binary(id)) = added("_id") else { panic!("no id") };
    assert_eq!((id.subtype, id.bytes), (BinarySubtype::Uuid, &record.id.as_bytes()[..]));
    let Some(RawBsonRef::DateTime(created)) = added("created_at") else { panic!("no instant") };
    let text = record.body["timestamp"].as_str().expect("a text");
    let instant = DateTime::parse_rfc3339_str(text).expect("an instant");
    let apart = created.timestamp_millis().abs_diff(instant.timestamp_millis());
    // Before 1970 one rounds down and the other towards zero.
    assert!(apart == 0 || (apart == 1 && created < DateTime::from_millis(0)), "{text}");
    // A date that some servers cannot represent makes them refuse the whole call.
    let (first, last) = (Timestamp::FIRST.unix_millis(), Timestamp::LAST.unix_millis());
    assert!((first..=last).contains(&created.timestamp_millis()), "{text}");
    match added("row") {
        Some(RawBsonRef::Int64(mark)) => assert!(mark == 7 && is_counted(record, collection)),
        found => assert!(found.is_none() && !is_counted(record, collection), "{found:?}"),
    }
    match added("expires_at") {
        None => {}
        Some(RawBsonRef::DateTime(expires)) => {
            assert!(expires.timestamp_millis() <= last, "{text}");
            assert!(expires > created || expires.timestamp_millis() == last, "{text}");
        }
        Some(other) => panic!("{other:?}"),
    }
    if collection != LogCollection::Trace {
        let keys = record.body.keys().filter(|key| *key != "id");
        assert!(parts.iter().map(|(key, _)| key.as_ref()).eq(keys.map(String::as_str)));
    }
}

/// Whether rollups count the record by its document there.
fn is_counted(record: &Decoded, collection: LogCollection) -> bool {
    collection == LogCollection::of(record.level)
}

/// A value of a compact document: unchanged, or a prefix of the text. Ids are never shortened.
fn shortened(key: &str, given: &Value, value: RawBsonRef<'_>) {
    match (given, value) {
        (Value::String(given), RawBsonRef::String(text)) if !key.ends_with("_id") => {
            assert!(given.starts_with(text) && (given == text || text.len() > 252), "{key}");
        }
        (Value::Array(given), RawBsonRef::Array(array)) => {
            let mut values = array.into_iter().map(|value| value.expect("BSON"));
            for given in given {
                shortened("", given, values.next().expect("as many"));
            }
            assert!(values.next().is_none());
        }
        _ => same(given, value, 3),
    }
}

/// Plain values are unchanged, whatever they look like.
fn same(given: &Value, value: RawBsonRef<'_>, depth: usize) {
    assert!(depth <= DOCUMENT_DEPTH, "nested too deep for MongoDB");
    match (given, value) {
        (Value::Null, RawBsonRef::Null) => {}
        (Value::Bool(given), RawBsonRef::Boolean(value)) => assert_eq!(*given, value),
        (Value::Number(given), RawBsonRef::Int32(value)) => {
            assert_eq!(given.as_i64(), Some(value.into()));
        }
        (Value::Number(given), RawBsonRef::Int64(value)) => {
            assert_eq!(given.as_i64(), Some(value));
        }
        (Value::Number(given), RawBsonRef::Double(value)) => {
            assert!(given.is_f64() && value.is_finite());
            assert_eq!(given.as_f64().map(f64::to_bits), Some(value.to_bits()));
        }
        (Value::String(given), RawBsonRef::String(value)) => assert_eq!(given, value),
        (Value::Array(given), RawBsonRef::Array(array)) => {
            let mut values = array.into_iter().map(|value| value.expect("BSON"));
            for given in given {
                same(given, values.next().expect("as many"), depth + 1);
            }
            assert!(values.next().is_none());
        }
        (Value::Object(given), RawBsonRef::Document(document)) => object(given, document, depth),
        (given, value) => panic!("{given} became {value:?}"),
    }
}

fn object(given: &serde_json::Map<String, Value>, document: &RawDocument, depth: usize) {
    let mut parts = document.iter().map(|part| part.expect("BSON"));
    for (name, given) in given {
        let (key, value) = parts.next().expect("as many");
        assert_eq!(name, key.as_str());
        same(given, value, depth + 1);
    }
    assert!(parts.next().is_none());
}

//! A check of one line without reading it into memory: what the collector's door needs of a
//! record in the filter's own form. It only ever says "a record" of what [`decode_record`] takes
//! as well, with the same source; of everything else it says nothing, and the whole decoding
//! decides. So it may be strict: unknown keys, keys that stand twice, other types, numbers out of
//! range, applications' records are all left to the decoder.
//!
//! [`decode_record`]: super::decode_record

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use uuid::Uuid;

use super::{DecodeLimits, OwnedSource};
use crate::limits::GATEWAY_BYTES;
use crate::{Level, Timestamp};

/// Levels of objects and arrays in this form: the record, `http`, its headers.
const DEPTH: usize = 3;

/// A record that has its own id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Which record of which sender it is.
    pub source: Option<OwnedSource>,
}

/// Whether the line is a record with an id of its own, where that can be told at once.
pub fn check_record(line: &[u8], limits: &DecodeLimits) -> Option<Checked> {
    // Two bytes of text can be a value: a longer line might have too many.
    if line.len() > limits.record_bytes || line.len() / 2 > limits.values || limits.depth < DEPTH {
        return None;
    }
    // One pass over all of it is cheaper than one for each string.
    let Part(line): Part<Line<'_>> = serde_json::from_str(str::from_utf8(line).ok()?).ok()?;
    Timestamp::parse(line.timestamp.as_ref()?).ok()?;
    line.level.as_ref()?.parse::<Level>().ok()?;
    line.message?;
    Uuid::try_parse(line.id.as_ref()?).ok()?;
    if let Some(status) = line.trace.as_ref().and_then(|trace| trace.0.status.as_ref()) {
        matches!(status.as_ref(), "success" | "error").then_some(())?;
    }
    if let Some(weight) = line.sampling.as_ref().and_then(|sampling| sampling.0.weight.as_ref()) {
        (weight.0 > 0.0).then_some(())?;
    }
    Some(Checked { source: line.source.map(|part| source(part.0)).transpose().ok()? })
}

fn source(source: Source<'_>) -> Result<OwnedSource, ()> {
    let boot = source.boot.as_deref().and_then(|boot| Uuid::try_parse(boot).ok());
    match (source.gateway, boot, source.seq) {
        (Some(gateway), Some(boot), Some(Count(seq)))
            if seq > 0 && gateway.len() <= GATEWAY_BYTES =>
        {
            Ok(OwnedSource { gateway: gateway.into_owned(), boot, seq })
        }
        _ => Err(()),
    }
}

type Borrowed<'a> = Option<Cow<'a, str>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that they can be read is what is asked")]
#[allow(clippy::struct_field_names, reason = "the format's keys")]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: Borrowed<'a>,
    #[serde(borrow)]
    level: Borrowed<'a>,
    logger_name: Option<Text>,
    function_name: Option<Text>,
    line_number: Option<i64>,
    message: Option<Text>,
    context: Option<Part<Context>>,
    #[serde(borrow)]
    trace: Option<Part<Trace<'a>>>,
    http: Option<Part<Http>>,
    error: Option<Part<ErrorPart>>,
    audit: Option<bool>,
    sampling: Option<Part<Sampling>>,
    extra: Option<Object<Scalar>>,
    #[serde(borrow)]
    id: Borrowed<'a>,
    #[serde(borrow)]
    source: Option<Part<Source<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that they can be read is what is asked")]
#[allow(clippy::struct_field_names, reason = "the format's keys")]
struct Context {
    request_id: Option<Text>,
    correlation_id: Option<Text>,
    organization_id: Option<Text>,
    user_id: Option<Text>,
    conversation_id: Option<Text>,
    client_request_id: Option<Text>,
    client_correlation_id: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that they can be read is what is asked")]
#[allow(clippy::struct_field_names, reason = "the format's keys")]
struct Trace<'a> {
    execution_time_ms: Option<Double>,
    #[serde(borrow)]
    status: Borrowed<'a>,
    slow: Option<bool>,
    trace_id: Option<Text>,
    span_id: Option<Text>,
    parent_span_id: Option<Text>,
    upstream_ms: Option<Double>,
    metrics: Option<Object<Double>>,
    phases: Option<Object<Double>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that they can be read is what is asked")]
struct Http {
    method: Option<Text>,
    scheme: Option<Text>,
    host: Option<Text>,
    path: Option<Text>,
    query: Option<Text>,
    status: Option<Count>,
    protocol: Option<Text>,
    user_agent: Option<Text>,
    client_ip: Option<Text>,
    route: Option<Text>,
    cluster: Option<Text>,
    upstream: Option<Text>,
    attempts: Option<Count>,
    request_bytes: Option<Count>,
    response_bytes: Option<Count>,
    request_headers: Option<Object<Text>>,
    response_headers: Option<Object<Text>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that they can be read is what is asked")]
struct ErrorPart {
    details: Option<Text>,
    flags: Option<Texts>,
    transport_failure: Option<Text>,
    grpc_status: Option<Count>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sampling {
    weight: Option<Double>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source<'a> {
    #[serde(borrow)]
    gateway: Borrowed<'a>,
    #[serde(borrow)]
    boot: Borrowed<'a>,
    seq: Option<Count>,
}

/// An object: what is derived would take its values in an array as well.
struct Part<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = Part<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Part<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Part)
            }
        }
        deserializer.deserialize_map(Read(PhantomData))
    }
}

/// A whole number from 0 that fits 64 signed bits.
struct Count(u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        i64::try_from(number).map_err(|_| D::Error::custom("too large"))?;
        Ok(Self(number))
    }
}

/// A number that cannot be a whole one outside 64 signed bits: such a one is read as a double.
struct Double(f64);

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if number.abs() < WHOLE { Ok(Self(number)) } else { Err(D::Error::custom("too large")) }
    }
}

/// Below this no whole number is outside 64 signed bits: 2^63.
const WHOLE: f64 = 9_223_372_036_854_775_808.0;

/// A string, read and forgotten.
struct Text;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Text, E> {
                Ok(Text)
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// Strings, read and forgotten.
struct Texts;

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("strings")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
                while seq.next_element::<Text>()?.is_some() {}
                Ok(Texts)
            }
        }
        deserializer.deserialize_seq(Read)
    }
}

/// A string, a boolean, a whole number within range or null, read and forgotten.
struct Scalar;

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a scalar")
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Scalar, E> {
                Ok(Scalar)
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Scalar, E> {
                Ok(Scalar)
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Scalar, E> {
                Ok(Scalar)
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                i64::try_from(number).map(|_| Scalar).map_err(|_| E::custom("too large"))
            }
            fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
                Ok(Scalar)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// An object of such values under keys without U+0000, read and forgotten. A key that stands twice
/// does no harm here.
struct Object<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<T>, A::Error> {
                while let Some(Key) = map.next_key()? {
                    map.next_value::<T>()?;
                }
                Ok(Object(PhantomData))
            }
        }
        deserializer.deserialize_map(Read(PhantomData))
    }
}

/// A key without U+0000, read and forgotten.
struct Key;

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
                if key.contains('\0') { Err(E::custom("U+0000 in a key")) } else { Ok(Key) }
            }
        }
        deserializer.deserialize_identifier(Read)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::decode_record;

    const LINE: &str = concat!(
        r#"{"timestamp":"2026-01-26T02:11:57.469652+00:00","level":"ERROR","#,
        r#""logger_name":"gateway.edge","function_name":"orders","line_number":null,"#,
        r#""message":"POST /orders \"\u00e9\" -> 503 in 45.23 ms","#,
        r#""context":{"request_id":"r-1","correlation_id":"corr_456","user_id":null},"#,
        r#""trace":{"execution_time_ms":45.230,"status":"error","metrics":{"db":12.5}},"#,
        r#""http":{"method":"POST","path":"/orders","status":503,"request_headers":{"x-a":"b"}},"#,
        r#""error":{"details":"no_healthy_upstream","flags":["UH"]},"audit":true,"#,
        r#""sampling":{"weight":10.0},"extra":{"region":"eu","n":1},"#,
        r#""id":"01900000-0000-7000-8000-000000000001","#,
        r#""source":{"gateway":"edge-7","boot":"00000000-0000-0000-0000-000000000007","seq":42}}"#,
    );

    /// What is checked at once is decoded alike; says whether it was.
    fn agrees(line: &[u8]) -> bool {
        let limits = DecodeLimits::default();
        let Some(checked) = check_record(line, &limits) else { return false };
        let absent = Uuid::from_u128(99);
        let decoded = decode_record(line, &limits, absent);
        let decoded = decoded.unwrap_or_else(|e| panic!("{e}: {}", line.escape_ascii()));
        assert_eq!(decoded.source, checked.source, "{}", line.escape_ascii());
        assert!(decoded.id != absent || line.windows(4).any(|part| part == b"0063"));
        true
    }

    #[test]
    fn a_gateways_record_is_known_at_once() {
        assert!(agrees(LINE.as_bytes()));
        let minimal = r#"{"timestamp":"2026-01-26T02:11:57.469652+00:00","level":"INFO","message":"m","id":"01900000-0000-7000-8000-000000000001"}"#;
        assert!(agrees(minimal.as_bytes()));
        assert_eq!(
            check_record(minimal.as_bytes(), &DecodeLimits::default()).unwrap().source,
            None
        );
    }

    #[test]
    fn whatever_a_part_is_replaced_with_it_is_decoded_alike_or_left_to_the_decoder() {
        let parts = [
            "null",
            "true",
            "0",
            "-1",
            "1.5",
            "-0",
            "1e400",
            "1e20",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551616",
            "\"\"",
            "\"x\"",
            "\"\\u0000\"",
            "\"\\ud800\"",
            "\"\u{0}\"",
            "[]",
            "[1]",
            "[\"a\"]",
            "{}",
            "{\"\\u0000\":1}",
            "{\"a\":{\"b\":[1]}}",
            "{\"a\":99999999999999999999}",
            "{\"a\":\"b\",\"a\":\"c\"}",
            "{\"$serde_json::private::RawValue\":\"[1]\"}",
            "{\"$serde_json::private::Number\":\"1\"}",
        ];
        let places: Vec<usize> = LINE.match_indices(':').map(|(at, _)| at + 1).collect();
        let mut known = 0;
        for at in places {
            let (before, rest) = LINE.split_at(at);
            let ends = rest.match_indices([',', '}', ']']).map(|(end, _)| at + end);
            for end in ends.take(4) {
                for part in parts {
                    let line = [before, part, LINE.split_at(end).1].concat();
                    known += usize::from(agrees(line.as_bytes()));
                }
            }
        }
        assert!(known > 50, "{known}");
    }

    #[test]
    fn bytes_bent_cut_or_doubled_anywhere_are_decoded_alike_or_left_to_the_decoder() {
        for at in 0..LINE.len() {
            agrees(&LINE.as_bytes()[..at]);
            for byte in [0, b' ', b'"', b',', b'}', b'9', b'\\', 0xff] {
                let mut bent = LINE.as_bytes().to_vec();
                bent[at] = byte;
                agrees(&bent);
                bent.insert(at, byte);
                agrees(&bent);
            }
        }
        let twice = LINE.replacen("\"audit\":true", "\"audit\":true,\"audit\":1", 1);
        assert!(!agrees(twice.as_bytes()));
    }

    #[test]
    fn what_is_no_gateways_record_is_left_to_the_decoder() {
        let limits = DecodeLimits::default();
        let unknown = LINE.replacen("\"audit\"", "\"thread\":\"main\",\"audit\"", 1);
        let without_id = LINE.replacen("\"id\":\"01900000-0000-7000-8000-000000000001\",", "", 1);
        for line in [unknown.as_str(), &without_id, "", "[]", "{}"] {
            assert_eq!(check_record(line.as_bytes(), &limits), None, "{line}");
        }
        let short = DecodeLimits { record_bytes: LINE.len() - 1, ..limits };
        assert_eq!(check_record(LINE.as_bytes(), &short), None);
        let few = DecodeLimits { values: LINE.len() / 2 - 1, ..limits };
        assert_eq!(check_record(LINE.as_bytes(), &few), None);
        let long = LINE.replacen("edge-7", &"g".repeat(GATEWAY_BYTES + 1), 1);
        assert_eq!(check_record(long.as_bytes(), &limits), None);
        let flat = DecodeLimits { depth: 2, ..limits };
        assert_eq!(check_record(LINE.as_bytes(), &flat), None);
    }
}

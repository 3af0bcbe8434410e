//! Checks one line without building it in memory, for the collector's ingestion of records in the
//! filter's own form. It accepts only lines that [`decode_record`] also accepts, with the same
//! source; it says nothing about any other line, which the full decoder then decides. So it may be
//! strict: unknown keys, duplicate keys, other types, numbers out of range and nested extras are
//! all left to the decoder.
//!
//! [`decode_record`]: super::decode_record

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use uuid::Uuid;

use super::{DecodeLimits, OwnedSource};
use crate::fields::{Field, Kind, RECORD};
use crate::limits::{GATEWAY_BYTES, SEQ_MAX};
use crate::{Level, Timestamp};

/// Nesting of this form: the record, `http`, its headers.
const DEPTH: usize = 3;

/// 2^63: whole numbers below this fit 64 signed bits.
const WHOLE: f64 = 9_223_372_036_854_775_808.0;

/// A record that has its own id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Which record of which sender it is.
    pub source: Option<OwnedSource>,
}

/// Whether the line is a record with its own id, if that can be determined quickly.
pub fn check_record(line: &[u8], limits: &DecodeLimits) -> Option<Checked> {
    // A value can be as short as two bytes: a longer line might have too many values.
    if line.len() > limits.record_bytes || line.len() / 2 > limits.values || limits.depth < DEPTH {
        return None;
    }
    // One pass over the whole line is cheaper than one per string.
    let mut json = serde_json::Deserializer::from_str(str::from_utf8(line).ok()?);
    let mut seen = Seen::default();
    let record = Check { kind: Kind::Object(RECORD), seen: &mut seen };
    record.deserialize(&mut json).ok().filter(|present| *present)?;
    json.end().ok()?;
    seen.id.then_some(())?;
    let source = match (seen.gateway, seen.boot, seen.seq) {
        (Some(gateway), Some(boot), Some(seq)) => Some(OwnedSource { gateway, boot, seq }),
        _ => None,
    };
    Some(Checked { source })
}

/// What is kept of a record that is otherwise discarded.
#[derive(Default)]
struct Seen {
    id: bool,
    gateway: Option<String>,
    boot: Option<Uuid>,
    seq: Option<u64>,
}

/// Reads a value of one kind; returns whether it is present and not null.
struct Check<'s> {
    kind: Kind,
    seen: &'s mut Seen,
}

impl<'de> DeserializeSeed<'de> for Check<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.expected())
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
        present(matches!(self.kind, Kind::Bool))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<bool, E> {
        // Negative: serde_json passes all others as `u64`.
        present(matches!(self.kind, Kind::Int | Kind::Double | Kind::ContextId))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<bool, E> {
        if i64::try_from(number).is_err() {
            return Err(E::custom("too large"));
        }
        if matches!(self.kind, Kind::Seq) {
            self.seen.seq = Some(number);
        }
        present(match self.kind {
            Kind::Int | Kind::Count | Kind::Double | Kind::ContextId => true,
            Kind::Weight => number > 0,
            Kind::Seq => (1..=SEQ_MAX).contains(&number),
            _ => false,
        })
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<bool, E> {
        let fits = match self.kind {
            Kind::Double => true,
            Kind::Weight => number > 0.0,
            _ => false,
        };
        present(fits && number.abs() < WHOLE)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        let seen = self.seen;
        present(match self.kind {
            Kind::Text | Kind::Lines | Kind::ContextId => true,
            Kind::Timestamp => Timestamp::parse(text).is_ok(),
            Kind::Level => text.parse::<Level>().is_ok(),
            Kind::Status => matches!(text, "success" | "error"),
            Kind::Id => {
                seen.id = Uuid::try_parse(text).is_ok();
                seen.id
            }
            Kind::Boot => {
                seen.boot = Uuid::try_parse(text).ok();
                seen.boot.is_some()
            }
            Kind::Gateway => {
                seen.gateway = Some(text.to_owned());
                text.len() <= GATEWAY_BYTES
            }
            _ => false,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<bool, A::Error> {
        if !matches!(self.kind, Kind::Texts | Kind::Lines) {
            return Err(A::Error::custom("an array"));
        }
        while let Some(present) =
            texts.next_element_seed(Check { kind: Kind::Text, seen: self.seen })?
        {
            if !present {
                return Err(A::Error::custom("null in an array of strings"));
            }
        }
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        match self.kind {
            Kind::Object(fields) => object(fields, map, self.seen),
            Kind::Map => flat(map),
            _ => Err(A::Error::custom("an object")),
        }
    }
}

fn present<E: Error>(fits: bool) -> Result<bool, E> {
    if fits { Ok(true) } else { Err(E::custom("another type, or out of range")) }
}

/// An object with the described keys, each at most once.
fn object<'de, A: MapAccess<'de>>(
    fields: &'static [Field],
    mut map: A,
    seen: &mut Seen,
) -> Result<bool, A::Error> {
    let (mut came, mut filled, mut next) = (0_u32, 0_u32, 0);
    while let Some((at, field)) = map.next_key_seed(Position { fields, next })? {
        let bit = bit(at);
        if came & bit != 0 {
            return Err(A::Error::custom("a key comes twice"));
        }
        came |= bit;
        if map.next_value_seed(Check { kind: field.kind, seen })? {
            filled |= bit;
        }
        next = at.saturating_add(1);
    }
    let missing = |(at, field): (usize, &Field)| field.required && filled & bit(at) == 0;
    present(!fields.iter().enumerate().any(missing))
}

fn bit(at: usize) -> u32 {
    u32::try_from(at).ok().and_then(|at| 1_u32.checked_shl(at)).unwrap_or(0)
}

/// Finds a key's position. Keys usually follow the format's order, so the next one is tried first.
struct Position {
    fields: &'static [Field],
    next: usize,
}

impl<'de> DeserializeSeed<'de> for Position {
    type Value = (usize, &'static Field);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Position {
    type Value = (usize, &'static Field);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a known key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        let fields = self.fields.iter().enumerate();
        let (before, after) = (fields.clone().take(self.next), fields.skip(self.next));
        after
            .chain(before)
            .find(|(_, field)| field.key == key)
            .ok_or_else(|| E::custom("an unknown key"))
    }
}

/// An object with any keys without U+0000, whose values are not objects or arrays. A duplicate key
/// is harmless here.
fn flat<'de, A: MapAccess<'de>>(mut map: A) -> Result<bool, A::Error> {
    while let Some(AnyKey) = map.next_key_seed(AnyKey)? {
        map.next_value_seed(Scalar)?;
    }
    Ok(true)
}

/// A key without U+0000, read and discarded.
struct AnyKey;

impl<'de> DeserializeSeed<'de> for AnyKey {
    type Value = Self;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for AnyKey {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key without U+0000")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self, E> {
        if key.contains('\0') { Err(E::custom("U+0000 in a key")) } else { Ok(self) }
    }
}

/// A string, a boolean, a number within range or null, read and discarded.
struct Scalar;

impl<'de> DeserializeSeed<'de> for Scalar {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Scalar {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a boolean, a number or null")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        i64::try_from(number).map(drop).map_err(|_| E::custom("too large"))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        if number.abs() < WHOLE { Ok(()) } else { Err(E::custom("too large")) }
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
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

    /// Asserts that a line accepted by the quick check decodes the same; returns whether it was accepted.
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
    fn a_record_with_any_part_replaced_decodes_the_same_or_is_left_to_the_decoder() {
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
    fn a_record_corrupted_anywhere_decodes_the_same_or_is_left_to_the_decoder() {
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
    fn anything_but_a_gateway_record_is_left_to_the_decoder() {
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

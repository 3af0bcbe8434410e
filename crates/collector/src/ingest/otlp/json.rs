//! OTLP/JSON, rewritten as protobuf, in one pass over the text and without a tree of it. Source: the
//! OTLP specification, "JSON Protobuf Encoding": keys in lower camel case, ids in hexadecimal,
//! 64-bit numbers as text or as numbers, unknown keys ignored. A null counts as absent.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::scalar::Scalar;
use super::schema::{EXPORT, Kind, Schema};
use super::wire::{put_tag, put_varint};
use crate::ingest::batch::BatchError;

/// Rewrites a request. The result is never longer than the text.
///
/// # Errors
///
/// It is not JSON, is nested too deep for the parser, or a key has a value of another type.
pub fn to_protobuf(json: &[u8]) -> Result<Vec<u8>, BatchError> {
    let mut out = Vec::with_capacity(json.len());
    let mut reader = serde_json::Deserializer::from_slice(json);
    let read = Object { schema: &EXPORT, out: &mut out }.deserialize(&mut reader);
    let read = read.and_then(|_| reader.end());
    read.map_err(|error| BatchError::Export(format!("not JSON of one: {error}")))?;
    Ok(out)
}

/// Reads an object, and writes its fields. Returns whether there was one.
struct Object<'o> {
    schema: &'static Schema,
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    /// Without the text, which may be a secret.
    fn visit_str<E: Error>(self, _: &str) -> Result<bool, E> {
        Err(E::invalid_type(Unexpected::Other("string"), &self))
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            let Some((name, number, kind)) =
                self.schema.0.iter().find(|(name, ..)| *name == key).copied()
            else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            match kind {
                Kind::Message(schema) => {
                    map.next_value_seed(Nested { schema, number, out: self.out })?;
                }
                Kind::Repeated(schema) => {
                    map.next_value_seed(List { schema, number, out: self.out })?;
                }
                kind => map.next_value_seed(Scalar { name, number, kind, out: self.out })?,
            }
        }
        Ok(true)
    }
}

/// A message within a message.
struct Nested<'o> {
    schema: &'static Schema,
    number: u64,
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Nested<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let start = self.out.len();
        put_tag(self.number, 2, self.out);
        // Most messages have a length of one byte; a longer one is inserted.
        let length_at = self.out.len();
        self.out.push(0);
        let content = length_at.saturating_add(1);
        let object = Object { schema: self.schema, out: self.out };
        if !object.deserialize(deserializer)? {
            self.out.truncate(start);
            return Ok(());
        }
        let mut length = Vec::new();
        let bytes = self.out.len().saturating_sub(content);
        put_varint(u64::try_from(bytes).unwrap_or(u64::MAX), &mut length);
        self.out.splice(length_at..content, length);
        Ok(())
    }
}

/// An array of messages.
struct List<'o> {
    schema: &'static Schema,
    number: u64,
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    /// Without the text, which may be a secret.
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(E::invalid_type(Unexpected::Other("string"), &self))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let List { schema, number, out } = self;
        while seq.next_element_seed(Nested { schema, number, out })?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_type_is_refused_by_name_and_not_quoted() {
        let of = |record: &str| {
            let text =
                format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#);
            to_protobuf(text.as_bytes()).map_err(|error| error.to_string())
        };
        for (record, says) in [
            (r#"{"traceId":"secret"}"#, "traceId: must be a string of hexadecimal digits"),
            (r#"{"traceId":"abc"}"#, "traceId: must be a string of hexadecimal digits"),
            (r#"{"timeUnixNano":"-1"}"#, "timeUnixNano: must be a whole number"),
            (r#"{"timeUnixNano":1.5}"#, "timeUnixNano: must be a whole number"),
            (r#"{"flags":4294967296}"#, "flags: must be a whole number"),
            (r#"{"severityNumber":"SEVERITY"}"#, "severityNumber: must be a whole number"),
            (r#"{"severityNumber":9.5}"#, "severityNumber: must be a whole number"),
            (r#"{"body":{"intValue":"1e"}}"#, "intValue: must be a whole number"),
            (r#"{"body":{"bytesValue":"?"}}"#, "bytesValue: must be a string in base64"),
            (r#"{"body":{"boolValue":1}}"#, "boolValue: must be true or false"),
            (r#"{"body":{"stringValue":1}}"#, "expected a string as \"stringValue\""),
            (r#"{"body":{"doubleValue":true}}"#, "doubleValue: must be a number"),
            (r#"{"body":"secret"}"#, "expected an object"),
            (r#"{"attributes":{}}"#, "expected an array"),
            (r#"{"severityText":{}}"#, "expected a string as \"severityText\""),
            ("{", "key must be a string"),
        ] {
            let error = of(record).unwrap_err();
            assert!(error.contains(says) && !error.contains("secret"), "{error}, not {says}");
        }
        let latest = r#"{"timeUnixNano":"18446744073709551615"}"#;
        for record in [latest, r"{}", r#"{"unknown":[{"a":1}],"body":null,"traceId":null}"#, "null"]
        {
            of(record).unwrap();
        }
        assert!(to_protobuf(b"{} {}").is_err() && to_protobuf(b"[]").is_err());
    }

    #[test]
    fn it_is_never_longer_as_protobuf() {
        for text in [
            format!(r#"{{"resourceLogs":[{}{{}}]}}"#, "{},".repeat(999)),
            format!(
                r#"{{"resourceLogs":[{{"resource":{{"attributes":[{}{{}}]}}}}]}}"#,
                r#"{"key":"","value":{}},"#.repeat(99)
            ),
        ] {
            assert!(to_protobuf(text.as_bytes()).unwrap().len() <= text.len());
        }
    }
}

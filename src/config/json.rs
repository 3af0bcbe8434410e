//! Reads JSON and rejects duplicate names in one object.
//!
//! JSON does not define which of several equal names counts (RFC 8259 §4). A reader that takes the
//! last one hides the rest: a section written twice would silently lose its first half.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::fault::Faults;

/// Reads one JSON text; each repeated name is a fault, and its first value is kept.
pub(super) fn parse(text: &[u8], faults: &Faults) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Unique { name: String::new(), faults }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads the value of this dotted name.
struct Unique<'f> {
    name: String,
    faults: &'f Faults,
}

impl Unique<'_> {
    fn below(&self, key: &str) -> Self {
        let name =
            if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        Self { name, faults: self.faults }
    }
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        let element = |list: &Vec<Value>| Unique {
            name: format!("{}[{}]", self.name, list.len()),
            faults: self.faults,
        };
        while let Some(value) = elements.next_element_seed(element(&list))? {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let below = self.below(&key);
            let name = below.name.clone();
            let value = entries.next_value_seed(below)?;
            if object.contains_key(&key) {
                self.faults.report_hidden(&name, "is given more than once: keep one of them");
            } else {
                object.insert(key, value);
            }
        }
        Ok(object.into())
    }
}

//! A value of OTLP/JSON that is not an object or an array, as a protobuf field.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

use super::schema::Kind;
use super::wire::{put_bytes, put_tag, put_varint};

/// A text, a number, a boolean, or null.
pub(super) struct Scalar<'o> {
    pub(super) name: &'static str,
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) out: &'o mut Vec<u8>,
}

impl Scalar<'_> {
    fn wrong<E: Error>(&self) -> E {
        let expected = match self.kind {
            Kind::Text => "a string",
            Kind::Hex => "a string of hexadecimal digits",
            Kind::Base64 => "a string in base64",
            Kind::Bool => "true or false",
            Kind::Int | Kind::Fixed64 | Kind::Fixed32 => "a whole number",
            Kind::Double => "a number",
            Kind::Message(_) | Kind::Repeated(_) => "an object or an array",
        };
        E::custom(format!("{}: must be {expected}", self.name))
    }

    fn whole<E: Error>(self, value: i128) -> Result<(), E> {
        let unsigned = u64::try_from(value);
        match self.kind {
            Kind::Int => {
                let signed = i64::try_from(value).map_err(|_| self.wrong())?;
                put_tag(self.number, 0, self.out);
                put_varint(signed.cast_unsigned(), self.out);
            }
            Kind::Fixed64 => {
                let bytes = unsigned.map_err(|_| self.wrong())?.to_le_bytes();
                put_tag(self.number, 1, self.out);
                self.out.extend_from_slice(&bytes);
            }
            Kind::Fixed32 => {
                let bytes = u32::try_from(value).map_err(|_| self.wrong())?.to_le_bytes();
                put_tag(self.number, 5, self.out);
                self.out.extend_from_slice(&bytes);
            }
            #[expect(clippy::cast_precision_loss, reason = "as every JSON reader reads it")]
            Kind::Double => self.double(value as f64),
            _ => return Err(self.wrong()),
        }
        Ok(())
    }

    fn double(self, value: f64) {
        put_tag(self.number, 1, self.out);
        self.out.extend_from_slice(&value.to_le_bytes());
    }
}

impl<'de> DeserializeSeed<'de> for Scalar<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Scalar<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "another type of \"{}\"", self.name)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        let Kind::Bool = self.kind else { return Err(self.wrong()) };
        put_tag(self.number, 0, self.out);
        put_varint(u64::from(value), self.out);
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.whole(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.whole(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        match self.kind {
            Kind::Double => {
                self.double(value);
                Ok(())
            }
            #[expect(clippy::cast_possible_truncation, reason = "a whole number within the range")]
            Kind::Int | Kind::Fixed64 if value.fract() == 0.0 && value.abs() < 1e20 => {
                self.whole(value as i128)
            }
            _ => Err(self.wrong()),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        match self.kind {
            Kind::Text => put_bytes(self.number, value.as_bytes(), self.out),
            Kind::Hex => {
                let bytes = unhex(value).ok_or_else(|| self.wrong())?;
                put_bytes(self.number, &bytes, self.out);
            }
            Kind::Base64 => {
                let read = STANDARD.decode(value).or_else(|_| URL_SAFE.decode(value));
                put_bytes(self.number, &read.map_err(|_| self.wrong())?, self.out);
            }
            Kind::Double => {
                let value = value.parse().map_err(|_| self.wrong())?;
                self.double(value);
            }
            Kind::Int | Kind::Fixed64 | Kind::Fixed32 => {
                let value = value.parse::<i128>().map_err(|_| self.wrong())?;
                return self.whole(value);
            }
            _ => return Err(self.wrong()),
        }
        Ok(())
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high << 4 | low).ok(),
        _ => None,
    });
    pairs.collect()
}

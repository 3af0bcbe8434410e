//! A value of OTLP/JSON that is not an object or an array, as a protobuf field.

use std::borrow::Cow;
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
            Kind::Int | Kind::IntOrDouble(_) | Kind::Fixed64 | Kind::Fixed32 => "a whole number",
            Kind::Double => "a number",
            Kind::Message(_) | Kind::Repeated(_) => "an object or an array",
        };
        E::custom(format!("{}: must be {expected}", self.name))
    }

    fn whole<E: Error>(self, value: i128) -> Result<(), E> {
        let unsigned = u64::try_from(value);
        match self.kind {
            Kind::Int | Kind::IntOrDouble(_) => {
                let Ok(signed) = i64::try_from(value) else {
                    #[expect(
                        clippy::cast_precision_loss,
                        reason = "as every JSON reader reads it"
                    )]
                    return self.not_an_int(value as f64);
                };
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

    /// A number that is no 64-bit integer: exporters in JavaScript send every number without a fraction
    /// as an `intValue`. Kept as a double, so that it costs no other record of its request.
    fn not_an_int<E: Error>(self, value: f64) -> Result<(), E> {
        let Kind::IntOrDouble(number) = self.kind else { return Err(self.wrong()) };
        Scalar { number, ..self }.double(value);
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
        match self.kind {
            // As bytes, because a text may have an escaped half of a surrogate pair.
            Kind::Text => deserializer.deserialize_option(self),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Scalar<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Text => write!(f, "a string as \"{}\"", self.name),
            _ => write!(f, "another type of \"{}\"", self.name),
        }
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_bytes(self)
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<(), E> {
        let text = text(value).ok_or_else(|| E::custom(format!("{}: must be UTF-8", self.name)))?;
        self.visit_str(&text)
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
            Kind::Int | Kind::IntOrDouble(_) | Kind::Fixed64
                if value.fract() == 0.0 && value.abs() < 1e20 =>
            {
                self.whole(value as i128)
            }
            Kind::IntOrDouble(_) => self.not_an_int(value),
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
            Kind::Int | Kind::IntOrDouble(_) | Kind::Fixed64 | Kind::Fixed32 => {
                let value = value.parse::<i128>().map_err(|_| self.wrong())?;
                return self.whole(value);
            }
            _ => return Err(self.wrong()),
        }
        Ok(())
    }
}

/// A text as JSON has it, each half of a surrogate pair without the other one as U+FFFD: a text that was
/// cut in JavaScript may end in one. `None` if it is not UTF-8 otherwise.
fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Some(text.into());
    }
    let mut bytes = bytes.to_vec();
    let mut rest = bytes.as_mut_slice();
    while let [first, after @ ..] = rest {
        if let (0xed, [second @ 0xa0..=0xbf, third @ 0x80..=0xbf, ..]) = (*first, &mut *after) {
            (*first, *second, *third) = (0xef, 0xbf, 0xbd);
        }
        rest = after;
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high << 4 | low).ok(),
        _ => None,
    });
    pairs.collect()
}

//! The protobuf wire format, read in place: nothing is copied or allocated, whatever the bytes say.
//! Source: protobuf.dev, "Encoding".

use std::fmt;

/// The largest wire form of a 64-bit number, in bytes.
const VARINT_BYTES: usize = 10;

/// The bytes of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Message<'a> {
    bytes: &'a [u8],
}

/// One field of a message.
pub(super) type Field<'a> = (u64, Wire<'a>);

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire<'a> {
    /// A number of variable length.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// Four bytes.
    Fixed32(u32),
    /// A text, bytes or a message.
    Bytes(&'a [u8]),
}

/// Bytes that are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(&'static str);

impl Malformed {
    /// A field that must occur once occurs twice.
    pub(super) const TWICE: Self = Self("a resource or a scope occurs twice");
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl<'a> Message<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Its length in bytes.
    pub(super) const fn len(self) -> usize {
        self.bytes.len()
    }

    /// Its fields, in the order in which they were sent.
    pub(super) const fn checked(self) -> Fields<'a> {
        Fields { rest: self.bytes }
    }

    /// Its fields, up to the first that is malformed: of a message that was checked before, all.
    pub(super) fn fields(self) -> impl Iterator<Item = Field<'a>> {
        self.checked().map_while(Result::ok)
    }

    /// The messages in one of its fields.
    pub(super) fn messages(self, number: u64) -> impl Iterator<Item = Message<'a>> {
        self.fields().filter_map(move |field| match field {
            (found, Wire::Bytes(bytes)) if found == number => Some(Message { bytes }),
            _ => None,
        })
    }
}

/// Reads a message field by field; ends after the first that is malformed.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn next_field(&mut self) -> Result<Field<'a>, Malformed> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 {
            return Err(Malformed("a field has the number 0"));
        }
        let value = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Malformed("a field has a wire type that OTLP does not use")),
        };
        Ok((number, value))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().take(VARINT_BYTES).enumerate() {
            let shift = u32::try_from(index).unwrap_or(0).saturating_mul(7);
            value |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if *byte < 0x80 {
                self.take(index.saturating_add(1))?;
                return Ok(value);
            }
        }
        Err(Malformed("a number is cut off or has more than 10 bytes"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed("a number is cut off"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let cut = Malformed("a field is longer than what is left of its message");
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(cut)?;
        self.rest = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.next_field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Writes a field's tag.
pub(super) fn put_tag(number: u64, wire_type: u64, out: &mut Vec<u8>) {
    put_varint(number << 3 | wire_type, out);
}

/// Writes a number of variable length.
pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

/// Writes a text, bytes or a message.
pub(super) fn put_bytes(number: u64, bytes: &[u8], out: &mut Vec<u8>) {
    put_tag(number, 2, out);
    put_varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX), out);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Field<'_>>, Malformed> {
        Message::new(bytes).checked().collect()
    }

    #[test]
    fn every_wire_type_reads_back() {
        let mut bytes = Vec::new();
        for value in [0, 127, 128, u64::MAX] {
            put_tag(1, 0, &mut bytes);
            put_varint(value, &mut bytes);
        }
        put_bytes(1_000, b"text", &mut bytes);
        bytes.extend([3 << 3 | 1, 1, 0, 0, 0, 0, 0, 0, 0, 4 << 3 | 5, 2, 0, 0, 0]);
        assert_eq!(
            read(&bytes).unwrap(),
            [
                (1, Wire::Varint(0)),
                (1, Wire::Varint(127)),
                (1, Wire::Varint(128)),
                (1, Wire::Varint(u64::MAX)),
                (1_000, Wire::Bytes(b"text")),
                (3, Wire::Fixed64(1)),
                (4, Wire::Fixed32(2)),
            ]
        );
    }

    #[test]
    fn malformed_bytes_are_named_and_nothing_follows_them() {
        for (bytes, says) in [
            (&b"\x00"[..], "number 0"),
            (b"\x0a\x05abc", "longer than what is left"),
            (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "longer than what is left"),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "more than 10 bytes"),
            (b"\x08", "cut off"),
            (b"\x09\x01", "longer than what is left"),
            (b"\x0b\x0c", "wire type"),
            (b"\x0f", "wire type"),
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.to_string().contains(says), "{error}, not {says}");
            assert_eq!(Message::new(bytes).fields().count(), 0);
            assert_eq!(Message::new(bytes).checked().count(), 1);
        }
    }
}

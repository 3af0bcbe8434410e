//! Variable-length integers (LEB128): seven bits per byte, lowest first, with the top bit set on
//! all but the last.

/// Appends a number.
pub(crate) fn write(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// Appends bytes, prefixed with their length.
pub(crate) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write(u64::try_from(bytes.len()).unwrap_or(0), out);
    out.extend_from_slice(bytes);
}

/// Reads what the functions above wrote.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts reading at the beginning.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// Whether everything has been read.
    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The next number; `None` if there is none.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.left.split_first()?;
            self.left = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// The next length-prefixed bytes.
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.left.split_at_checked(length)?;
        self.left = rest;
        Some(bytes)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.left.split_first_chunk::<N>()?;
        self.left = rest;
        Some(*bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut out = Vec::new();
        for value in [0, 127, 128, u64::MAX] {
            write(value, &mut out);
        }
        write_bytes(b"edge", &mut out);
        let mut reader = Reader::new(&out);
        let numbers: Vec<_> = (0..4).map(|_| reader.number().unwrap()).collect();
        assert_eq!(numbers, [0, 127, 128, u64::MAX]);
        assert_eq!(reader.clone().array::<5>(), Some(*b"\x04edge"));
        assert_eq!((reader.bytes(), reader.is_empty()), (Some(&b"edge"[..]), true));
        assert_eq!(reader.number(), None);
        assert_eq!(Reader::new(&[0xff; 11]).number(), None);
        assert_eq!(Reader::new(&[5, 1]).bytes(), None);
    }
}

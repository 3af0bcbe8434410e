//! A header map in the host's encoding, read in place.
//!
//! Layout, all integers little endian u32 (proxy-wasm ABI 0.2.1, "serialized map"): the number of
//! pairs; for each the lengths of name and value; then for each the name, NUL, the value, NUL.

use std::borrow::Cow;
use std::ops::Range;

/// A map of header names (lower case, as the proxy keeps them) and values (any bytes), in order.
///
/// Malformed bytes read as the end of the map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    serialized: Vec<u8>,
}

impl Headers {
    /// A map from the host's bytes.
    pub fn from_serialized(serialized: Vec<u8>) -> Self {
        Self { serialized }
    }

    /// A map from pairs.
    pub fn from_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Self {
        fn length(bytes: &[u8]) -> [u8; 4] {
            u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
        }
        // Two lengths of four bytes, and a NUL after name and value.
        let sizes = pairs.iter().map(|(name, value)| {
            name.as_ref().len().saturating_add(value.as_ref().len()).saturating_add(10)
        });
        let mut serialized = Vec::with_capacity(sizes.fold(4, usize::saturating_add));
        serialized.extend(u32::try_from(pairs.len()).unwrap_or(u32::MAX).to_le_bytes());
        for (name, value) in pairs {
            serialized.extend_from_slice(&length(name.as_ref()));
            serialized.extend_from_slice(&length(value.as_ref()));
        }
        for (name, value) in pairs {
            serialized.extend_from_slice(name.as_ref());
            serialized.push(0);
            serialized.extend_from_slice(value.as_ref());
            serialized.push(0);
        }
        Self { serialized }
    }

    /// The map in the host's encoding.
    pub fn into_serialized(self) -> Vec<u8> {
        self.serialized
    }

    /// Whether the map is empty.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> Iter<'_> {
        let count = read_u32(&self.serialized, 0).unwrap_or(0);
        let data = count.checked_mul(8).and_then(|lengths| lengths.checked_add(4));
        Iter { map: &self.serialized, left: count, lengths: 4, data: data.unwrap_or(usize::MAX) }
    }

    /// Values of one header, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let mut pairs = self.iter();
        std::iter::from_fn(move || pairs.next_named(name.as_bytes()))
    }

    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().next_named(name.as_bytes())
    }

    /// The only value of a header; `None` also if there are several.
    pub fn single(&self, name: &str) -> Option<&[u8]> {
        let mut pairs = self.iter();
        let only = pairs.next_named(name.as_bytes())?;
        pairs.next_named(name.as_bytes()).is_none().then_some(only)
    }

    /// The first value of a header as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(lossy)
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Bytes as text; those that are not UTF-8 are replaced. Valid text, the usual case, is checked
/// several bytes at a time.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// Names and values of a map.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    map: &'a [u8],
    left: usize,
    /// Offset of the next pair's lengths.
    lengths: usize,
    /// Offset of the next pair's name.
    data: usize,
}

impl<'a> Iter<'a> {
    /// Offsets of the next pair's name and value, not yet checked against the map's bounds.
    fn advance(&mut self) -> Option<(Range<usize>, Range<usize>)> {
        self.left = self.left.checked_sub(1)?;
        let name_length = read_u32(self.map, self.lengths)?;
        let value_length = read_u32(self.map, self.lengths.checked_add(4)?)?;
        let name_end = self.data.checked_add(name_length)?;
        let value_start = name_end.checked_add(1)?;
        let value_end = value_start.checked_add(value_length)?;
        let places = (self.data..name_end, value_start..value_end);
        self.lengths = self.lengths.checked_add(8)?;
        self.data = value_end.checked_add(1)?;
        Some(places)
    }

    /// The next value of a name. Names of another length are skipped unread: the filter looks up
    /// a dozen names, and Envoy passes a dozen others.
    fn next_named(&mut self, wanted: &[u8]) -> Option<&'a [u8]> {
        loop {
            let (name, value) = self.advance()?;
            if name.len() == wanted.len() && self.map.get(name)? == wanted {
                return self.map.get(value);
            }
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.advance()?;
        Some((self.map.get(name)?, self.map.get(value)?))
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<usize> {
    let (number, _) = bytes.get(at..)?.split_first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*number)).ok()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn pairs_read_back_in_order_with_any_bytes() {
        let map = Headers::from_pairs(&[
            (&b":path"[..], &b"/a"[..]),
            (b"x", b"\xff\xfe"),
            (b"x", b""),
            (b"", b"nameless"),
        ]);
        let pairs: Vec<_> = map.iter().collect();
        assert_eq!(pairs[0], (&b":path"[..], &b"/a"[..]));
        assert_eq!(map.values("x").collect::<Vec<_>>(), [&b"\xff\xfe"[..], b""]);
        assert_eq!(map.text("x").unwrap(), "\u{fffd}\u{fffd}");
        assert_eq!((map.single("x"), map.single(":path")), (None, Some(&b"/a"[..])));
        assert_eq!(map.get("absent"), None);
        assert_eq!(pairs.len(), 4);
    }

    #[test]
    fn an_empty_or_absent_map_has_no_headers() {
        assert!(Headers::default().is_empty());
        assert!(Headers::from_serialized(vec![0, 0, 0, 0]).is_empty());
        assert!(Headers::from_serialized(vec![9]).is_empty());
    }

    #[test]
    fn a_map_cut_or_bent_anywhere_never_reads_past_its_bytes() {
        let whole = Headers::from_pairs(&[("a", "1"), ("bc", "23")]).serialized;
        for end in 0..whole.len() {
            let _ = Headers::from_serialized(whole[..end].to_vec()).iter().count();
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut bent = whole.clone();
                bent[at] = byte;
                assert!(Headers::from_serialized(bent).iter().count() <= whole.len());
            }
        }
    }
}

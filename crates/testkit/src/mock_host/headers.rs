//! A header map and its ABI encoding.

use std::fmt;

/// Headers in order of arrival; names are kept in lower case, values are any bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(have, _)| name.eq_ignore_ascii_case(have)).map(|(_, value)| value)
    }

    /// The first value of a name, if it is valid text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Adds a value to those that the name already has.
    pub fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.0.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
    }

    /// Makes this the only value of a name.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.remove(name);
        self.add(name, value);
    }

    /// Removes a name with all its values.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(have, _)| !name.eq_ignore_ascii_case(have));
    }

    /// Every name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The number of headers.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ABI encoding.
    pub(super) fn encode(&self) -> Vec<u8> {
        let pairs = self.iter().map(|(name, value)| (name.as_bytes(), value));
        encode(&pairs.collect::<Vec<_>>())
    }

    /// Reads the ABI encoding; the error says what is wrong with it.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Ok(Self::new());
        }
        let mut rest = bytes;
        let count = number(&mut rest)?;
        let lengths = (0..count)
            .map(|_| Ok((number(&mut rest)?, number(&mut rest)?)))
            .collect::<Result<Vec<_>, String>>()?;
        let mut headers = Self::new();
        for (name, value) in lengths {
            let name = field(&mut rest, name)?;
            let name = std::str::from_utf8(name).map_err(|error| format!("a name: {error}"))?;
            headers.add(name, field(&mut rest, value)?);
        }
        if rest.is_empty() {
            Ok(headers)
        } else {
            Err(format!("{} bytes follow the last pair", rest.len()))
        }
    }
}

/// The ABI encoding of pairs: the count, each pair's two lengths, then the pairs, each name and
/// value followed by a NUL; numbers are 32 bits, little endian. A list is encoded as the names of a
/// map.
pub(super) fn encode(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let number = |out: &mut Vec<u8>, value: usize| {
        out.extend_from_slice(&u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes());
    };
    number(&mut out, pairs.len());
    for (name, value) in pairs {
        number(&mut out, name.len());
        number(&mut out, value.len());
    }
    for (name, value) in pairs {
        out.extend_from_slice(name);
        out.push(0);
        out.extend_from_slice(value);
        out.push(0);
    }
    out
}

fn number(rest: &mut &[u8]) -> Result<u32, String> {
    let (number, after) = rest.split_first_chunk().ok_or("ends within a length")?;
    *rest = after;
    Ok(u32::from_le_bytes(*number))
}

fn field<'a>(rest: &mut &'a [u8], length: u32) -> Result<&'a [u8], String> {
    let length = usize::try_from(length).map_err(|error| error.to_string())?;
    let (field, after) = rest.split_at_checked(length).ok_or("ends within a pair")?;
    *rest = after.strip_prefix(&[0]).ok_or("no NUL after a name or value")?;
    Ok(field)
}

impl<V: AsRef<[u8]>, const N: usize> From<[(&str, V); N]> for Headers {
    fn from(pairs: [(&str, V); N]) -> Self {
        let mut headers = Self::new();
        for (name, value) in pairs {
            headers.add(name, value);
        }
        headers
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, value.escape_ascii().to_string())))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_back_from_their_form_on_the_abi() {
        let headers =
            Headers::from([(":method", &b"GET"[..]), ("X-Bytes", b"\xff\x00"), ("e", b"")]);
        let bytes = headers.encode();
        assert_eq!(bytes.get(..12), Some(&[3, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0][..]));
        assert_eq!(Headers::decode(&bytes), Ok(headers));
        assert_eq!(Headers::decode(b""), Ok(Headers::new()));
        assert_eq!(Headers::decode(&[0; 4]), Ok(Headers::new()));
    }

    #[test]
    fn what_is_no_header_map_is_refused() {
        let bytes = Headers::from([("a", "b")]).encode();
        for end in 1..bytes.len() {
            assert!(Headers::decode(&bytes[..end]).is_err(), "{end}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(Headers::decode(&longer), Err("1 bytes follow the last pair".to_owned()));
    }

    #[test]
    fn names_are_compared_without_case_and_setting_replaces_all_values() {
        let mut headers = Headers::from([("X-A", "1"), ("x-a", "2")]);
        assert_eq!(headers.text("x-A"), Some("1"));
        headers.set("X-a", "3");
        assert_eq!(headers, Headers::from([("x-a", "3")]));
    }
}

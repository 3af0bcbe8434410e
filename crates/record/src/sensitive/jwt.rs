//! Masks JSON Web Tokens by their form, wherever they are: in the path of a link that was mailed, in
//! a parameter with a harmless name, in free text.

use std::borrow::Cow;

use super::MASK;

/// The beginning of every compact token (RFC 7515 §3.1): `{"` in base64url.
const START: &[u8] = b"eyJ";

/// Least length in bytes of the first part, the header: `{"alg":""}` has 14.
const HEADER_BYTES: usize = 14;

/// The text with each token masked. Reads each byte twice at most.
pub fn masked(text: &str) -> Cow<'_, str> {
    let Some(first) = find(text, 0) else { return Cow::Borrowed(text) };
    let mut masked = String::with_capacity(text.len());
    let (mut done, mut found) = (0, Some(first));
    while let Some((start, end)) = found {
        masked.push_str(text.get(done..start).unwrap_or_default());
        masked.push_str(MASK);
        done = end;
        found = find(text, done);
    }
    masked.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(masked)
}

/// Where the first token after `from` starts and ends.
fn find(text: &str, mut from: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    loop {
        let rest = bytes.get(from..)?;
        let start = from.saturating_add(rest.windows(START.len()).position(|at| at == START)?);
        let token = bytes.get(start..)?;
        let header = length(token, is_base64url);
        let end = start.saturating_add(length(token, |byte| is_base64url(byte) || byte == b'.'));
        if header >= HEADER_BYTES && token.get(header) == Some(&b'.') {
            return Some((start, end));
        }
        from = end;
    }
}

fn length(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !belongs(*byte)).unwrap_or(bytes.len())
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_token_is_known_by_its_form() {
        for (text, expected) in [
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.S-S_S", "[redacted]"),
            ("/verify/eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0./b", "/verify/[redacted]/b"),
            ("%20eyJhbGciOiJub25lIn0.S eyJhbGciOiJub25lIn0.S", "%20[redacted] [redacted]"),
            ("eyJhbGciOiJub25lIn0", "eyJhbGciOiJub25lIn0"),
            ("eyJeyJ.a heyJ.", "eyJeyJ.a heyJ."),
            ("eyJ", "eyJ"),
            ("", ""),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }
}

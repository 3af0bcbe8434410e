//! Private keys in their textual encoding (RFC 7468), which extend over several lines.

use std::borrow::Cow;
use std::ops::Range;

use super::MASK;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
const KEY: &str = "PRIVATE KEY";

/// The text with each private key masked, from its first line to its last; one whose last line is
/// missing extends to the end of the text. Certificates and public keys are kept.
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    let Some(mut found) = key(text) else { return Cow::Borrowed(text) };
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    loop {
        kept.push_str(rest.get(..found.start).unwrap_or_default());
        kept.push_str(MASK);
        rest = rest.get(found.end..).unwrap_or_default();
        match key(rest) {
            Some(next) => found = next,
            None => break,
        }
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// Where the first private key is.
fn key(text: &str) -> Option<Range<usize>> {
    let mut from = 0_usize;
    loop {
        let start = from.saturating_add(text.get(from..)?.find(BEGIN)?);
        let label = start.saturating_add(BEGIN.len());
        let rest = text.get(label..)?;
        // A label is short, and in the same line.
        let name = rest.get(..rest.find(DASHES).unwrap_or(rest.len()))?;
        if name.contains(KEY) && !name.contains('\n') {
            let end = after_end(rest).map_or(text.len(), |length| label.saturating_add(length));
            return Some(start..end);
        }
        from = label;
    }
}

/// The length up to the end of the first closing line.
fn after_end(text: &str) -> Option<usize> {
    let end = text.find(END)?.saturating_add(END.len());
    let dashes = text.get(end..)?.find(DASHES)?;
    Some(end.saturating_add(dashes).saturating_add(DASHES.len()))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_private_key_is_masked_from_its_first_line_to_its_last_and_nothing_else_is() {
        for (text, expected) in [
            ("", ""),
            (
                "key -----BEGIN PRIVATE KEY-----\nMIIE\nS\n-----END PRIVATE KEY----- used",
                "key [redacted] used",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\\nS\\n-----END RSA PRIVATE KEY-----\n\
                 -----BEGIN OPENSSH PRIVATE KEY-----\nS",
                "[redacted]\n[redacted]",
            ),
            (
                "-----BEGIN PUBLIC KEY-----\nk\n-----END PUBLIC KEY-----\n\
                 -----BEGIN EC PRIVATE KEY-----\nS\n-----END EC PRIVATE KEY",
                "-----BEGIN PUBLIC KEY-----\nk\n-----END PUBLIC KEY-----\n[redacted]",
            ),
            ("-----BEGIN a line\nPRIVATE KEY-----\n", "-----BEGIN a line\nPRIVATE KEY-----\n"),
            ("-----BEGIN ", "-----BEGIN "),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }
}

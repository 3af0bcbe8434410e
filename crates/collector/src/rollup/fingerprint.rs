//! Which errors are the same error.

use sha2::{Digest, Sha256};

use super::dimension::cut;

/// Maximum bytes of a message that are looked at.
const MESSAGE_BYTES: usize = 256;

/// 16 hexadecimal digits for what identifies an error: who reported it, where, what kind it is, and,
/// where it has no kind, its message without whatever changes from one time to the next.
pub(super) fn fingerprint(logger: &str, function: &str, kind: &str, message: &str) -> String {
    let template = if kind.is_empty() { template(message) } else { String::new() };
    let mut hash = Sha256::new();
    for part in [cut(logger), cut(function), cut(kind), &template] {
        // No text contains this byte: the parts cannot run into each other.
        hash.update(part.as_bytes());
        hash.update([0xff]);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let (first, _) = hash.split_first_chunk().unwrap_or((&[0; 8], &[]));
    format!("{:016x}", u64::from_be_bytes(*first))
}

/// A message with `#` for every word that has a digit: numbers, ids, times, addresses.
pub(super) fn template(message: &str) -> String {
    let message = message.get(..message.floor_char_boundary(MESSAGE_BYTES)).unwrap_or_default();
    let mut out = String::with_capacity(message.len());
    for part in message.split_inclusive(|letter: char| !letter.is_alphanumeric()) {
        let word = part.trim_end_matches(|letter: char| !letter.is_alphanumeric());
        if word.chars().any(|letter| letter.is_ascii_digit()) {
            out.push('#');
            out.push_str(part.get(word.len()..).unwrap_or_default());
        } else {
            out.push_str(part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_from_one_time_to_the_next_is_left_out() {
        assert_eq!(template("user 17 not found in 3.2 ms"), "user # not found in #.# ms");
        assert_eq!(template("no id 4410c09a-1f2e: retry"), "no id #-#: retry");
        assert_eq!(template("größe: 5€"), "größe: #€");
        assert_eq!(template(&"é".repeat(200)).len(), MESSAGE_BYTES);
    }

    #[test]
    fn one_error_has_one_fingerprint_and_another_a_different_one() {
        let of = fingerprint;
        let one = of("app", "send", "", "user 17 not found");
        assert_eq!(one.len(), 16);
        assert_eq!(one, of("app", "send", "", "user 18 not found"));
        assert_ne!(one, of("app", "send", "", "users not found"));
        assert_ne!(one, of("app", "read", "", "user 17 not found"));
        // With a kind the message does not matter: it often contains data.
        let kind = of("app", "send", "KeyError", "'a'");
        assert_eq!(kind, of("app", "send", "KeyError", "'b'"));
        assert_ne!(of("ab", "c", "k", ""), of("a", "bc", "k", ""));
    }
}

//! Takes the user's name and password out of a URL's authority, wherever one stands in a text.

use std::borrow::Cow;

use super::MASK;

/// How far a password that is not encoded is looked for past a slash in it, in characters: no
/// password is longer, and a text full of slashes is still read in linear time.
const PASSWORD_CHARS: usize = 256;

/// The text without the user information of any authority in it. In a text that was cut, an
/// authority at its end may lack just the `@`: it is masked.
pub(super) fn removed(text: &str, cut: bool) -> Cow<'_, str> {
    if !text.contains('@') && !cut {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut rest = text;
    let mut changed = false;
    while let Some((before, from_authority)) = after_slashes(rest) {
        kept.push_str(before);
        let (authority, after) = authority(from_authority);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                kept.push_str(host);
                changed = true;
            }
            None if cut && after.is_empty() && !authority.is_empty() => {
                kept.push_str(MASK);
                changed = true;
            }
            None => kept.push_str(authority),
        }
        rest = after;
    }
    kept.push_str(rest);
    if changed { Cow::Owned(kept) } else { Cow::Borrowed(text) }
}

/// Splits behind the next slashes that an authority may follow: `//`, `:/` (two slashes that were
/// merged), and backslashes, which browsers take for slashes.
fn after_slashes(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let slash = |byte: u8| matches!(byte, b'/' | b'\\');
    let pairs = bytes.iter().zip(bytes.iter().skip(1));
    let begins = |(one, two): (&u8, &u8)| (slash(*one) || *one == b':') && slash(*two);
    let start = pairs.into_iter().position(begins)?;
    let slashes = bytes.iter().skip(start.saturating_add(1)).take_while(|byte| slash(**byte));
    text.split_at_checked(start.saturating_add(1).saturating_add(slashes.count()))
}

/// Splits off the authority. One that cannot be, as its port is no number, may be a password with a
/// slash in it: then all up to the last `@` of the next [`PASSWORD_CHARS`] belongs to it.
fn authority(text: &str) -> (&str, &str) {
    let ends = |end: char| end.is_whitespace() || matches!(end, '"' | '<' | '>');
    let slash = |end: char| ends(end) || matches!(end, '/' | '\\' | '?' | '#');
    let end = text.find(slash).unwrap_or(text.len());
    let port = text.get(..end).and_then(|authority| authority.rsplit_once(':'));
    let odd = port
        .is_some_and(|(_, port)| !port.bytes().all(|byte| byte.is_ascii_digit() || byte == b']'));
    let near = text.char_indices().take(PASSWORD_CHARS).take_while(|(_, own)| !ends(*own));
    let last = if odd { near.filter(|(_, own)| *own == '@').last() } else { None };
    let end = match last {
        Some((at, _)) if at > end => {
            let host = text.get(at..).and_then(|host| host.find(slash));
            host.map_or(text.len(), |length| at.saturating_add(length))
        }
        _ => end,
    };
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn user_information_goes_wherever_an_authority_stands() {
        for (text, expected) in [
            ("https://u:S@host/a", "https://host/a"),
            ("//u:S@host", "//host"),
            ("https:/u:S@host/a", "https:/host/a"),
            ("\\\\u:S@host\\a", "\\\\host\\a"),
            ("https://u:S@S@host:80?a=b@c", "https://host:80?a=b@c"),
            ("postgres://u:S/S@host/db", "postgres://host/db"),
            ("see http://u:S@a/ and http://S@b", "see http://a/ and http://b"),
            ("http://[::1]:80/me@x", "http://[::1]:80/me@x"),
            ("http://host/me@x", "http://host/me@x"),
            ("mail me@example.org", "mail me@example.org"),
            ("", ""),
        ] {
            assert_eq!(removed(text, false), expected, "{text}");
        }
        assert_eq!(removed("https://u:S", true), "https://[redacted]");
        assert_eq!(removed("https://host/a", true), "https://host/a");
        assert_eq!(removed("https://u:S", false), "https://u:S");
    }
}

//! Removes user names and passwords from URL authorities anywhere in a text.

use std::borrow::Cow;

use super::MASK;

/// How many bytes past a slash to look for the rest of an unencoded password: no password is
/// longer.
const PASSWORD_BYTES: usize = 256;

/// The text without the user information of any authority in it. If the text was cut, an
/// authority at its end may lack only the `@`, so it is masked. Reads each byte a few times at most.
pub fn removed(text: &str, cut: bool) -> Cow<'_, str> {
    removed_between(text, cut, ends_authority)
}

/// The same for a query: `&` ends an authority, unless it must be part of a password.
pub fn removed_from_query(query: &str, cut: bool) -> Cow<'_, str> {
    removed_between(query, cut, |byte| byte == b'&' || ends_authority(byte))
}

fn removed_between(text: &str, cut: bool, ends: fn(u8) -> bool) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let position = |from: usize, wanted: fn(u8) -> bool| {
        let rest = bytes.get(from..).unwrap_or_default();
        let found = rest.iter().position(|byte| wanted(*byte));
        found.map_or(bytes.len(), |at| from.saturating_add(at))
    };
    // The next `@`, or the end.
    let mut at_sign = position(0, |byte| byte == b'@');
    if at_sign == bytes.len() && !cut {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    // How much has been kept or left out, and where to look for the next authority.
    let (mut done, mut from) = (0, 0);
    while let Some(start) = after_slashes(bytes, from) {
        if at_sign < start {
            at_sign = position(start, |byte| byte == b'@');
        }
        if at_sign == bytes.len() && !cut {
            break;
        }
        let mut end = position(start, ends);
        let within = |from: usize, to: usize| bytes.get(from..to).unwrap_or_default();
        if at_sign >= end
            && at_sign.saturating_sub(start) < PASSWORD_BYTES
            && !has_port_or_none(within(start, end))
        {
            // Not a port, so it is part of the password, even a slash, quote or space.
            end = position(at_sign, ends);
        }
        let host = within(start, end).iter().rposition(|byte| *byte == b'@');
        if let Some(last) = host {
            kept.push_str(text.get(done..start).unwrap_or_default());
            done = start.saturating_add(last).saturating_add(1);
        } else if cut && end == bytes.len() && start < end {
            kept.push_str(text.get(done..start).unwrap_or_default());
            kept.push_str(MASK);
            done = end;
        }
        from = end;
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(kept)
}

/// Where the next authority may begin: after `//`, after `:/` (two merged slashes), and
/// after backslashes, which browsers treat as slashes.
fn after_slashes(bytes: &[u8], from: usize) -> Option<usize> {
    let slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    let rest = bytes.get(from..)?;
    let mut before = 0;
    let mut begun = false;
    for (at, byte) in rest.iter().enumerate() {
        match (begun, slash(byte)) {
            (true, false) => return Some(from.saturating_add(at)),
            (false, true) if slash(&before) || before == b':' => begun = true,
            _ => {}
        }
        before = *byte;
    }
    None
}

const fn ends_word(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'<' | b'>')
}

const fn ends_authority(byte: u8) -> bool {
    ends_word(byte) || matches!(byte, b'/' | b'\\' | b'?' | b'#')
}

/// Whether the text after the last `:` is a port, or there is no `:`.
fn has_port_or_none(authority: &[u8]) -> bool {
    let digits = authority.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let before = authority.len().checked_sub(digits.saturating_add(1));
    match before.and_then(|at| authority.get(at)) {
        Some(b':') => true,
        _ => !authority.contains(&b':') || authority.ends_with(b"]"),
    }
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
            ("a \"https://u:S\"S@h/\" b", "a \"https://h/\" b"),
            ("https://u:S S@h https://u:S<S@h", "https://h https://h"),
            ("see http://u:S@a/ and http://S@b", "see http://a/ and http://b"),
            ("http://[::1]:80/me@x", "http://[::1]:80/me@x"),
            ("http://host/me@x", "http://host/me@x"),
            ("mail me@example.org", "mail me@example.org"),
            ("", ""),
        ] {
            assert_eq!(removed(text, false), expected, "{text}");
        }
        for (query, expected) in [
            ("a=https://u:S&S@h&b=1", "a=https://h&b=1"),
            ("a=https://h&email=me@x", "a=https://h&email=me@x"),
            ("a=https://h:80&email=me@x", "a=https://h:80&email=me@x"),
            ("a=//u:S@h&b=https://u:S@h/", "a=//h&b=https://h/"),
        ] {
            assert_eq!(removed_from_query(query, false), expected, "{query}");
        }
        assert_eq!(removed("https://u:S", true), "https://[redacted]");
        assert_eq!(removed("https://host/a", true), "https://host/a");
        assert_eq!(removed("https://u:S", false), "https://u:S");
    }
}

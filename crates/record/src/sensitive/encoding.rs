//! What a service reads in an encoded text: percent-encoding, and the escapes of JSON.

use std::borrow::Cow;

use super::percent::decoded_twice;

/// A text as a service may read it: percent-decoded (twice, as some services do), and then without
/// the escapes of JSON that can hide a letter or a slash.
pub fn decoded(text: &str) -> Cow<'_, str> {
    unescaped(decoded_twice(text))
}

/// A text with the JSON escapes `\u0061` and `\/` decoded (RFC 8259 §7), however many times the
/// backslash itself is escaped.
fn unescaped(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text;
    }
    let mut parts = text.split("\\u");
    let mut plain = String::with_capacity(text.len());
    push_with_slashes(&mut plain, parts.next().unwrap_or_default(), parts.clone().next().is_some());
    while let Some(part) = parts.next() {
        let escape = part.split_at_checked(4).and_then(|(digits, rest)| {
            Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, rest))
        });
        let rest = escape.map_or(part, |(character, rest)| {
            plain.push(character);
            rest
        });
        push_with_slashes(&mut plain, rest, parts.clone().next().is_some());
    }
    Cow::Owned(plain)
}

/// Appends a text with each `\/` as a slash, and if an escape follows it without the backslashes
/// at its end.
fn push_with_slashes(plain: &mut String, text: &str, escape_follows: bool) {
    let text = if escape_follows { text.trim_end_matches('\\') } else { text };
    let mut pieces = text.split('/').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_some() {
            plain.push_str(piece.trim_end_matches('\\'));
            plain.push('/');
        } else {
            plain.push_str(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn escapes_are_decoded_however_often_they_are_escaped() {
        for (text, expected) in [
            ("plain", "plain"),
            ("https:\\/\\/h\\/a", "https://h/a"),
            ("a\\\\\\/b", "a/b"),
            ("p\\u0061ss\\\\u0077ord", "password"),
            ("\\u002freset\\u002f\\/x\\", "/reset//x\\"),
            ("a\\n\\uZZZZ", "a\\nZZZZ"),
            ("%5Cu0061%255C/", "a/"),
        ] {
            assert_eq!(decoded(text), expected, "{text}");
        }
    }
}

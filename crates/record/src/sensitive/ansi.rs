//! Colours of a terminal (ECMA-48 §5.4, control sequences), which programs put between a name and its
//! value.

use std::borrow::Cow;

/// What they begin with, as it is and as JSON, Python and Node write it in a quoted text.
const INTRODUCERS: [&str; 5] = ["\x1b[", "\\u001b[", "\\u001B[", "\\x1b[", "\\x1B["];

/// The text without control sequences. One that is cut is kept.
pub(super) fn removed(text: &str) -> Cow<'_, str> {
    if !text.contains('[') {
        return Cow::Borrowed(text);
    }
    INTRODUCERS.into_iter().fold(Cow::Borrowed(text), |text, introducer| {
        super::then(text, |text| without(text, introducer))
    })
}

fn without<'t>(text: &'t str, introducer: &str) -> Cow<'t, str> {
    if !text.contains(introducer) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split(introducer);
    let mut plain = String::with_capacity(text.len());
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let ends = |byte: u8| !matches!(byte, 0x20..=0x3f);
        let end = part.bytes().position(ends);
        let rest = end.and_then(|end| part.get(end..)).unwrap_or_default();
        match rest.strip_prefix(|last| matches!(last, '@'..='~')) {
            Some(rest) => plain.push_str(rest),
            None => plain.extend([introducer, part]),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn colours_are_removed_and_nothing_else_is() {
        for (text, expected) in [
            ("plain", "plain"),
            ("\x1b[36mpassword\x1b[0m=\x1b[1;35mS\x1b[0m", "password=S"),
            ("{ \\u001b[32m'a'\\u001b[39m: \\x1B[1mS", "{ 'a': S"),
            ("a\x1b[", "a\x1b["),
            ("a\x1b[1\nm", "a\x1b[1\nm"),
            ("a\x1b[\u{e9}", "a\x1b[\u{e9}"),
            ("\x1b]0;t\x07", "\x1b]0;t\x07"),
        ] {
            assert_eq!(removed(text), expected, "{text:?}");
        }
    }
}

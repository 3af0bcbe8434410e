//! Percent-decoding of received text.

use std::borrow::Cow;

/// A text as a service reads it: percent-decoded twice, `+` as a space.
pub fn decoded_twice(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let twice = percent_decode(&percent_decode(text.as_bytes()));
    Cow::Owned(String::from_utf8_lossy(&twice).into_owned())
}

/// The value of a hexadecimal digit.
const fn digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit & 0xf,
        _ => (digit & 0xf).wrapping_add(9),
    }
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                decoded.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            (byte, after) => {
                decoded.push(if *byte == b'+' { b' ' } else { *byte });
                rest = after;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_text_is_decoded_twice_and_what_is_malformed_stays() {
        for (text, expected) in [
            ("plain", "plain"),
            ("%41%2542", "AB"),
            ("a+b", "a b"),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz%ff", "%zz\u{fffd}"),
            ("%252542", "%42"),
        ] {
            assert_eq!(decoded_twice(text), expected);
        }
    }
}

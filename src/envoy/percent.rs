//! Percent-encoding of what came in.

use std::borrow::Cow;

/// A text as a service reads it: percent-decoded twice, `+` as a space.
pub fn decoded_twice(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let twice = percent_decode(&percent_decode(text.as_bytes()));
    Cow::Owned(String::from_utf8_lossy(&twice).into_owned())
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let digit =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, after) {
            (b'%', [high, low, after @ ..]) if digit(*high).is_some() && digit(*low).is_some() => {
                let (high, low) = (digit(*high).unwrap_or(0), digit(*low).unwrap_or(0));
                decoded.push(high << 4 | low);
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

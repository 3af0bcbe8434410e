//! What counts as a credential, by name or by form, and where its value ends in a text: shared by
//! all who make records.

pub mod assignments;
pub mod encoding;
pub mod json;
pub mod jwt;
pub mod marks;
pub mod names;
mod pem;
pub mod percent;
mod schemes;
pub mod userinfo;

use std::borrow::Cow;

use assignments::Place;
use marks::Marks;

/// The replacement for a secret.
pub const MASK: &str = "[redacted]";

/// A text of a service's own with its secrets masked: private keys in PEM, and line by line values of
/// sensitive names, credentials after their scheme, JSON Web Tokens, and user information of URLs.
/// `more` are further sensitive names, in lower case. A value that is not quoted extends to the end of
/// its line.
pub fn masked<'t>(text: &'t str, more: &[String]) -> Cow<'t, str> {
    let marks = Marks::of(text);
    if !marks.any(Marks::ASSIGNS | Marks::SPACE | Marks::SLASH | Marks::TOKEN) {
        return Cow::Borrowed(text);
    }
    then(pem::masked(text), |text| masked_lines(text, more))
}

fn masked_lines<'t>(text: &'t str, more: &[String]) -> Cow<'t, str> {
    if !text.contains('\n') {
        return masked_line(text, more);
    }
    let lines: Vec<_> = text.split('\n').map(|line| masked_line(line, more)).collect();
    if lines.iter().all(|line| matches!(line, Cow::Borrowed(_))) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(lines.join("\n"))
}

fn masked_line<'t>(line: &'t str, more: &[String]) -> Cow<'t, str> {
    let marks = Marks::of(line);
    let text = assignments::mask(line, marks, Place::Words, more);
    let text = if marks.any(Marks::TOKEN) { then(text, jwt::masked) } else { text };
    if marks.any(Marks::SLASH) && marks.any(Marks::AT) {
        return then(text, |text| userinfo::removed(text, false));
    }
    text
}

/// Applies the next step to the result of the last one.
fn then(text: Cow<'_, str>, step: impl FnOnce(&str) -> Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => step(text),
        Cow::Owned(text) => Cow::Owned(step(&text).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn secrets_in_a_services_own_text_are_masked_line_by_line() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a\nb", "a\nb"),
            ("password=S S\nnext line", "password=[redacted]\nnext line"),
            ("sent Bearer S", "sent Bearer [redacted]"),
            ("token eyJhbGciOiJub25lIn0.S.S", "token [redacted]"),
            ("postgres://user:S@db/x failed", "postgres://db/x failed"),
            ("pin: 1234S", "pin:[redacted]"),
            (
                "key:\n-----BEGIN PRIVATE KEY-----\nS\n-----END PRIVATE KEY-----\nread",
                "key:\n[redacted]\nread",
            ),
        ] {
            assert_eq!(masked(text, &["pin".to_owned()]), expected, "{text}");
        }
    }
}

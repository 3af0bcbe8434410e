//! Records as JSON, for a terminal.

use std::fmt::{self, Write as _};

use gatelog_record::acts_on_display;

/// A JSON text with no character left in it that steers a terminal: what serde leaves as it is,
/// DEL, the C1 controls and those that turn the direction of text, as `\u` escapes. They stand in
/// strings only, so the value stays the same.
pub(super) struct Printable<'a>(pub(super) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if acts_on_display(c) {
                // All of these are below U+10000.
                write!(f, "\\u{:04x}", u32::from(c))?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_character_of_a_record_steers_the_terminal_that_prints_it_as_json() {
        let line = "a\u{7f}\u{9b}31m\u{202e}\u{1b}[2J\u{2028}é";
        let text = Printable(&json!({ "line": line }).to_string()).to_string();
        assert_eq!(text, r#"{"line":"a\u007f\u009b31m\u202e\u001b[2J\u2028é"}"#);
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["line"], line);
    }
}

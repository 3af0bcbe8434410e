//! Streams JSON into a byte buffer: objects in the order written, bounded and escaped strings.

use crate::limits::CUT_MARK;

/// Appends JSON to a buffer. The caller opens and closes objects and arrays.
pub(crate) struct Json<'b> {
    out: &'b mut Vec<u8>,
    /// Maximum bytes of one string value as encoded, without its quotes.
    value_bytes: usize,
    /// Values that were cut so far.
    pub(crate) cut: u32,
}

impl<'b> Json<'b> {
    pub(crate) fn new(out: &'b mut Vec<u8>, value_bytes: usize) -> Self {
        Self { out, value_bytes, cut: 0 }
    }

    /// `{`, after a comma if one is needed.
    pub(crate) fn open(&mut self) {
        self.out.push(b'{');
    }

    /// `}`
    pub(crate) fn close(&mut self) {
        self.out.push(b'}');
    }

    /// `"key":` of the format itself, which needs no escaping.
    pub(crate) fn key(&mut self, key: &'static str) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// `"key":` of any text.
    pub(crate) fn any_key(&mut self, key: &str) {
        self.comma();
        self.string(key);
        self.out.push(b':');
    }

    fn comma(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[') | None) {
            self.out.push(b',');
        }
    }

    /// Text that is known to be JSON already: a number, a literal, a plain string in quotes.
    pub(crate) fn raw(&mut self, json: &[u8]) {
        self.out.extend_from_slice(json);
    }

    /// A string of the format itself: no bound, no escape.
    pub(crate) fn plain(&mut self, text: &[u8]) {
        self.out.push(b'"');
        self.out.extend_from_slice(text);
        self.out.push(b'"');
    }

    /// `,` if the array already has an element, then a plain string.
    pub(crate) fn element(&mut self, text: &str) {
        self.comma();
        self.string(text);
    }

    pub(crate) fn null(&mut self) {
        self.raw(b"null");
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.raw(if value { b"true" } else { b"false" });
    }

    pub(crate) fn uint(&mut self, mut value: u64) {
        let mut digits = [0_u8; 20];
        let mut start = digits.len();
        for (place, slot) in digits.iter_mut().enumerate().rev() {
            *slot = b'0'.wrapping_add(u8::try_from(value % 10).unwrap_or(0));
            start = place;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.out.extend_from_slice(digits.get(start..).unwrap_or_default());
    }

    pub(crate) fn int(&mut self, value: i64) {
        if value < 0 {
            self.out.push(b'-');
        }
        self.uint(value.unsigned_abs());
    }

    /// Microseconds as milliseconds with three decimals, so that it always reads as a float.
    pub(crate) fn millis(&mut self, micros: u64) {
        self.uint(micros / 1_000);
        let rest = micros % 1_000;
        let digit = |value: u64| b'0'.wrapping_add(u8::try_from(value % 10).unwrap_or(0));
        self.out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
    }

    /// A float; one that JSON cannot represent becomes null.
    pub(crate) fn float(&mut self, value: f64) {
        match serde_json::Number::from_f64(value) {
            Some(number) => self.raw(number.to_string().as_bytes()),
            None => self.null(),
        }
    }

    /// Untrusted text: escaped, cut on a character boundary at the bound, and marked there.
    pub(crate) fn string(&mut self, text: &str) {
        self.out.push(b'"');
        if text.len() <= self.value_bytes && is_plain(text.as_bytes()) {
            self.out.extend_from_slice(text.as_bytes());
        } else {
            self.escaped(text);
        }
        self.out.push(b'"');
    }

    fn escaped(&mut self, text: &str) {
        let start = self.out.len();
        let end = start.saturating_add(self.value_bytes);
        // Where to cut if the rest does not fit: the last place with room for the mark.
        let mut cut_at = start;
        for character in text.chars() {
            if self.out.len().saturating_add(CUT_MARK.len()) <= end {
                cut_at = self.out.len();
            }
            self.escape(character);
            if self.out.len() > end {
                self.out.truncate(cut_at);
                self.out.extend_from_slice(CUT_MARK.as_bytes());
                self.cut = self.cut.saturating_add(1);
                return;
            }
        }
    }

    fn escape(&mut self, character: char) {
        match character {
            '"' => self.out.extend_from_slice(b"\\\""),
            '\\' => self.out.extend_from_slice(b"\\\\"),
            '\n' => self.out.extend_from_slice(b"\\n"),
            '\r' => self.out.extend_from_slice(b"\\r"),
            '\t' => self.out.extend_from_slice(b"\\t"),
            _ if acts_on_display(character) => {
                let code = u32::from(character);
                self.out.extend_from_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    let nibble = code.wrapping_shr(shift) & 0xf;
                    let digit = char::from_digit(nibble, 16).unwrap_or('0');
                    self.out.extend(u8::try_from(digit));
                }
            }
            _ => {
                let mut utf8 = [0; 4];
                self.out.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
            }
        }
    }
}

/// Whether the text needs no escaping in JSON and is safe on a terminal.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, 0x20..=0x7e) && !matches!(byte, b'"' | b'\\'))
}

/// Characters that could act on a terminal, a line-based reader or a page: controls, the
/// separators that some readers treat as line ends, and those that change the text's direction.
/// All are below U+10000.
pub fn acts_on_display(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn string(text: &str, bound: usize) -> (String, u32) {
        let mut out = Vec::new();
        let mut json = Json::new(&mut out, bound);
        json.string(text);
        let cut = json.cut;
        (String::from_utf8(out).unwrap(), cut)
    }

    #[test]
    fn any_character_reads_back_as_itself() {
        let text: String =
            (0..=0x11_0000_u32).step_by(97).chain(0..0x300).filter_map(char::from_u32).collect();
        let (encoded, cut) = string(&text, usize::MAX);
        assert_eq!(serde_json::from_str::<String>(&encoded).unwrap(), text);
        assert_eq!(cut, 0);
    }

    #[test]
    fn everything_that_acts_on_a_terminal_or_ends_a_line_is_escaped() {
        let (encoded, _) =
            string("a\n\r\t\0\u{1b}[31m\u{7f}\u{85}\u{9b}\u{2028}\u{202e}\"\\z", 500);
        assert_eq!(encoded, r#""a\n\r\t\u0000\u001b[31m\u007f\u0085\u009b\u2028\u202e\"\\z""#);
    }

    #[test]
    fn every_character_that_changes_the_text_direction_is_escaped() {
        // All of Bidi_Control in the Unicode Character Database.
        let turning = ['\u{61c}', '\u{200e}', '\u{200f}'];
        for character in
            turning.into_iter().chain('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}')
        {
            let (encoded, _) = string(&character.to_string(), 100);
            assert_eq!(encoded, format!("\"\\u{:04x}\"", u32::from(character)));
        }
    }

    #[test]
    fn a_long_value_is_cut_on_a_character_boundary_and_marked() {
        assert_eq!(string("abcdefgh", 8), ("\"abcdefgh\"".into(), 0));
        assert_eq!(string("abcdefghi", 8), ("\"abcde…\"".into(), 1));
        assert_eq!(string("ééééé", 8), ("\"éé…\"".into(), 1));
        assert_eq!(string("abc\u{1}\u{1}", 8), ("\"abc…\"".into(), 1));
    }

    #[test]
    fn no_value_passes_its_bound_as_encoded() {
        for bound in 3..40 {
            for text in
                ["\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"", "\u{1}😀\u{1}😀\u{1}😀\u{1}😀"]
            {
                let (encoded, _) = string(text, bound);
                assert!(encoded.len() <= bound + 2, "{encoded} {bound}");
                serde_json::from_str::<String>(&encoded).unwrap();
            }
        }
    }

    #[test]
    fn numbers_are_written_exactly() {
        let mut out = Vec::new();
        let mut json = Json::new(&mut out, 10);
        for value in [0, 7, 10, u64::MAX] {
            json.uint(value);
            json.raw(b" ");
        }
        for micros in [0, 45_230, 1_000_007, 999] {
            json.millis(micros);
            json.raw(b" ");
        }
        json.float(2.5);
        json.float(f64::NAN);
        assert_eq!(out, b"0 7 10 18446744073709551615 0.000 45.230 1000.007 0.999 2.5null");
    }
}

//! Writes a record as one line of JSON, and no more of it than the record's bound.

use std::io::Write as _;

/// A line being written. Once it is longer than its bound, or has more values, nothing is added: the
/// decoder then finds it too large.
pub(super) struct Line<'o> {
    out: &'o mut Vec<u8>,
    bytes: usize,
    values: usize,
}

impl<'o> Line<'o> {
    /// An empty line of at most about `bytes` bytes and `values` values.
    pub(super) fn new(out: &'o mut Vec<u8>, bytes: usize, values: usize) -> Self {
        out.clear();
        // One more than allowed: what was cut is to be found too large.
        Self { out, bytes, values: values.saturating_add(1) }
    }

    /// Whether it has exceeded its bound.
    pub(super) fn is_full(&self) -> bool {
        self.values == 0 || self.out.len() > self.bytes
    }

    /// How many bytes are left until it does.
    pub(super) fn room(&self) -> usize {
        self.bytes.saturating_add(1).saturating_sub(self.out.len())
    }

    /// `{` or `[`
    pub(super) fn open(&mut self, bracket: u8) {
        self.out.push(bracket);
    }

    /// `}` or `]`
    pub(super) fn close(&mut self, bracket: u8) {
        self.out.push(bracket);
    }

    /// Begins an element of an array.
    pub(super) fn element(&mut self) {
        self.values = self.values.saturating_sub(1);
        if !matches!(self.out.last(), Some(b'{' | b'[') | None) {
            self.out.push(b',');
        }
    }

    /// Begins a value of an object.
    pub(super) fn key(&mut self, key: &str) {
        self.element();
        self.text(key);
        self.out.push(b':');
    }

    /// A text. Of one that exceeds the bound, no more than that.
    pub(super) fn text(&mut self, text: &str) {
        self.out.push(b'"');
        let mut rest = text;
        while !rest.is_empty() && !self.is_full() {
            let escaped = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
            let plain = rest.bytes().take(self.room()).take_while(|byte| !escaped(byte)).count();
            // Where the bound cuts it, on a character's boundary.
            let plain = rest.ceil_char_boundary(plain);
            let (run, after) = rest.split_at_checked(plain).unwrap_or((rest, ""));
            self.out.extend_from_slice(run.as_bytes());
            rest = after;
            if let Some(byte) = rest.bytes().next().filter(escaped) {
                self.escape(byte);
                rest = rest.get(1..).unwrap_or_default();
            }
        }
        self.out.push(b'"');
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            b'"' | b'\\' => self.out.extend_from_slice(&[b'\\', byte]),
            b'\n' => self.out.extend_from_slice(b"\\n"),
            _ => {
                let _ = write!(self.out, "\\u{byte:04x}");
            }
        }
    }

    /// A number, null or another literal.
    pub(super) fn literal(&mut self, value: impl serde::Serialize) {
        let _ = serde_json::to_writer(&mut *self.out, &value);
    }

    /// A text that needs no escape.
    pub(super) fn plain(&mut self, text: impl std::fmt::Display) {
        let _ = write!(self.out, "\"{text}\"");
    }

    /// A key with a text that needs no escape.
    pub(super) fn plain_pair(&mut self, key: &str, text: impl std::fmt::Display) {
        self.key(key);
        self.plain(text);
    }

    /// A key with a text, or null.
    pub(super) fn text_or_null(&mut self, key: &str, text: Option<&str>) {
        self.key(key);
        match text {
            Some(text) => self.text(text),
            None => self.literal(()),
        }
    }
}

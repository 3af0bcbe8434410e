//! Where a value in a service's own text ends, which may be in a later line: what programs print for
//! people goes on there when it is nested, quoted or indented.

use super::json::{json_end, string_end};

/// Length in bytes of the value that follows `before`, which ends with `=` or `:`.
///
/// A value in quotes ends with them if a blank follows, and a JSON value with its last bracket. A
/// parameter of a query ends at the next `&`. Every other value ends with a line: the first one, or
/// one that is indented, or one in which its quotes or brackets end.
pub(super) fn value_length(before: &str, value: &str) -> usize {
    let json = is_json_name(before);
    let whole = if json { json_length(value) } else { None };
    if let Some(length) = whole.or_else(|| lone_string_length(value)) {
        return length;
    }
    if is_query_parameter(before) {
        return value.find(['&', '\n']).unwrap_or(value.len());
    }
    lines_length(value, indentation(before))
}

/// A blank within a line.
fn is_blank(part: char) -> bool {
    part != '\n' && part.is_whitespace()
}

/// The text without its first characters of a kind, and their length in bytes.
fn trimmed(text: &str, kind: impl FnMut(char) -> bool) -> (&str, usize) {
    let rest = text.trim_start_matches(kind);
    (rest, text.len().saturating_sub(rest.len()))
}

/// Whether a quoted name and a colon precede the value.
fn is_json_name(before: &str) -> bool {
    let name = before.strip_suffix(':').map(str::trim_end);
    name.is_some_and(|name| name.ends_with(['"', '\'']))
}

/// Length of a JSON value, which may begin in a later line.
fn json_length(value: &str) -> Option<usize> {
    let (content, skipped) = trimmed(value, char::is_whitespace);
    skipped.checked_add(json_end(content)?)
}

/// Length of a string in quotes that is all of a value: something else follows after a blank. If its
/// quotes never end, it is the rest of the text.
fn lone_string_length(value: &str) -> Option<usize> {
    let (content, skipped) = trimmed(value, is_blank);
    if !content.trim_start_matches('\\').starts_with(['"', '\'']) {
        return None;
    }
    let Some(end) = string_end(content) else { return Some(value.len()) };
    let after = content.get(end..)?;
    let next = after.trim_start_matches(is_blank);
    let alone = next.len() < after.len() && !next.starts_with(['\n', '+', '\\', '"', '\'']);
    (alone || after.is_empty()).then(|| skipped.saturating_add(end))
}

/// Whether `?` or `&` precedes the name, as in a URL: an `&` in the value would be encoded.
fn is_query_parameter(before: &str) -> bool {
    let Some(before) = before.strip_suffix('=') else { return false };
    let first = before.rfind(|part: char| matches!(part, '?' | '&' | '=') || part.is_whitespace());
    first.and_then(|at| before.get(at..)).is_some_and(|name| name.starts_with(['?', '&']))
}

/// The indentation in bytes of the line in which the name is.
fn indentation(before: &str) -> usize {
    let line = before.rsplit('\n').next().unwrap_or_default();
    trimmed(line, is_blank).1
}

/// How far to look behind a stack trace for the bracket that closes a value: within it is an error's, and
/// otherwise the value's bracket was never closed.
const CLOSING_BYTES: usize = 4096;

/// Length of a value that ends with a line.
fn lines_length(value: &str, indentation: usize) -> usize {
    let mut nesting = Nesting::default();
    let mut lines = value.split('\n');
    let first = lines.next().unwrap_or_default();
    nesting.read(first, true);
    // Items of a list in YAML are not indented, and what a block in YAML has is no stack trace.
    let items = first.trim().is_empty() || first.trim_start().starts_with(['!', '&', '#']);
    let block = first.trim_start().starts_with(['|', '>']);
    let (mut length, mut read) = (first.len(), first.len());
    let mut escaped = first.trim_end().ends_with('\\');
    // Where the value ends if no bracket closes it after a stack trace.
    let mut unclosed = None;
    for line in lines {
        read = read.saturating_add(1).saturating_add(line.len());
        let (content, own) = trimmed(line, is_blank);
        let quoted = nesting.quote.is_some();
        if content.is_empty() && !quoted {
            continue;
        }
        let frame = !block && is_frame(content);
        let item = items && own == indentation && content.starts_with("- ");
        let indented = (own > indentation || item) && !frame;
        let bracketed = nesting.depth > 0;
        if !(quoted || indented || bracketed || escaped) {
            break;
        }
        if bracketed && frame && unclosed.is_none() {
            unclosed = Some(length);
        }
        if unclosed.is_some_and(|end| read.saturating_sub(end) > CLOSING_BYTES) {
            break;
        }
        nesting.read(line, false);
        if nesting.depth == 0 {
            unclosed = None;
        }
        escaped = content.trim_end().ends_with('\\');
        length = read;
    }
    unclosed.unwrap_or(length)
}

/// Whether a line is of a stack trace, which is indented as well.
fn is_frame(line: &str) -> bool {
    let line = line.trim_end();
    let place = line.strip_suffix(')').unwrap_or(line);
    let number = place.trim_end_matches(|part: char| part.is_ascii_digit());
    let numbered = number.len() < place.len() && number.ends_with(':');
    let at = numbered
        || ["(Native Method)", "(Unknown Source)", "<anonymous>)"]
            .iter()
            .any(|end| line.ends_with(end));
    (line.starts_with("at ") && at)
        || (line.starts_with("in ") && line.ends_with(')') && numbered)
        || (line.starts_with("File \"") && line.contains(", line "))
        || (line.starts_with("from ") && line.contains(":in "))
        || (line.starts_with("... ") && line.ends_with(" more"))
        || (line.starts_with('/') && line.contains(".go:"))
}

/// The brackets and the quotes that are open at the end of a line.
#[derive(Debug, Default)]
struct Nesting {
    quote: Option<u8>,
    depth: usize,
    /// Whether brackets count: the value begins with one, or a line of it ends with one. Another may
    /// be a character of the secret.
    counts: bool,
}

impl Nesting {
    fn read(&mut self, line: &str, first: bool) {
        let line = line.trim_matches(is_blank);
        if !self.counts {
            self.counts =
                (first && line.starts_with(['(', '[', '{'])) || line.ends_with(['(', '[', '{']);
        }
        let mut before = None;
        for byte in line.bytes() {
            match self.quote {
                Some(open) if open == byte && before != Some(b'\\') => self.quote = None,
                Some(_) => {}
                None => self.read_bare(byte, before),
            }
            before = Some(byte);
        }
        if !self.counts {
            self.depth = 0;
        }
    }

    fn read_bare(&mut self, byte: u8, before: Option<u8>) {
        match byte {
            // An apostrophe within a word is none.
            b'"' | b'\'' => {
                let opens = before.is_none_or(|before| b"([{+\"'".contains(&before));
                let delimited = before.is_some_and(|before| b",:= ".contains(&before));
                self.quote = (opens || (self.counts && delimited)).then_some(byte);
            }
            b'(' | b'[' | b'{' => self.depth = self.depth.saturating_add(1),
            b')' | b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_value_ends_with_the_line_in_which_it_ends() {
        for (before, value, rest) in [
            ("password=", "S", ""),
            ("password=", "abc&S S", ""),
            ("password=", "S\nb", "\nb"),
            ("password: ", "S\r\nb", "\nb"),
            ("password=", "\"a b\" x", " x"),
            ("password=", "\"S\nS\" x", " x"),
            ("password=", "\"S\nS\"S x\nb", "\nb"),
            ("password=", "'S\nS", ""),
            ("password=", "\\\"S\nS", ""),
            ("password=", "\\\"S\nS\\\\\\\"S\\\" x", " x"),
            ("password=", "\"\"\"S\nS\"\"\"\nb", "\nb"),
            ("password=", "\"S\" \\\n\"S\"\nb", "\nb"),
            ("password=", "S's\nb", "\nb"),
            ("password=", "a{S\nb", "\nb"),
            ("password:", " {\n  a: \"S}\n\",\n}\nb", "\nb"),
            ("a:\n  password:", " [ 'S',\n  'S' ],\nb", "\nb"),
            ("password:", " Some(\n\"S\",\n),\nb", "\nb"),
            ("password:", " Some(Password {\n\"S\": 'S{',\n}),\nb", "\nb"),
            ("password:", " Password { a: 1,\n  S\nb", "\nb"),
            ("  password:", "\n    S\n\n    S\n  b", "\n  b"),
            ("password:", "\n- S\n- S\nb", "\nb"),
            ("password:", " !t\n- S\nb", "\nb"),
            ("password:", " a\n- b", "\n- b"),
            ("password:", " |-\n\n  S\n  S\n\nb", "\n\nb"),
            ("password:", " S\n  S\n\tS\nb", "\nb"),
            ("password:", " |\n  at S\n  S\nb", "\nb"),
            ("password:", " |\n  at S (S)\n  at f (a.js:1:2)\n  S\nb", "\nb"),
            ("password:", "\n  at home (S)\nb", "\nb"),
            (
                "password:",
                " {\n  e: Error\n    at f (a.js:1:2)\n    at g (a.js:1:2),\n  z: 'S'\n}\nb",
                "\nb",
            ),
            ("password:", "\nb", "\nb"),
            ("token:", "\n    at f (file.js:1:2)", "\n    at f (file.js:1:2)"),
            ("token:", " S\n    at a.B.c(B.java:7)", "\n    at a.B.c(B.java:7)"),
            ("token:", " {\n    at file:///a.js:1:2", "\n    at file:///a.js:1:2"),
            ("    session =", " f(\n   ^\n  File \"b\", line 2", "\n  File \"b\", line 2"),
            ("  session =", " f(\n  File \"b\", line 2", "\n  File \"b\", line 2"),
            ("token:", " 'S' +\n  'S',\nb", "\nb"),
            ("token=", "S \\\nS\nb", "\nb"),
            ("{ 'token':", " 'S'\n   'S', 'S': 1}\nb", "\nb"),
            ("{\"token\":", "\n\"S\\\"\nS\",\nb", ",\nb"),
            ("{\"token\":", "\n[\n\"S\"]\n, b", "\n, b"),
            ("{\"token\":", " [\n\"S\"", ""),
            ("b'{\"token\":", " \"a\\\\\"]S\"}'", "}'"),
            ("{\\\"token\\\":", " \\\"S\\\"}", "}"),
            ("\"tokens\":", "\n- \"S\"\n- \"S\"\nb", "\nb"),
            ("\"token\":", "\n  a: b\n  \"c\": S\nb", "\nb"),
            ("\"token\":", " \"S\"\n\"b\": 1", "\n\"b\": 1"),
            ("GET /a?token=", "S&b=1 S\nb", "&b=1 S\nb"),
            ("a=1&token=", "S", ""),
            ("a&b token=", "S&S", ""),
            ("Authorization:", " Digest a=1,\n  response=S\nb", "\nb"),
        ] {
            let length = value_length(before, value);
            assert_eq!(value.get(length..), Some(rest), "{before}{value}");
        }
    }
}

//! Where a value in a service's own text ends, which may be in a later line: what programs print for
//! people goes on there when it is nested, quoted or indented.

use super::json::{json_end, quoted_end};

/// Length in bytes of the value that follows `before`, which ends with `=` or `:`.
///
/// A value in quotes ends with them if a blank follows, and a JSON value with its last bracket. A
/// parameter of a query ends at the next `&`. Every other value ends with a line: the first one,
/// unless it goes on in the next.
pub(super) fn value_length(before: &str, value: &str) -> usize {
    let json = is_json_name(before);
    let blank =
        |part: char| part == '\\' || if json { part.is_whitespace() } else { is_blank(part) };
    let (content, skipped) = trimmed(value, blank);
    let end = if json { json_end(content) } else { None }.or_else(|| lone_string_end(content));
    if let Some(end) = end {
        return skipped.saturating_add(end);
    }
    if is_query_parameter(before) {
        return value.find(['&', '\n']).unwrap_or(value.len());
    }
    // A value of JSON may begin in a later line.
    let (value, skipped) = if json { (content, skipped) } else { (value, 0) };
    skipped.saturating_add(lines_length(before, value))
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

/// The end of a string in quotes that is all of a value: something else follows after a blank.
fn lone_string_end(value: &str) -> Option<usize> {
    let end = quoted_end(value)?;
    let after = value.get(end..)?;
    let next = after.trim_start_matches(is_blank);
    let alone = next.len() < after.len() && !next.starts_with(['\n', '+', '"', '\'']);
    (alone || after.is_empty()).then_some(end)
}

/// Whether `?` or `&` precedes the name, as in a URL: an `&` in the value would be encoded.
fn is_query_parameter(before: &str) -> bool {
    let Some(before) = before.strip_suffix('=') else { return false };
    let first = before.rfind(|part: char| matches!(part, '?' | '&' | '=') || part.is_whitespace());
    first.and_then(|at| before.get(at..)).is_some_and(|name| name.starts_with(['?', '&']))
}

/// Length of a value that ends with a line.
fn lines_length(before: &str, value: &str) -> usize {
    let mut nesting = Nesting::default();
    let (mut length, mut block) = (0_usize, false);
    let mut lines = value.split('\n').peekable();
    while let Some(line) = lines.next() {
        let first = length == 0;
        nesting.read(line, first);
        length = length.saturating_add(line.len());
        let Some(next) = lines.peek() else { break };
        let goes_on = nesting.is_open() || {
            let indented = is_indented(next, indentation(before));
            block |= first && is_block_start(line) && indented;
            if block {
                indented || next.trim().is_empty()
            } else {
                is_continued(line, next, indented)
            }
        };
        if !goes_on {
            break;
        }
        length = length.saturating_add(1);
    }
    length
}

/// The indentation in bytes of the line in which the name is.
fn indentation(before: &str) -> usize {
    let line = before.rsplit('\n').next().unwrap_or_default();
    trimmed(line, is_blank).1
}

/// Whether a line belongs to what a line of that indentation begins. The frames of a stack trace, which
/// are indented as well, do not.
fn is_indented(line: &str, than: usize) -> bool {
    let (content, indentation) = trimmed(line, is_blank);
    let item = content.starts_with("- ") && indentation == than;
    (indentation > than || item) && !content.is_empty() && !content.starts_with("at ")
}

/// Whether the value is all of the indented lines that follow, as in YAML.
fn is_block_start(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || (line.starts_with(['|', '>']) && line.len() <= 3)
}

/// Whether the end of a line or the beginning of the next one says that the value goes on there.
fn is_continued(line: &str, next: &str, indented: bool) -> bool {
    let line = line.trim_end();
    line.ends_with('\\')
        || (indented && line.ends_with(['+', ',']))
        || (indented && line.ends_with(['"', '\'']) && next.trim_start().starts_with(['"', '\'']))
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
    const fn is_open(&self) -> bool {
        self.quote.is_some() || self.depth > 0
    }

    fn read(&mut self, line: &str, first: bool) {
        let line = line.trim_matches(is_blank);
        if !self.counts {
            self.counts =
                (first && line.starts_with(['(', '[', '{'])) || line.ends_with(['(', '[', '{']);
        }
        let (mut escaped, mut before) = (false, None);
        for byte in line.bytes() {
            match self.quote {
                Some(_) if escaped => escaped = false,
                Some(_) if byte == b'\\' => escaped = true,
                Some(open) if open == byte => self.quote = None,
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
            ("password=", "\"\"\"S\nS\"\"\"\nb", "\nb"),
            ("password=", "S's\nb", "\nb"),
            ("password=", "a{S\nb", "\nb"),
            ("password:", " {\n  a: \"S}\n\",\n}\nb", "\nb"),
            ("a:\n  password:", " [ 'S',\n  'S' ],\nb", "\nb"),
            ("password:", " Some(\n\"S\",\n),\nb", "\nb"),
            ("password:", " Some(Password {\n\"S\": 'S{',\n}),\nb", "\nb"),
            ("password:", " Password { a: 1,\n  S\nb", "\nb"),
            ("  password:", "\n    S\n\n    S\n  b", "\n  b"),
            ("password:", "\n- S\n- S\nb", "\nb"),
            ("password:", " |-\n  S\n  S\nb", "\nb"),
            ("password:", "\nb", "\nb"),
            ("token:", "\n    at f (file.js:1:2)", "\n    at f (file.js:1:2)"),
            ("token:", " S\n    at f (file.js:1:2)", "\n    at f (file.js:1:2)"),
            ("token:", " 'S' +\n  'S',\nb", "\nb"),
            ("token=", "S \\\nS\nb", "\nb"),
            ("{ 'token':", " 'S'\n   'S', 'S': 1}\nb", "\nb"),
            ("{\"token\":", "\n\"S\\\"\nS\",\nb", ",\nb"),
            ("{\"token\":", "\n[\n\"S\"]\n, b", "\n, b"),
            ("{\"token\":", " [\n\"S\"", ""),
            ("{\\\"token\\\":", " \\\"S\\\", b", ""),
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

//! Splits a JSON array into the texts of its elements, one after the other: each text stays as it
//! was written in the body, and none of it is parsed into memory.

use std::fmt;

use serde::de::IgnoredAny;
use serde_json::Deserializer;

/// Iterates over the texts of an array's elements, in order; each is one JSON value. A single
/// object counts as an array of one.
pub(super) struct Elements<'a> {
    body: &'a str,
    /// Where the unread part begins.
    at: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// A single object, not yet read.
    Alone,
    /// After `[`: an element or the array's end.
    First,
    /// After an element: a comma and another element, or the array's end.
    Next,
    /// The array has ended, or the input is not valid JSON.
    Done,
}

/// The input is not an array of JSON values. Reports the position, and quotes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ElementsError {
    what: &'static str,
    /// The offset in the body, in bytes from 0.
    at: usize,
}

impl fmt::Display for ElementsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

impl<'a> Elements<'a> {
    /// Starts reading.
    ///
    /// # Errors
    ///
    /// The body is not UTF-8, or does not begin like an array or an object.
    pub(super) fn of(body: &'a [u8]) -> Result<Self, ElementsError> {
        let body = std::str::from_utf8(body)
            .map_err(|error| ElementsError { what: "not UTF-8", at: error.valid_up_to() })?;
        let mut elements = Self { body, at: 0, state: State::First };
        match elements.peek() {
            Some(b'{') => elements.state = State::Alone,
            Some(b'[') => elements.step(),
            _ => return Err(elements.fault("must begin with [ or {")),
        }
        Ok(elements)
    }

    fn rest(&self) -> &'a str {
        self.body.get(self.at..).unwrap_or_default()
    }

    /// The next byte that is not JSON whitespace.
    fn peek(&mut self) -> Option<u8> {
        let blank = self.rest().bytes().take_while(|byte| b" \t\r\n".contains(byte)).count();
        self.at = self.at.saturating_add(blank);
        self.rest().bytes().next()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn fault(&mut self, what: &'static str) -> ElementsError {
        self.state = State::Done;
        ElementsError { what, at: self.at }
    }

    fn element(&mut self) -> Result<&'a str, ElementsError> {
        self.peek();
        let rest = self.rest();
        let mut values = Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        let read = matches!(values.next(), Some(Ok(_)));
        let end = values.byte_offset();
        match rest.get(..end) {
            Some(text) if read => {
                self.at = self.at.saturating_add(end);
                Ok(text)
            }
            _ => Err(self.fault("not a JSON value")),
        }
    }

    fn end(&mut self) -> Option<Result<&'a str, ElementsError>> {
        self.state = State::Done;
        self.peek().map(|_| Err(self.fault("something follows the end")))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a [u8], ElementsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let element = match (self.state, self.peek()) {
            (State::Done, _) => return None,
            (State::Alone, _) => {
                let element = self.element();
                if let (Ok(_), Some(Err(fault))) = (&element, self.end()) {
                    return Some(Err(fault));
                }
                Some(element)
            }
            (State::First | State::Next, Some(b']')) => {
                self.step();
                self.end()
            }
            (State::Next, Some(b',')) => {
                self.step();
                Some(self.element())
            }
            (State::Next, _) => Some(Err(self.fault("neither , nor ]"))),
            (State::First, _) => {
                self.state = State::Next;
                Some(self.element())
            }
        };
        element.map(|element| element.map(str::as_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<String>, String> {
        let elements = Elements::of(body.as_bytes()).map_err(|error| error.to_string())?;
        elements
            .map(|element| {
                let element = element.map_err(|error| error.to_string())?;
                Ok(String::from_utf8(element.to_vec()).unwrap())
            })
            .collect()
    }

    #[test]
    fn each_element_is_the_text_that_it_was_written_as() {
        for (body, elements) in [
            ("[]", &[][..]),
            (" [ ] \n", &[]),
            ("[1]", &["1"]),
            ("[1,2 , 3]", &["1", "2", "3"]),
            ("[ {\"a\": [1, \"]\\\"\"]} ,\n null]", &["{\"a\": [1, \"]\\\"\"]}", "null"]),
            (
                "{\"$serde_json::private::RawValue\":\"1\"} ",
                &["{\"$serde_json::private::RawValue\":\"1\"}"],
            ),
            ("[\"é\",-0,[[]]]", &["\"é\"", "-0", "[[]]"]),
        ] {
            assert_eq!(read(body).unwrap(), elements, "{body}");
        }
    }

    #[test]
    fn what_is_not_an_array_is_refused_by_its_place() {
        for (body, says) in [
            ("", "must begin with [ or { at byte 0"),
            (" 7", "must begin with [ or { at byte 1"),
            ("[", "not a JSON value at byte 1"),
            ("[1", "neither , nor ] at byte 2"),
            ("[1,", "not a JSON value at byte 3"),
            ("[1,]", "not a JSON value at byte 3"),
            ("[,1]", "not a JSON value at byte 1"),
            ("[1 2]", "neither , nor ] at byte 3"),
            ("[1}", "neither , nor ] at byte 2"),
            ("[1]]", "something follows the end at byte 3"),
            ("{} {}", "something follows the end at byte 3"),
            ("{\"a\":}", "not a JSON value at byte 0"),
            ("[\"a]", "not a JSON value at byte 1"),
            ("[01]", "not a JSON value at byte 1"),
        ] {
            assert_eq!(read(body).unwrap_err(), says, "{body}");
        }
        assert!(Elements::of(b"[\"\xff\"]").is_err());
    }

    #[test]
    fn arrays_are_told_from_others_as_the_parser_tells_them() {
        let parts = ["[", "]", ",", "{", "}", "1", "-", "\"a\"", ":", " ", "null", "tru", "0"];
        let mut body = String::new();
        for number in 0..parts.len().pow(5) {
            body.clear();
            body.push('[');
            let mut rest = number;
            for _ in 0..5 {
                body.push_str(parts[rest % parts.len()]);
                rest /= parts.len();
            }
            let parsed = serde_json::from_str::<Vec<IgnoredAny>>(&body).map(|all| all.len());
            assert_eq!(read(&body).map(|all| all.len()).ok(), parsed.ok(), "{body}");
        }
    }

    #[test]
    fn nesting_costs_no_stack() {
        let body = format!("[{}{}]", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(read(&body).unwrap().len(), 1);
    }
}

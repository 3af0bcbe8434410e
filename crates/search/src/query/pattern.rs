//! Texts with `*` for the rest. One `*` inside, or one at each end: the others would let a hostile
//! record make a match take time that grows with the square of its length.

use std::fmt::Write;

/// What a text must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// This text.
    Exact(String),
    /// `a*b`: begins and ends like this, in this order without overlap; either may be empty, but not
    /// both.
    Around(String, String),
    /// `*a*`: contains this; not empty.
    Contains(String),
}

impl Pattern {
    /// Reads a word that is not quoted; `None` if its `*` are in other places. A lone `*` is not a
    /// pattern: it asks whether there is a value at all.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        let Some((before, after)) = word.split_once('*') else {
            return Some(Pattern::Exact(word.to_owned()));
        };
        if !after.contains('*') && word != "*" {
            return Some(Pattern::Around(before.to_owned(), after.to_owned()));
        }
        let part = after.strip_suffix('*').filter(|part| before.is_empty() && !part.is_empty())?;
        (!part.contains('*')).then(|| Pattern::Contains(part.to_owned()))
    }

    /// The text that it must be, if that is a single one.
    pub(crate) fn exact(&self) -> Option<&str> {
        match self {
            Pattern::Exact(text) => Some(text),
            _ => None,
        }
    }

    /// Whether a text is like this.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Exact(exact) => text == exact,
            Pattern::Around(before, after) => text
                .strip_prefix(before.as_str())
                .is_some_and(|rest| rest.ends_with(after.as_str())),
            Pattern::Contains(part) => text.contains(part.as_str()),
        }
    }

    /// The regular expression (PCRE) that matches the same texts.
    pub(crate) fn regex(&self) -> String {
        match self {
            Pattern::Exact(text) => format!("^{}\\z", escaped(text)),
            Pattern::Around(before, after) if after.is_empty() => format!("^{}", escaped(before)),
            Pattern::Around(before, after) if before.is_empty() => format!("{}\\z", escaped(after)),
            Pattern::Around(before, after) => {
                format!("^{}[\\s\\S]*{}\\z", escaped(before), escaped(after))
            }
            Pattern::Contains(part) => escaped(part),
        }
    }
}

/// A text that stands for itself in a regular expression.
fn escaped(text: &str) -> String {
    let mut regex = String::with_capacity(text.len());
    for c in text.chars() {
        push_escaped(&mut regex, c);
    }
    regex
}

/// Behind a backslash, every ASCII character but letters and digits stands for itself.
fn push_escaped(regex: &mut String, c: char) {
    if c.is_ascii_punctuation() {
        regex.push('\\');
    }
    regex.push(c);
}

/// The regular expression for texts that contain this one, whatever the case of ASCII letters. The
/// flag for that would fold other letters too, differently in each implementation.
pub(crate) fn part_regex(part: &str) -> String {
    let mut regex = String::with_capacity(part.len().saturating_mul(4));
    for c in part.chars() {
        if c.is_ascii_alphabetic() {
            let _ = write!(regex, "[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase());
        } else {
            push_escaped(&mut regex, c);
        }
    }
    regex
}

/// Whether a text contains this part, whatever the case of ASCII letters.
pub(crate) fn contains_part(text: &str, part: &str) -> bool {
    text.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_inside_once_or_at_both_ends() {
        for (word, like, unlike) in [
            ("/api/*", &["/api/", "/api/x\ny"][..], &["/api", "x/api/"][..]),
            ("*.json", &["a.json", ".json"], &["a_json", "a.json\n"]),
            ("*b*", &["b", "abc"], &["ac", "B"]),
            ("a*a", &["aa", "a/a", "a\n*a"], &["a", "aab"]),
            ("a.c", &["a.c"], &["abc", "a.c\n"]),
        ] {
            let pattern = Pattern::parse(word).unwrap();
            assert!(like.iter().all(|text| pattern.matches(text)), "{word}");
            assert!(!unlike.iter().any(|text| pattern.matches(text)), "{word}");
        }
        for word in ["*", "**", "***", "a*b*", "*a*b", "*a**", "a**"] {
            assert_eq!(Pattern::parse(word), None, "{word}");
        }
    }

    #[test]
    fn nothing_of_a_text_acts_in_a_regular_expression() {
        let regex = |word: &str| Pattern::parse(word).unwrap().regex();
        assert_eq!(regex("/a.(b)|[c]*"), r"^\/a\.\(b\)\|\[c\]");
        assert_eq!(regex(r"*\d$"), r"\\d\$\z");
        assert_eq!(regex("é^{2}*?"), r"^é\^\{2\}[\s\S]*\?\z");
        assert_eq!(part_regex("a.É-1 z"), r"[aA]\.É\-1 [zZ]");
    }
}

//! `next` and `after`: where a search goes on, and at which pace.

use std::fmt;

use gatelog_search::{Key, Pace};

use super::answer::Refusal;
use super::params::Params;

/// Where an answer ended, and at which pace it was searched. Its text is the place, and behind further `/` the
/// length of the next window and what each takes whatever its length, in milliseconds; who has only the
/// place begins slowly.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) key: Key,
    pub(super) pace: Pace,
}

impl Cursor {
    /// Reads `after`.
    pub(super) fn of(params: &Params) -> Result<Option<Self>, Refusal> {
        let Some(text) = params.get("after") else { return Ok(None) };
        Self::parse(text).map(Some).ok_or_else(|| {
            let text = text.escape_debug();
            Refusal::invalid(format!("after = \"{text}\": must be `next` of another answer"))
        })
    }

    fn parse(text: &str) -> Option<Self> {
        if let Ok(key) = text.parse() {
            return Some(Self { key, pace: Pace::new() });
        }
        let (rest, last) = text.rsplit_once('/')?;
        let last: u64 = last.parse().ok()?;
        if let Ok(key) = rest.parse() {
            return Some(Self { key, pace: Pace::of_millis(last, None) });
        }
        let (key, length) = rest.rsplit_once('/')?;
        let pace = Pace::of_millis(length.parse().ok()?, Some(last));
        Some(Self { key: key.parse().ok()?, pace })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.key, self.pace.millis())?;
        self.pace.fixed_millis().map_or(Ok(()), |fixed| write!(f, "/{fixed}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_its_pace_has_bounds() {
        let place = "2026-01-26T02:11:57.469652+00:00/01a20c73-7db5-7d3f-a203-60fc1aff1b8d";
        for (text, pace) in [
            (place.to_owned(), "1000"),
            (format!("{place}/0"), "10"),
            (format!("{place}/16000"), "16000"),
            (format!("{place}/16000/0"), "16000/0"),
            (format!("{place}/16000/620"), "16000/620"),
            (format!("{place}/18446744073709551615/18446744073709551615"), "34560000000/5000"),
        ] {
            let cursor = Cursor::parse(&text).unwrap();
            assert_eq!(cursor.to_string(), format!("{place}/{pace}"), "{text}");
            assert_eq!(cursor.key.to_string(), place);
        }
        for text in [
            "",
            "x",
            "/",
            "x/1",
            &format!("{place}/"),
            &format!("{place}/-1"),
            &format!("{place}/1/"),
            &format!("{place}/1/1/1"),
        ] {
            assert!(Cursor::parse(text).is_none(), "{text}");
        }
    }
}

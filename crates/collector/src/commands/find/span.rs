//! From when until when to search.

use std::time::Duration;

use gatelog_record::Timestamp;
use gatelog_record::units::parse_duration;

use crate::clock::now_millis;
use crate::config::Faults;

/// The longest span. The longest default retention is a year; a search has an end in any case.
const LONGEST: Duration = Duration::from_hours(24 * 400);

const SINCE: &str = "--since";
const UNTIL: &str = "--until";

/// A span of time, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
}

impl Span {
    /// Reads both ends, each a time or how long ago; without an end, until now. `None` if there are
    /// faults.
    pub(super) fn parse(since: &str, until: Option<&str>, faults: &mut Faults) -> Option<Self> {
        Self::at(now_millis(), since, until, faults)
    }

    fn at(now: i64, since: &str, until: Option<&str>, faults: &mut Faults) -> Option<Self> {
        let end = match until {
            // What is stored at this moment is found as well.
            None => Some(now.saturating_add(1)),
            Some(text) => faults.take(UNTIL, text, millis(text, now)),
        };
        let begin = faults.take(SINCE, since, millis(since, now))?;
        let end = end?;
        let length = end.saturating_sub(begin);
        if length <= 0 {
            faults.add(SINCE, since, "must be before the end of the search");
            return None;
        }
        if length.unsigned_abs() > u64::try_from(LONGEST.as_millis()).unwrap_or(u64::MAX) {
            faults.add(SINCE, since, "must be at most 400 days before the end of the search");
            return None;
        }
        let time = |millis: i64| Timestamp::from_unix_micros(millis.saturating_mul(1_000));
        Some(Self { since: time(begin), until: time(end) })
    }
}

/// Whole milliseconds, as in the dates of documents.
fn millis(text: &str, now: i64) -> Result<i64, &'static str> {
    let text = text.trim();
    if let Ok(ago) = parse_duration(text) {
        return Ok(now.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)));
    }
    Timestamp::parse(text).map(Timestamp::unix_millis).map_err(
        |_| "must be how long ago, for example 1h, or a time, for example 2026-01-26T02:00:00Z",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(since: &str, until: Option<&str>) -> Result<(i64, i64), String> {
        let mut faults = Faults::default();
        let span = Span::at(1_000_000_000_000, since, until, &mut faults);
        span.map(|span| (span.since.unix_millis(), span.until.unix_millis()))
            .ok_or_else(|| faults.to_string())
    }

    #[test]
    fn both_ends_may_be_a_time_or_how_long_ago() {
        assert_eq!(span("1h", None), Ok((999_996_400_000, 1_000_000_000_001)));
        assert_eq!(span("1d", Some("1h")), Ok((999_913_600_000, 999_996_400_000)));
        let times = span("2001-09-09T00:00:00Z", Some("2001-09-09T02:00:00+01:00"));
        assert_eq!(times, Ok((999_993_600_000, 999_997_200_000)));
    }

    #[test]
    fn a_span_that_is_empty_or_too_long_is_refused() {
        for (since, until, says) in [
            ("1h", Some("2h"), "--since = \"1h\": must be before the end of the search"),
            ("401d", None, "--since = \"401d\": must be at most 400 days before the end"),
            ("soon", None, "--since = \"soon\": must be how long ago, for example 1h, or a time"),
            ("1h", Some("\u{1b}"), "--until = \"\\u{1b}\": must be how long ago"),
        ] {
            let told = span(since, until).unwrap_err();
            assert!(told.starts_with(says), "{told}");
        }
    }
}

//! From when until when to search.

use std::time::Duration;

use clap::Args;
use gatelog_record::Timestamp;
use gatelog_record::units::parse_duration;
use gatelog_search::Key;

use crate::clock::now_millis;
use crate::config::Faults;

/// The longest span. The longest default retention is a year; a search has an end in any case.
const LONGEST: Duration = Duration::from_hours(24 * 400);

const SINCE: &str = "--since";
const UNTIL: &str = "--until";

/// The flags that say from when until when.
#[derive(Args, Clone, Debug)]
pub(super) struct SpanArgs {
    /// From when on: how long ago, for example 1h, or a time, for example 2026-01-26T02:00:00Z; at
    /// most 400 days before the end
    #[arg(long, value_name = "TIME", default_value = "1h")]
    since: String,
    /// Until when, in the same forms, or where another search ended: TIME/ID [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// A span of time, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) since: Timestamp,
    pub(super) until: Key,
}

impl SpanArgs {
    /// Reads both ends. `None` if there are faults.
    pub(super) fn span(&self, faults: &mut Faults) -> Option<Span> {
        Span::at(now_millis(), &self.since, self.until.as_deref(), faults)
    }
}

impl Span {
    fn at(now: i64, since: &str, until: Option<&str>, faults: &mut Faults) -> Option<Self> {
        let end = match until {
            // What is stored at this moment is found as well.
            None => Some(first(now.saturating_add(1))),
            Some(text) => match text.trim().parse::<Key>() {
                Ok(key) => Some(key),
                Err(_) => faults.take(UNTIL, text, millis(text, now)).map(first),
            },
        };
        let begin = faults.take(SINCE, since, millis(since, now))?;
        let end = end?;
        let length = end.at.unix_millis().saturating_sub(begin);
        if Key::first(time(begin)) >= end {
            faults.add(SINCE, since, "must be before the end of the search");
            return None;
        }
        // The present moment, which the end includes, is not counted.
        let longest = u64::try_from(LONGEST.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        if length.unsigned_abs() > longest {
            faults.add(SINCE, since, "must be at most 400 days before the end of the search");
            return None;
        }
        Some(Self { since: time(begin), until: end })
    }
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_unix_micros(millis.saturating_mul(1_000))
}

fn first(millis: i64) -> Key {
    Key::first(time(millis))
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
        span.map(|span| (span.since.unix_millis(), span.until.at.unix_millis()))
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
    fn the_end_may_be_where_another_search_ended() {
        let key = "2001-09-09T01:00:00.000007+00:00/01a20c77-f456-712b-883b-d7d78b41ea9e";
        let mut faults = Faults::default();
        let span = Span::at(1_000_000_000_000, "2001-09-09T01:00:00Z", Some(key), &mut faults);
        assert_eq!(span.map(|span| span.until.to_string()).as_deref(), Some(key));
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

//! From when until when to search.

use std::time::Duration;

use gatelog_collector::clock;
use gatelog_record::Timestamp;
use gatelog_record::units::parse_duration;
use gatelog_search::Key;

use super::answer::Refusal;
use super::cursor::Cursor;
use super::params::Params;

/// The longest span. The longest default retention is a year; a search has an end in any case.
const LONGEST: Duration = Duration::from_hours(24 * 400);
/// The span if none is given.
const DEFAULT: Duration = Duration::from_hours(1);

/// A span of time, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

impl Span {
    /// Reads `since` and `until`: times, or how long ago.
    pub(crate) fn of(params: &Params) -> Result<Self, Refusal> {
        Self::at(clock::now().unix_millis(), params)
    }

    fn at(now: i64, params: &Params) -> Result<Self, Refusal> {
        let (end, until) = match params.get("until") {
            // What is stored at this moment is found as well.
            None => (now, now.saturating_add(1)),
            Some(text) => {
                let until = millis("until", text, now)?;
                (until, until)
            }
        };
        let since = match params.get("since") {
            None => until.saturating_sub(whole(DEFAULT)),
            Some(text) => millis("since", text, now)?,
        };
        if since >= until {
            return Err(Refusal::invalid("since must be before until"));
        }
        if end.saturating_sub(since) > whole(LONGEST) {
            return Err(Refusal::invalid("since must be at most 400 days before until"));
        }
        Ok(Self { since: time(since), until: time(until) })
    }

    /// Its length in milliseconds.
    pub(crate) fn millis(self) -> i64 {
        self.until.unix_millis().saturating_sub(self.since.unix_millis())
    }

    /// Where a search begins: at its end, or behind where another one ended.
    pub(crate) fn before(self, params: &Params) -> Result<Key, Refusal> {
        let end = Key::first(self.until);
        Ok(Cursor::of(params)?.map_or(end, |cursor| cursor.key.min(end)))
    }
}

/// The instant of this millisecond.
pub(crate) fn time(millis: i64) -> Timestamp {
    Timestamp::from_unix_micros(millis.saturating_mul(1_000))
}

fn whole(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Whole milliseconds, as in the dates of documents.
fn millis(name: &str, text: &str, now: i64) -> Result<i64, Refusal> {
    let text = text.trim();
    if let Ok(ago) = parse_duration(text) {
        return Ok(now.saturating_sub(whole(ago)));
    }
    Timestamp::parse(text).map(Timestamp::unix_millis).map_err(|_| {
        let text = text.escape_debug();
        Refusal::invalid(format!(
            "{name} = \"{text}\": must be a time, for example 2026-01-26T02:00:00Z, or how long \
             ago, for example 1h"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000_000_000;

    fn params(query: &str) -> Params {
        Params::parse(Some(query), &["since", "until", "after"]).unwrap()
    }

    fn span(query: &str) -> Option<(i64, i64)> {
        let span = Span::at(NOW, &params(query)).ok()?;
        Some((NOW - span.since.unix_millis(), NOW - span.until.unix_millis()))
    }

    #[test]
    fn both_ends_may_be_a_time_or_how_long_ago_and_default_to_the_last_hour() {
        assert_eq!(span(""), Some((3_599_999, -1)));
        assert_eq!(span("since=1d&until=1h"), Some((86_400_000, 3_600_000)));
        let times = "since=2001-09-09T00:46:40Z&until=2001-09-09T02:46:40%2B01:00";
        assert_eq!(span(times), Some((3_600_000, 0)));
        assert_eq!(span("since=400d"), Some((34_560_000_000, -1)));
        for query in ["since=1h&until=2h", "since=401d", "since=soon", "until=x"] {
            assert_eq!(span(query), None, "{query}");
        }
    }

    #[test]
    fn a_cursor_never_widens_the_span() {
        let at = |query: &str| {
            let params = params(query);
            Span::at(NOW, &params).unwrap().before(&params).unwrap()
        };
        let id = "01a20c77-f456-712b-883b-d7d78b41ea9e";
        let later = at(&format!("until=1h&after=2096-01-01T00:00:00Z/{id}"));
        assert_eq!(later, at("until=1h"));
        let earlier = at(&format!("after=2001-01-01T00:00:00Z/{id}"));
        assert_eq!(earlier.id.hyphenated().to_string(), id);
        let bad = params("after=x");
        assert!(Span::at(NOW, &bad).unwrap().before(&bad).is_err());
    }
}

//! Which minutes or hours an overview is of.

use gatelog_collector::rollup::{Family, MINUTES_KEPT, Period};

use super::super::span::Span;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;
/// The longest span that is read by the minute: six hours, whenever within a minute they were asked for.
const BY_MINUTE: i64 = 6 * HOUR + MINUTE;
/// Maximum points of a series; two more at unaligned ends.
const POINTS: i64 = 400;
/// The lengths that a point may have, in hours.
const STEPS: [i64; 6] = [1, 2, 3, 6, 12, 24];

/// A period in whole minutes or hours, and the one before it, which is as long. Times are in ms
/// since 1970; an end is not part of what it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Looked {
    /// The beginning of the period before.
    pub(super) before: i64,
    pub(super) from: i64,
    pub(super) until: i64,
    /// The length of a point.
    pub(super) step: i64,
    by_minute: bool,
}

impl Looked {
    /// The periods that have a span: minutes where it is short and minutes are still kept.
    pub(super) fn of(span: Span, now: i64) -> Self {
        let (since, until) = (span.since.unix_millis(), span.until.unix_millis());
        let kept = i64::try_from(MINUTES_KEPT.as_millis()).unwrap_or(i64::MAX);
        let minutes = Self::in_units(since, until, MINUTE);
        if span.millis() <= BY_MINUTE && minutes.before >= now.saturating_sub(kept) {
            return Self { by_minute: true, ..minutes };
        }
        let fits = |hours: &i64| span.millis() <= hours.saturating_mul(HOUR.saturating_mul(POINTS));
        let hours = STEPS.into_iter().find(fits).unwrap_or(24);
        Self { step: hours.saturating_mul(HOUR), ..Self::in_units(since, until, HOUR) }
    }

    fn in_units(since: i64, until: i64, unit: i64) -> Self {
        let from = floor(since, unit);
        let until = floor(until.saturating_add(unit).saturating_sub(1), unit);
        let before = from.saturating_sub(until.saturating_sub(from));
        Self { before, from, until, step: unit, by_minute: false }
    }

    /// `minute` or `hour`.
    pub(super) fn resolution(self) -> &'static str {
        self.period(0).resolution()
    }

    /// The minute or hour in which an instant is.
    pub(super) fn period(self, at: i64) -> Period {
        let unit = if self.by_minute { MINUTE } else { HOUR };
        let number = at.checked_div_euclid(unit).unwrap_or(0);
        if self.by_minute { Period::Minute(number) } else { Period::Hour(number) }
    }

    /// When the first documents of both periods expire, and those behind the last, in ms since 1970.
    pub(super) fn expiries(self) -> (i64, i64) {
        let expiry = |at| self.period(at).expiry(at);
        (expiry(self.before), expiry(self.until))
    }

    /// The first id of a family's documents of both periods, and the one behind the last.
    pub(super) fn ids(self, family: Family) -> (String, String) {
        let id = |at| {
            let family = family.as_str();
            format!("{}:{family}:{}:", self.resolution(), self.period(at))
        };
        (id(self.before), id(self.until))
    }

    /// When each point begins: at multiples of the step, the first at the beginning.
    pub(super) fn points(self) -> impl Iterator<Item = i64> {
        let first = floor(self.from, self.step);
        let count = usize::try_from(POINTS.saturating_add(2)).unwrap_or(0);
        let starts =
            std::iter::successors(Some(first), move |at| Some(at.saturating_add(self.step)));
        starts.take_while(move |at| *at < self.until).take(count).map(move |at| at.max(self.from))
    }

    /// The index of the point in which an instant of the period is.
    pub(super) fn point(self, at: i64) -> Option<usize> {
        let since = floor(at, self.step).saturating_sub(floor(self.from, self.step));
        let inside = (self.from..self.until).contains(&at);
        since.checked_div(self.step).filter(|_| inside).and_then(|index| index.try_into().ok())
    }
}

/// The last multiple of a unit at or before a time.
fn floor(at: i64, unit: i64) -> i64 {
    at.saturating_sub(at.checked_rem_euclid(unit).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::super::span::time;
    use super::*;

    const DAY: i64 = 24 * HOUR;
    const NOW: i64 = 1_795_741_430_000;

    fn looked(since: i64, until: i64) -> Looked {
        Looked::of(Span { since: time(since), until: time(until) }, NOW)
    }

    #[test]
    fn a_short_span_is_read_by_the_minute_while_minutes_are_kept_and_others_by_the_hour() {
        let hour = looked(NOW - HOUR, NOW);
        assert_eq!((hour.resolution(), hour.step), ("minute", MINUTE));
        assert_eq!((hour.from % MINUTE, hour.until % MINUTE), (0, 0));
        assert!(hour.from <= NOW - HOUR && hour.until >= NOW, "{hour:?}");
        assert_eq!(hour.from - hour.before, hour.until - hour.from);
        // `since=6h` ends behind the present moment.
        assert_eq!(looked(NOW - 6 * HOUR, NOW + 1).resolution(), "minute");
        assert_eq!(looked(NOW - 6 * HOUR - MINUTE - 1, NOW).resolution(), "hour");
        let old = looked(NOW - 7 * DAY, NOW - 7 * DAY + HOUR);
        assert_eq!((old.resolution(), old.step), ("hour", HOUR), "the minutes before have expired");
    }

    #[test]
    fn a_series_has_at_most_some_hundred_points_and_every_instant_is_in_one() {
        for (length, step) in [
            (MINUTE, MINUTE),
            (6 * HOUR, MINUTE),
            (7 * DAY, HOUR),
            (30 * DAY, 2 * HOUR),
            (400 * DAY, 24 * HOUR),
        ] {
            let looked = looked(NOW - length, NOW);
            let points: Vec<_> = looked.points().collect();
            assert_eq!(looked.step, step);
            assert!(points.len() <= 402, "{} points", points.len());
            assert_eq!(points[0], looked.from);
            for (index, start) in points.iter().enumerate() {
                let end = points.get(index + 1).copied().unwrap_or(looked.until);
                assert_eq!(looked.point(*start), Some(index));
                assert_eq!(looked.point(end - 1), Some(index));
            }
            assert_eq!((looked.point(looked.from - 1), looked.point(looked.until)), (None, None));
        }
    }

    #[test]
    fn both_periods_are_one_range_of_ids_and_of_expiries() {
        let hour = looked(NOW - HOUR, NOW);
        let (first, end) = hour.ids(Family::Route);
        assert_eq!(first, "minute:route:2026-11-26T23:02:");
        assert_eq!(end, "minute:route:2026-11-27T01:04:");
        let kept = MINUTE + 7 * DAY;
        assert_eq!(hour.expiries(), (hour.before + kept, hour.until + kept));
        let week = looked(NOW - 7 * DAY, NOW);
        let kept = HOUR + 400 * DAY;
        assert_eq!(week.expiries(), (week.before + kept, week.until + kept));
    }
}

//! Minutes and hours.

use std::fmt;
use std::time::Duration;

use gatelog_record::Timestamp;

/// How long minutes are kept.
pub const MINUTES_KEPT: Duration = Duration::from_hours(24 * 7);
/// How long hours are kept, and what has no period, counted from its last change.
pub const HOURS_KEPT: Duration = Duration::from_hours(24 * 400);

/// A record that ended longer before its batch arrived belongs to no period.
const LATEST: Duration = Duration::from_hours(24 * 35);
/// A record that ended longer after its batch arrived belongs to no period: its clock is wrong.
const AHEAD: Duration = Duration::from_mins(5);

const MINUTE_MICROS: i64 = 60_000_000;
const MINUTES_PER_HOUR: i64 = 60;

/// What a value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// A minute, counted since 1970.
    Minute(i64),
    /// An hour, counted since 1970.
    Hour(i64),
    /// Records whose time cannot be right.
    Untimed,
}

/// Where a record is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// In this minute and its hour.
    Minute(i64),
    /// In this hour only: its minutes are no longer kept.
    Hour(i64),
    /// In no period.
    Untimed,
}

impl Slot {
    /// Where a record that ended at `end` is counted, in µs since 1970, if its batch arrived at
    /// `received`, in ms since 1970.
    pub fn of(end: i64, received: i64) -> Self {
        let received = received.saturating_mul(1_000);
        let late = received.saturating_sub(end);
        let minute = end.div_euclid(MINUTE_MICROS);
        if late > micros(LATEST) || late < micros(AHEAD).saturating_neg() {
            Slot::Untimed
        } else if late > micros(MINUTES_KEPT) {
            Slot::Hour(minute.div_euclid(MINUTES_PER_HOUR))
        } else {
            Slot::Minute(minute)
        }
    }

    /// The period in which names are limited: the hour.
    pub fn whole(self) -> Period {
        match self {
            Slot::Minute(minute) => Period::Hour(minute.div_euclid(MINUTES_PER_HOUR)),
            Slot::Hour(hour) => Period::Hour(hour),
            Slot::Untimed => Period::Untimed,
        }
    }

    /// The minute, if it is counted in one.
    pub fn minute(self) -> Option<Period> {
        match self {
            Slot::Minute(minute) => Some(Period::Minute(minute)),
            Slot::Hour(_) | Slot::Untimed => None,
        }
    }
}

impl Period {
    /// When it begins, in ms since 1970.
    pub fn start(self) -> Option<i64> {
        let minutes = match self {
            Period::Minute(minute) => minute,
            Period::Hour(hour) => hour.saturating_mul(MINUTES_PER_HOUR),
            Period::Untimed => return None,
        };
        Some(minutes.saturating_mul(MINUTE_MICROS) / 1_000)
    }

    /// When it ends, in ms since 1970.
    pub fn end(self) -> Option<i64> {
        match self {
            Period::Minute(minute) => Period::Minute(minute.saturating_add(1)).start(),
            Period::Hour(hour) => Period::Hour(hour.saturating_add(1)).start(),
            Period::Untimed => None,
        }
    }

    /// How long its values are kept after its end.
    pub fn kept(self) -> Duration {
        match self {
            Period::Minute(_) => MINUTES_KEPT,
            Period::Hour(_) | Period::Untimed => HOURS_KEPT,
        }
    }

    /// When a value that last changes `now` expires. Both are in ms since 1970.
    pub fn expiry(self, now: i64) -> i64 {
        let kept = i64::try_from(self.kept().as_millis()).unwrap_or(i64::MAX);
        self.end().unwrap_or(now).saturating_add(kept)
    }

    /// The minute or hour, by its [`resolution`](Self::resolution), in which this instant is, in ms
    /// since 1970.
    pub fn containing(resolution: &str, at: i64) -> Option<Self> {
        let minute = at.div_euclid(MINUTE_MICROS / 1_000);
        match resolution {
            "minute" => Some(Period::Minute(minute)),
            "hour" => Some(Period::Hour(minute.div_euclid(MINUTES_PER_HOUR))),
            _ => None,
        }
    }

    /// Its kind: the beginning of its documents' ids.
    pub fn resolution(self) -> &'static str {
        match self {
            Period::Minute(_) => "minute",
            Period::Hour(_) => "hour",
            Period::Untimed => "untimed",
        }
    }

    /// Reads the text of a period.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "untimed" {
            return Some(Period::Untimed);
        }
        let minute = |text: &str| {
            let time = Timestamp::parse(text).ok()?.unix_micros();
            Some(time.div_euclid(MINUTE_MICROS))
        };
        match text.len() {
            16 => minute(&format!("{text}:00Z")).map(Period::Minute),
            13 => {
                Some(Period::Hour(minute(&format!("{text}:00:00Z"))?.div_euclid(MINUTES_PER_HOUR)))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Period {
    /// `2026-11-26T01:03`, `2026-11-26T01`, or `untimed`; sorts by time.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = match self {
            Period::Minute(_) => 16,
            Period::Hour(_) => 13,
            Period::Untimed => return f.write_str("untimed"),
        };
        let micros = self.start().unwrap_or(0).saturating_mul(1_000);
        let text = Timestamp::from_unix_micros(micros).to_string();
        f.write_str(text.get(..length).unwrap_or_default())
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_741_430_000;

    fn slot(before_now_s: i64) -> Slot {
        Slot::of((NOW - before_now_s * 1_000) * 1_000, NOW)
    }

    #[test]
    fn a_record_is_counted_in_the_minute_and_hour_of_its_end() {
        let slot = slot(0);
        let (minute, hour) = (slot.minute().unwrap(), slot.whole());
        assert_eq!(
            (minute.to_string().as_str(), hour.to_string().as_str()),
            ("2026-11-27T01:03", "2026-11-27T01")
        );
        assert_eq!(minute.end().unwrap() - minute.start().unwrap(), 60_000);
        assert_eq!(hour.end().unwrap() - hour.start().unwrap(), 3_600_000);
        for period in [minute, hour, Period::Untimed] {
            assert_eq!(Period::parse(&period.to_string()), Some(period));
            let same = period
                .start()
                .and_then(|start| Period::containing(period.resolution(), start + 59_999));
            assert_eq!(same, Some(period).filter(|period| *period != Period::Untimed));
        }
        for text in ["", "2026-11-27", "2026-11-27T0x", "2026-13-27T00", "2026-11-27T00:23:01Z"] {
            assert_eq!(Period::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_record_that_is_too_old_or_ahead_has_no_period() {
        let day = 86_400;
        assert!(matches!(slot(-300), Slot::Minute(_)));
        assert_eq!(slot(-301), Slot::Untimed);
        assert!(matches!(slot(7 * day), Slot::Minute(_)));
        assert!(matches!(slot(7 * day + 1), Slot::Hour(_)), "minutes are kept for 7 days");
        assert!(matches!(slot(35 * day), Slot::Hour(_)));
        assert_eq!(slot(35 * day + 1), Slot::Untimed);
        assert_eq!(Slot::of(i64::MIN, i64::MAX), Slot::Untimed);
        assert_eq!(Slot::of(i64::MAX, i64::MIN), Slot::Untimed);
    }

    #[test]
    fn a_time_before_1970_belongs_to_the_minute_that_began_before_it() {
        assert_eq!(Slot::of(-1, 0), Slot::Minute(-1));
        assert_eq!(Period::Minute(-1).to_string(), "1969-12-31T23:59");
        assert_eq!(Slot::Minute(-1).whole(), Period::Hour(-1));
    }
}

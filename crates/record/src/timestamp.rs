//! An instant, and its fixed-width text, which sorts chronologically.

use std::fmt;

/// Microseconds since 1970-01-01T00:00:00 UTC, within the years 0001 to 9999.
///
/// RFC 3339 also allows the year 0000, but the date types of several languages and some
/// servers that speak MongoDB's protocol cannot represent it: such a document makes them reject the whole
/// call. Its text is `2026-01-26T02:11:57.469652+00:00`: always 32 bytes, always UTC, so comparing
/// texts compares instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 0001-01-01T00:00:00Z, in microseconds.
const FIRST_MICROS: i64 = -62_135_596_800_000_000;
/// 9999-12-31T23:59:59.999999Z, in microseconds.
const LAST_MICROS: i64 = 253_402_300_799_999_999;
const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

impl Timestamp {
    /// Length of the text, in bytes.
    pub const TEXT_LEN: usize = 32;

    /// The first instant: 0001-01-01T00:00:00Z.
    pub const FIRST: Self = Self(FIRST_MICROS);

    /// The last instant: 9999-12-31T23:59:59.999999Z.
    pub const LAST: Self = Self(LAST_MICROS);

    /// An instant from microseconds since the epoch, clamped to the years
    /// 1 to 9999.
    pub const fn from_unix_micros(micros: i64) -> Self {
        if micros < FIRST_MICROS {
            Self(FIRST_MICROS)
        } else if micros > LAST_MICROS {
            Self(LAST_MICROS)
        } else {
            Self(micros)
        }
    }

    /// An instant from nanoseconds since the epoch, rounded down to microseconds.
    pub fn from_unix_nanos(nanos: u64) -> Self {
        Self::from_unix_micros(i64::try_from(nanos / 1_000).unwrap_or(i64::MAX))
    }

    /// Microseconds since the epoch.
    pub const fn unix_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down: the precision of a BSON date.
    pub const fn unix_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Reads an RFC 3339 date and time with any offset and any number of fraction digits; a
    /// fraction finer than a microsecond is cut. Source: RFC 3339 §5.6; a leap second (`:60`) is
    /// read as the second that follows.
    ///
    /// # Errors
    ///
    /// The text is not such a date and time, or its instant in UTC is outside the years 1 to 9999.
    pub fn parse(text: &str) -> Result<Self, ParseTimestampError> {
        parse(text.as_bytes()).ok_or(ParseTimestampError)
    }

    /// The text, 32 bytes of ASCII.
    pub fn text(self) -> [u8; Self::TEXT_LEN] {
        let mut text = *b"0000-00-00T00:00:00.000000+00:00";
        let seconds = self.0.div_euclid(MICROS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        put(&mut text, 0..4, year);
        put(&mut text, 5..7, month);
        put(&mut text, 8..10, day);
        put(&mut text, 11..13, of_day / 3_600);
        put(&mut text, 14..16, of_day / 60 % 60);
        put(&mut text, 17..19, of_day % 60);
        put(&mut text, 20..26, self.0.rem_euclid(MICROS_PER_SECOND));
        text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

/// A text that is not an RFC 3339 date and time within the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTimestampError;

impl fmt::Display for ParseTimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "must be an RFC 3339 date and time within the years 0001 to 9999, for example \
             \"2026-01-26T02:11:57.469652+00:00\"",
        )
    }
}

impl std::error::Error for ParseTimestampError {}

/// Writes `value` into the digits of `range`, right-aligned over the existing digits.
fn put(text: &mut [u8], range: std::ops::Range<usize>, mut value: i64) {
    for digit in text.get_mut(range).into_iter().flatten().rev() {
        *digit = b'0'.wrapping_add(u8::try_from(value.rem_euclid(10)).unwrap_or(0));
        value /= 10;
    }
}

/// Year, month and day of a day number. Source: H. Hinnant, "chrono-compatible low-level date
/// algorithms". Every intermediate fits i64 for days within the years 0 to 9999, a wider range than an instant's.
#[expect(clippy::arithmetic_side_effects, reason = "days are within years 0 to 9999")]
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// The day number of a year (0 to 9999), month (1 to 12) and day; same source.
#[expect(clippy::arithmetic_side_effects, reason = "the arguments have at most four digits")]
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

fn parse(text: &[u8]) -> Option<Timestamp> {
    let (year, month, day) = (digits(text, 0..4)?, digits(text, 5..7)?, digits(text, 8..10)?);
    let (hour, minute, second) =
        (digits(text, 11..13)?, digits(text, 14..16)?, digits(text, 17..19)?);
    let separators = [(4, b"-"), (7, b"-"), (13, b":"), (16, b":")];
    if !separators.iter().all(|&(at, byte)| text.get(at..=at) == Some(byte))
        || !matches!(text.get(10), Some(b'T' | b't' | b' '))
        || !(1..=12).contains(&month)
        || !(1..=days_in_month(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let (fraction, rest) = fraction(text.get(19..)?)?;
    let offset_minutes = match rest {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), clock @ ..] if clock.len() == 5 && clock.get(2) == Some(&b':') => {
            let (h, m) = (digits(clock, 0..2)?, digits(clock, 3..5)?);
            if h > 23 || m > 59 {
                return None;
            }
            let minutes = h.checked_mul(60)?.checked_add(m)?;
            if *sign == b'-' { minutes.checked_neg()? } else { minutes }
        }
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day)
        .checked_mul(SECONDS_PER_DAY)?
        .checked_add(hour.checked_mul(3_600)?)?
        .checked_add(minute.checked_sub(offset_minutes)?.checked_mul(60)?)?
        .checked_add(second)?;
    let micros = seconds.checked_mul(MICROS_PER_SECOND)?.checked_add(fraction)?;
    (FIRST_MICROS..=LAST_MICROS).contains(&micros).then_some(Timestamp(micros))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The number that `range` of `text` spells in decimal digits.
fn digits(text: &[u8], range: std::ops::Range<usize>) -> Option<i64> {
    text.get(range)?.iter().try_fold(0_i64, |value, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        value.checked_mul(10)?.checked_add(i64::from(digit))
    })
}

/// Microseconds of an optional `.fraction`, and the rest of the text.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', rest)) = text.split_first() else {
        return Some((0, text));
    };
    let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at_checked(len)?;
    if digits.is_empty() {
        return None;
    }
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0'));
    let micros = padded.take(6).try_fold(0_i64, |value, byte| {
        value.checked_mul(10)?.checked_add(i64::from(byte.checked_sub(b'0')?))
    })?;
    Some((micros, rest))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const KNOWN: [(i64, &str); 6] = [
        (0, "1970-01-01T00:00:00.000000+00:00"),
        (1_769_393_517_469_652, "2026-01-26T02:11:57.469652+00:00"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000000+00:00"),
        (-1, "1969-12-31T23:59:59.999999+00:00"),
        (FIRST_MICROS, "0001-01-01T00:00:00.000000+00:00"),
        (LAST_MICROS, "9999-12-31T23:59:59.999999+00:00"),
    ];

    #[test]
    fn known_instants_have_their_text_and_read_back() {
        for (micros, text) in KNOWN {
            let instant = Timestamp::from_unix_micros(micros);
            assert_eq!(instant.to_string(), text);
            assert_eq!(Timestamp::parse(text), Ok(instant));
        }
    }

    #[test]
    fn texts_sort_as_instants_do() {
        let mut known = KNOWN;
        known.sort_by_key(|(micros, _)| *micros);
        assert!(known.is_sorted_by_key(|(_, text)| *text));
    }

    #[test]
    fn an_instant_outside_four_digit_years_moves_to_the_nearest_end() {
        assert_eq!(Timestamp::from_unix_micros(i64::MAX).unix_micros(), LAST_MICROS);
        assert_eq!(Timestamp::from_unix_micros(i64::MIN).unix_micros(), FIRST_MICROS);
        assert_eq!(
            Timestamp::from_unix_nanos(u64::MAX).to_string(),
            "2554-07-21T23:34:33.709551+00:00"
        );
    }

    #[test]
    fn an_offset_may_lead_to_the_first_and_the_last_instant_but_not_past_them() {
        for (text, instant) in [
            ("0000-12-31T23:00:00-01:00", Timestamp::FIRST),
            ("0001-01-01T00:30:00+00:30", Timestamp::FIRST),
            ("9999-12-31T23:59:59.9999999Z", Timestamp::LAST),
        ] {
            assert_eq!(Timestamp::parse(text), Ok(instant), "{text}");
        }
    }

    #[test]
    fn other_offsets_and_fractions_are_read() {
        let noon = Timestamp::parse("2026-01-26T12:00:00Z").unwrap();
        for same in [
            "2026-01-26T14:00:00+02:00",
            "2026-01-26t06:30:00.000-05:30",
            "2026-01-26 12:00:00.0000009z",
        ] {
            assert_eq!(Timestamp::parse(same), Ok(noon), "{same}");
        }
    }

    #[test]
    fn an_invalid_date_is_rejected() {
        for text in [
            "",
            "now",
            "2026-01-26",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-26T24:00:00Z",
            "2026-01-26T00:00:00",
            "2026-01-26T00:00:00.Z",
            "2026-01-26T00:00:00+0000",
            "2026-01-26T00:00:00Zjunk",
            "-026-01-26T00:00:00Z",
            "2026-01-26T00:00:00+24:00",
            "0000-01-01T00:00:00Z",
            "0000-12-31T23:59:59.999999Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "9999-12-31T23:59:60Z",
            "é026-01-26T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text), Err(ParseTimestampError), "{text}");
        }
    }
}

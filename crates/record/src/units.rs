//! Human-readable durations and sizes: `250ms`, `1.5s`, `30d`, `64KiB`, `2GiB`. One grammar for the
//! filter, the collector and their tools: a number with up to nine decimals, optional blanks, and a
//! unit.

use std::fmt;
use std::time::Duration;

/// Maximum decimals of a number: enough for nanoseconds.
const DECIMALS: usize = 9;

/// Nanoseconds per unit of time, largest first. The first name of each unit is the one displayed.
const TIMES: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
];

/// Bytes per unit of size, largest first.
const SIZES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// What is wrong with a duration or a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitError {
    /// It is not a duration with a unit.
    Duration,
    /// It is not a size.
    Size,
    /// It is too large to represent.
    TooLarge,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UnitError::Duration => {
                "must be a number and one of the units us, ms, s, m, h or d, for example 500ms or 10s"
            }
            UnitError::Size => {
                "must be a number and one of the units B, KiB, MiB, GiB or TiB, for example 64KiB"
            }
            UnitError::TooLarge => "is too large",
        })
    }
}

impl std::error::Error for UnitError {}

/// Reads a duration with its unit: `us` or `µs`, `ms`, `s`, `m`, `h` or `d`. At most 2⁶⁴ ns, which
/// is 584 years.
///
/// # Errors
///
/// The text has another form, or the duration is too long.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split(text);
    let factor = factor(&TIMES, unit).ok_or(UnitError::Duration)?;
    scaled(number, factor, UnitError::Duration).map(Duration::from_nanos)
}

/// Reads a size with its unit: `B`, `KiB`, `MiB`, `GiB` or `TiB`. A bare number is in bytes. A
/// fraction of a byte is truncated.
///
/// # Errors
///
/// The text has another form, or the size is too large.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text);
    let unit = if unit.is_empty() { "B" } else { unit };
    let factor = factor(&SIZES, unit).ok_or(UnitError::Size)?;
    scaled(number, factor, UnitError::Size)
}

/// Formats a duration in the largest unit that represents it exactly, down to microseconds.
pub fn show_duration(duration: Duration) -> String {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let exact = |(_, size): &&(&str, u64)| nanos >= *size && nanos.is_multiple_of(*size);
    let (unit, size) = TIMES.iter().find(exact).copied().unwrap_or(("us", 1_000));
    format!("{}{unit}", nanos.checked_div(size).unwrap_or(0))
}

/// Formats a size in the largest unit that represents it exactly.
pub fn show_size(bytes: u64) -> String {
    let exact = |(_, size): &&(&str, u64)| bytes >= *size && bytes.is_multiple_of(*size);
    let (unit, size) = SIZES.iter().find(exact).copied().unwrap_or(("B", 1));
    format!("{}{unit}", bytes.checked_div(size).unwrap_or(0))
}

fn factor(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at_checked(end).map_or((text, ""), |(number, unit)| (number, unit.trim_start()))
}

/// Multiplies a decimal number by a factor, exactly.
fn scaled(number: &str, factor: u64, form: UnitError) -> Result<u64, UnitError> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
        Some(_) => return Err(form),
        None => (number, "0"),
    };
    if !is_digits(whole) || fraction.len() > DECIMALS {
        return Err(form);
    }
    let digits = u32::try_from(fraction.len()).map_err(|_| form)?;
    // An overflow means too large: all digits are valid at this point.
    let product = || {
        let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
        let part = u128::from(fraction.parse::<u64>().ok()?).checked_mul(u128::from(factor))?;
        let part = part.checked_div(10_u128.checked_pow(digits)?)?;
        whole.checked_add(u64::try_from(part).ok()?)
    };
    product().ok_or(UnitError::TooLarge)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn durations_and_sizes_are_read_exactly() {
        for (text, nanos) in [
            ("200ms", 200_000_000),
            ("1.5s", 1_500_000_000),
            ("7d", 604_800_000_000_000),
            ("50us", 50_000),
            ("50µs", 50_000),
            (" 2 m ", 120_000_000_000),
            ("0.000000001s", 1),
            ("0.123456789d", 10_666_666_569_600),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
        for (text, bytes) in [
            ("262144", 262_144),
            ("7B", 7),
            ("8MiB", 8 << 20),
            ("0.5 KiB", 512),
            ("2GiB", 2 << 30),
            ("1.5TiB", 3 << 39),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_text_without_number_or_unit_is_rejected_with_the_expected_form() {
        for text in [
            "",
            "s",
            "10",
            "10 parsecs",
            "-1s",
            "+1s",
            "1.s",
            ".5s",
            "1..5s",
            "1.2.3s",
            "1e3s",
            "1é",
        ] {
            assert_eq!(parse_duration(text), Err(UnitError::Duration), "{text}");
        }
        assert_eq!(parse_duration("1.0000000001s"), Err(UnitError::Duration));
        for text in ["", "MiB", "1MB", "1KB", "-1", "1.", "1 mib"] {
            assert_eq!(parse_size(text), Err(UnitError::Size), "{text}");
        }
    }

    #[test]
    fn what_overflows_is_too_large() {
        for text in ["99999999999999999999s", "300000000000d", "18446744073709551615d"] {
            assert_eq!(parse_duration(text), Err(UnitError::TooLarge), "{text}");
        }
        for text in ["20000000TiB", "99999999999GiB", "16777216.9TiB"] {
            assert_eq!(parse_size(text), Err(UnitError::TooLarge), "{text}");
        }
    }

    #[test]
    fn the_largest_unit_that_is_exact_is_shown() {
        for text in ["200ms", "90s", "1m", "2h", "7d", "50us", "30d", "250ms"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(show_duration(Duration::ZERO), "0us");
        for text in ["7B", "64KiB", "8MiB", "2GiB", "3TiB", "1025B", "0B"] {
            assert_eq!(show_size(parse_size(text).unwrap()), text);
        }
    }
}

//! Durations and sizes as people write them: `250ms`, `30d`, `64KiB`, `2GiB`.

use std::time::Duration;

/// Reads a duration with its unit: `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
///
/// What the value must look like.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let number: u64 =
        number.parse().map_err(|_| "must be a whole number and a unit, such as 500ms or 10s")?;
    let millis_per = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("must end in one of the units ms, s, m, h or d".into()),
    };
    number
        .checked_mul(millis_per)
        .map(Duration::from_millis)
        .ok_or_else(|| "is longer than a duration can be".into())
}

/// Reads a size with its unit: `B`, `KiB`, `MiB`, `GiB` or `TiB`; a bare number is in bytes.
///
/// # Errors
///
/// What the value must look like.
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let number: u64 =
        number.parse().map_err(|_| "must be a whole number and a unit, such as 64KiB or 2GiB")?;
    let bytes_per: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err("must end in one of the units B, KiB, MiB, GiB or TiB".into()),
    };
    number.checked_mul(bytes_per).ok_or_else(|| "is larger than a size can be".into())
}

/// A duration in the largest unit that states it exactly.
pub fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, per) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        let exact = millis.is_multiple_of(per).then(|| millis.checked_div(per)).flatten();
        if let Some(count) = exact.filter(|count| *count > 0) {
            return format!("{count}{unit}");
        }
    }
    format!("{millis}ms")
}

/// A size in the largest unit that states it exactly.
pub fn show_size(bytes: u64) -> String {
    for (unit, shift) in [("TiB", 40_u32), ("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes}B")
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).map_or((text, ""), |(number, unit)| (number, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_units() {
        for (text, millis) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(show_duration(Duration::from_millis(millis)), text);
        }
        for text in ["", "10", "s", "-1s", "1.5s", "10 parsecs", "99999999999999999999s", "1é"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("18446744073709551615d").unwrap_err().contains("longer"));
    }

    #[test]
    fn sizes_carry_units() {
        for (text, bytes) in [("7B", 7), ("64KiB", 65_536), ("8MiB", 8 << 20), ("2GiB", 2 << 30)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
            assert_eq!(show_size(bytes), text);
        }
        assert_eq!(size("1024"), Ok(1_024));
        assert_eq!(size("1 MiB"), Ok(1 << 20));
        for text in ["", "MiB", "1KB", "1.5GiB", "-1B", "20000000TiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}

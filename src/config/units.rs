//! Durations and sizes as people write them.

/// Nanoseconds of a duration such as `200ms`, `1.5s`, `2m`, `1h` or `7d`.
pub fn parse_duration(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let nanos = match unit {
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    scaled(number, nanos)
}

/// Bytes of a size such as `512`, `256KiB` or `8MiB`.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let bytes = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    scaled(number, bytes)
}

fn split_unit(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.trim().split_at_checked(end).map(|(number, unit)| (number, unit.trim()))
}

/// A decimal number times a factor, exactly: at most nine decimals.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 9 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    if fraction.is_empty() {
        return (!number.ends_with('.')).then_some(whole);
    }
    let digits = u32::try_from(fraction.len()).ok()?;
    let part = fraction.parse::<u64>().ok()?.checked_mul(factor)?;
    whole.checked_add(part.checked_div(10_u64.checked_pow(digits)?)?)
}

/// A duration the way [`parse_duration`] reads it, in its largest whole unit.
pub fn format_duration(nanos: u64) -> String {
    for (unit, size) in [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
    ] {
        if nanos >= size && nanos.is_multiple_of(size) {
            return format!("{}{unit}", nanos.checked_div(size).unwrap_or(0));
        }
    }
    format!("{}us", nanos / 1_000)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn durations_and_sizes_are_read_exactly() {
        assert_eq!(parse_duration("200ms"), Some(200_000_000));
        assert_eq!(parse_duration("1.5s"), Some(1_500_000_000));
        assert_eq!(parse_duration("7d"), Some(604_800_000_000_000));
        assert_eq!(parse_duration("50us"), Some(50_000));
        assert_eq!(parse_size("262144"), Some(262_144));
        assert_eq!(parse_size("8MiB"), Some(8 << 20));
        assert_eq!(parse_size("0.5 KiB"), Some(512));
    }

    #[test]
    fn what_has_no_number_or_unit_is_refused() {
        for text in [
            "",
            "s",
            "10",
            "10 parsecs",
            "-1s",
            "1.s",
            ".5s",
            "1e3s",
            "99999999999999999999s",
            "300000000000d",
            "1.0000000001s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        for text in ["", "MiB", "1MB", "-1", "99999999999GiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_in_its_largest_whole_unit() {
        for text in ["200ms", "90s", "1m", "2h", "7d", "50us"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
    }
}

//! One pass over the bytes of a line before it is parsed: nesting, values and numbers. No
//! recursion, and no allocation except to rewrite numbers. Invalid JSON is left for the parser to
//! reject.

use std::borrow::Cow;

use super::{DecodeError, DecodeErrorKind, DecodeLimits};

/// Number of digits that always fit 64 signed bits.
const SAFE_DIGITS: usize = 18;

/// Checks a line and returns it in the form to parse: the whole number `-0` becomes 0, because the
/// parser would turn it into a double.
pub(super) fn scan<'a>(
    line: &'a [u8],
    limits: &DecodeLimits,
) -> Result<Cow<'a, [u8]>, DecodeError> {
    let (mut depth, mut values) = (0_usize, 0_usize);
    let (mut rest, mut parsed) = (line, Cow::Borrowed(line));
    while let [byte, after @ ..] = rest {
        rest = match byte {
            b'"' => after_string(after),
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                if depth > limits.depth {
                    return Err(DecodeError::new(
                        DecodeErrorKind::TooDeep,
                        format!("nested deeper than {} levels", limits.depth),
                    ));
                }
                count(&mut values, limits)?;
                after
            }
            b',' => {
                count(&mut values, limits)?;
                after
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                after
            }
            b'-' | b'0'..=b'9' => {
                let (number, after) = split_number(rest);
                check_number(number)?;
                if number == b"-0" {
                    let sign = line.len().saturating_sub(rest.len());
                    if let Some(byte) = parsed.to_mut().get_mut(sign) {
                        *byte = b' ';
                    }
                }
                after
            }
            _ => after,
        };
    }
    Ok(parsed)
}

/// Counts a value: the first one of an object or array, or the next one.
fn count(values: &mut usize, limits: &DecodeLimits) -> Result<(), DecodeError> {
    *values = values.saturating_add(1);
    if *values > limits.values {
        return Err(DecodeError::new(
            DecodeErrorKind::TooLarge,
            format!("record of more than {} values", limits.values),
        ));
    }
    Ok(())
}

/// The rest after the string whose opening quote was just read.
fn after_string(mut rest: &[u8]) -> &[u8] {
    loop {
        rest = match rest {
            [b'"', after @ ..] => return after,
            [b'\\', _, after @ ..] | [_, after @ ..] => after,
            [] => return rest,
        };
    }
}

fn split_number(text: &[u8]) -> (&[u8], &[u8]) {
    let len = text
        .iter()
        .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
        .count();
    text.split_at_checked(len).unwrap_or((text, &[]))
}

/// Rejects numbers that a BSON int64 or double cannot represent: such a whole number would
/// silently become a nearby double.
fn check_number(number: &[u8]) -> Result<(), DecodeError> {
    let float = number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    if !float && number.len() <= SAFE_DIGITS {
        return Ok(());
    }
    let Ok(text) = std::str::from_utf8(number) else {
        return Ok(());
    };
    if float {
        match text.parse::<f64>() {
            Ok(value) if value.is_infinite() => Err(DecodeError::new(
                DecodeErrorKind::NumberRange,
                "a number exceeds the range of a double",
            )),
            _ => Ok(()),
        }
    } else {
        match text.parse::<i64>().map_err(|error| *error.kind()) {
            Err(std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow) => {
                Err(DecodeError::new(
                    DecodeErrorKind::NumberRange,
                    format!("a whole number is outside {} to {}", i64::MIN, i64::MAX),
                ))
            }
            _ => Ok(()),
        }
    }
}

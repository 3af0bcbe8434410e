//! Reads the value of a term.

use gatelog_record::units::parse_duration;
use gatelog_record::{Level, Uuid};

use super::error::Problem;
use super::lexer::Word;
use crate::query::field::{Field, Kind};
use crate::query::pattern::Pattern;
use crate::query::{Compare, Number, Want};

/// What the value asks of the field.
pub(super) fn want(field: &Field, word: &Word) -> Result<Want, Problem> {
    if word.text.is_empty() {
        return Err(if word.quoted { Problem::Empty } else { Problem::NoValue });
    }
    let bare = !word.quoted;
    if bare && word.text == "*" {
        return Ok(Want::Present);
    }
    let (compare, operand) = if bare { comparison(&word.text) } else { (Compare::Equal, "") };
    let operand = if bare { operand } else { &word.text };
    let kind = match field {
        Field::Named(named) => named.kind,
        Field::Anywhere => return part(word),
        Field::Extra(_) => return extra(word, compare, operand),
    };
    let equal = compare == Compare::Equal;
    match kind {
        Kind::Level => level(compare, operand),
        Kind::Number | Kind::Status => {
            if kind == Kind::Status
                && equal
                && let Some(digit) = class(operand)
            {
                return Ok(Want::Class(digit));
            }
            let number = Number::parse(operand);
            let form = if kind == Kind::Status { Problem::NotStatus } else { Problem::NotNumber };
            Ok(Want::Number(compare, number.ok_or(form)?))
        }
        Kind::Duration => {
            let time = parse_duration(operand).map_err(|_| Problem::NotDuration)?;
            if equal {
                return Err(Problem::NoComparison);
            }
            let micros = u64::try_from(time.as_micros()).map_err(|_| Problem::NotDuration)?;
            Ok(Want::Micros(compare, micros))
        }
        _ if !equal => Err(Problem::NotComparable),
        Kind::Text if bare => pattern(operand),
        Kind::Upper if bare => pattern(&operand.to_ascii_uppercase()),
        Kind::Text | Kind::Upper => Ok(Want::Text(Pattern::Exact(operand.to_owned()))),
        Kind::Part => part(word),
        Kind::Flag => flag(operand).map(Want::Flag).ok_or(Problem::NotFlag),
        Kind::Uuid => Uuid::try_parse(operand).map(Want::Uuid).map_err(|_| Problem::NotUuid),
    }
}

/// A part of a text.
pub(super) fn part(word: &Word) -> Result<Want, Problem> {
    if word.text.is_empty() {
        return Err(Problem::Empty);
    }
    if !word.quoted && word.text.contains('*') {
        return Err(Problem::PartWithStar);
    }
    Ok(Want::Part(word.text.clone()))
}

/// A value under `extra`, of whatever type.
fn extra(word: &Word, compare: Compare, operand: &str) -> Result<Want, Problem> {
    if word.quoted {
        return Ok(Want::Text(Pattern::Exact(word.text.clone())));
    }
    if compare != Compare::Equal {
        let number = Number::parse(operand).ok_or(Problem::NotNumber)?;
        return Ok(Want::Number(compare, number));
    }
    match pattern(operand)? {
        Want::Text(Pattern::Exact(text)) => Ok(Want::Loose(text)),
        pattern => Ok(pattern),
    }
}

fn pattern(operand: &str) -> Result<Want, Problem> {
    Pattern::parse(operand).map(Want::Text).ok_or(Problem::Stars)
}

fn level(compare: Compare, operand: &str) -> Result<Want, Problem> {
    let level = operand.parse::<Level>().map_err(|_| Problem::NotLevel)?;
    Ok(Want::Level(compare, level))
}

/// The operator in front of a value, and what is behind it.
fn comparison(text: &str) -> (Compare, &str) {
    let split = |(sign, compare): (&str, Compare)| Some((compare, text.strip_prefix(sign)?));
    Compare::ALL.into_iter().find_map(split).unwrap_or((Compare::Equal, text))
}

/// `5` for `5xx`.
fn class(operand: &str) -> Option<u8> {
    let digit = operand.strip_suffix("xx").or_else(|| operand.strip_suffix("XX"))?;
    digit.parse().ok().filter(|digit| (1..=9).contains(digit) && operand.len() == 3)
}

/// `true` or `false`.
pub(crate) fn flag(operand: &str) -> Option<bool> {
    match operand {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

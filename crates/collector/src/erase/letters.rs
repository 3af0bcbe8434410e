//! Whether a dead letter is of somebody whose records are erased.
//!
//! A letter's line need not be a record: it may be cut off, damaged, or hold a whole batch. So every
//! id is looked for by its name, wherever it stands. A letter without a readable time is taken for an
//! early one: nothing can be made of it anyway.

use gatelog_record::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::spool::StoredLetter;
use crate::tombstone::{Field, Tombstones};

/// Ids and times looked at in one letter, of each name.
const OCCURRENCES: usize = 20_000;

/// Whether any tombstone covers the letter.
pub(super) fn covered(tombstones: &Tombstones, letter: &StoredLetter) -> bool {
    let line = &letter.letter.line;
    let mut earliest = None;
    Field::ALL.into_iter().any(|field| {
        values(line, field.key()).any(|value| {
            let until = text(&value).and_then(|text| tombstones.until(field, &text));
            let Some(until) = until else { return false };
            let earliest = earliest.get_or_insert_with(|| earliest_time(line));
            earliest.is_none_or(|earliest| earliest <= until)
        })
    })
}

/// An id as it would be stored.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

/// The earliest time of the records in the line.
fn earliest_time(line: &[u8]) -> Option<Timestamp> {
    let times = values(line, "timestamp");
    times.filter_map(|value| Timestamp::parse(value.as_str()?).ok()).min()
}

/// The values of a key, wherever it stands.
fn values<'a>(line: &'a [u8], key: &str) -> impl Iterator<Item = Value> + 'a {
    let name = format!("\"{key}\"");
    let mut rest = line;
    let ends = std::iter::from_fn(move || {
        let at = rest.windows(name.len()).position(|window| window == name.as_bytes())?;
        rest = rest.get(at.saturating_add(name.len())..)?;
        Some(rest)
    });
    ends.take(OCCURRENCES).filter_map(|after| {
        let value = after.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        // Only ids and times, so that each byte is read a few times at most; what follows the value
        // may be anything.
        value.first().filter(|first| matches!(first, b'"' | b'-' | b'0'..=b'9'))?;
        Value::deserialize(&mut serde_json::Deserializer::from_slice(value)).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::DeadLetter;
    use crate::tombstone::{Key, Tombstone};

    fn known(field: Field, value: &str) -> Tombstones {
        let key = Key::of(&[7; 32]).unwrap();
        let until = Timestamp::parse("2026-01-26T02:00:00Z").unwrap();
        let hash = key.hash(field, value);
        Tombstones::new(key, [Tombstone { field, hash, until }])
    }

    fn letter(line: &str) -> StoredLetter {
        let (kind, reason) = ("wrong_shape".to_owned(), String::new());
        let letter = DeadLetter { kind, reason, line: line.as_bytes().to_vec() };
        StoredLetter { id: 1, at: 0, whole: true, letter }
    }

    #[test]
    fn a_letter_is_found_by_its_id_whatever_is_wrong_with_it() {
        let early = r#""timestamp":"2026-01-26T01:00:00Z""#;
        let late = r#""timestamp":"2026-01-26T03:00:00Z""#;
        let seven = known(Field::User, "7ü");
        for (line, covered_by) in [
            (format!(r#"{{{early},"context":{{"user_id":"7ü"}}}}"#), true),
            (format!(r#"{{"context" : {{"user_id" : "7\u00fc"}}, {early}, "x": [[["#), true),
            (r#"{"context":{"user_id":"7ü","conv"#.to_owned(), true),
            (format!(r#"{{{late},"context":{{"user_id":"7ü"}}}}"#), false),
            (format!(r#"{{{early},"context":{{"user_id":"8"}}}}"#), false),
            (format!(r#"{{{early},"message":"7ü"}}"#), false),
            (format!(r#"{{{early},"context":{{"user_id":"7"#), false),
            ("nonsense".to_owned(), false),
            // A batch that was damaged.
            (format!("{{{late}}}\n\u{0}{{{early},\"context\":{{\"user_id\":\"7ü\"}}}}\n"), true),
        ] {
            assert_eq!(covered(&seven, &letter(&line)), covered_by, "{line}");
        }
        let number = known(Field::Organization, "17");
        let line = format!(r#"{{{early},"context":{{"organization_id":17}}}}"#);
        assert!(covered(&number, &letter(&line)));
        assert!(!covered(&Tombstones::default(), &letter(&line)));
    }

    #[test]
    fn a_hostile_letter_costs_no_more_than_its_bound() {
        let line = r#""user_id":[["#.repeat(60_000);
        assert!(!covered(&known(Field::User, "7"), &letter(&line)));
    }
}

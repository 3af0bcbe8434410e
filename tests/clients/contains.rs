//! Compares a record with its expected parts.

use serde_json::Value;

/// Fails, naming the first difference, unless `record` has all that `expected` has. A null
/// means that the key must be null or absent.
pub(crate) fn assert_contains(record: &Value, expected: &Value) {
    if let Some(difference) = difference("", record, expected) {
        panic!("{difference} in {record:#}");
    }
}

fn difference(at: &str, whole: &Value, part: &Value) -> Option<String> {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part.iter().find_map(|(key, value)| {
            let whole = whole.get(key).unwrap_or(&Value::Null);
            difference(&format!("{at}/{key}"), whole, value)
        }),
        _ if whole == part => None,
        _ => Some(format!("{at} is {whole}, not {part},")),
    }
}

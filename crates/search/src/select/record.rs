//! The values at a path of a record, as MongoDB finds them.

use serde_json::{Map, Value};

/// Calls `test` with each value at a dotted path until it is true; returns whether it ever was. A
/// list in the path stands for its elements, and one at the end for itself and its elements.
pub(super) fn any(body: &Map<String, Value>, path: &str, test: &dyn Fn(&Value) -> bool) -> bool {
    let (key, rest) = match path.split_once('.') {
        Some((key, rest)) => (key, Some(rest)),
        None => (path, None),
    };
    let Some(value) = body.get(key) else { return false };
    let Some(rest) = rest else {
        return test(value) || value.as_array().is_some_and(|all| all.iter().any(test));
    };
    match value {
        Value::Object(object) => any(object, rest, test),
        Value::Array(all) => {
            all.iter().filter_map(Value::as_object).any(|object| any(object, rest, test))
        }
        _ => false,
    }
}

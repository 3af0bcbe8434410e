//! JSON within a text, perhaps malformed, escaped or cut: where a value ends, and objects that name a
//! credential by a member, as in `{"name": "password", "value": "…"}`.

/// Keys whose value is the name of another value of the same JSON object.
pub const NAMING_KEYS: [&str; 7] = ["field", "header", "id", "key", "name", "param", "parameter"];

/// The end of a JSON value, including a whole array or object; `None` if it extends to the end of
/// the text or is not JSON. In a text within JSON, backslashes precede its quotes.
pub(super) fn json_end(value: &str) -> Option<usize> {
    let end = match value.as_bytes().first()? {
        b'{' | b'[' => nested_end(value, 0, false)?,
        b'"' | b'\'' | b'\\' => string_end(value)?,
        _ => value.find(|part: char| !(part.is_ascii_alphanumeric() || "+-.".contains(part)))?,
    };
    let next = value.get(end..)?.trim_start().chars().next();
    next.is_none_or(|next| matches!(next, ',' | '}' | ']')).then_some(end)
}

/// Where a quoted string ends: with the first such quote that has no more backslashes before it than the
/// opening one. However often the string was escaped, a quote within has more.
pub(super) fn string_end(value: &str) -> Option<usize> {
    let backslashes = value.bytes().take_while(|byte| *byte == b'\\').count();
    let quote = *value.as_bytes().get(backslashes)?;
    if !matches!(quote, b'"' | b'\'') {
        return None;
    }
    let mut run = 0_usize;
    let after = value.bytes().enumerate().skip(backslashes.saturating_add(1));
    for (at, byte) in after {
        if byte == quote && run <= backslashes {
            return Some(at.saturating_add(1));
        }
        run = if byte == b'\\' { run.saturating_add(1) } else { 0 };
    }
    None
}

/// Where the members of an object end, before its closing bracket.
pub(super) fn members_end(members: &str) -> Option<usize> {
    nested_end(members, 1, false)?.checked_sub(1)
}

/// Where the elements of an array, an object or a tuple end, before its closing bracket.
pub(super) fn elements_end(elements: &str) -> Option<usize> {
    nested_end(elements, 1, true)?.checked_sub(1)
}

/// Where an array or object ends that is `depth` brackets deep at the start: its brackets balance
/// outside quotes. Parentheses count where programs print them.
fn nested_end(value: &str, mut depth: usize, parentheses: bool) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    value.bytes().enumerate().find_map(|(at, byte)| {
        match (quote, byte) {
            // Of several backslashes, all may be of a text that was escaped twice.
            (Some(_), _) if escaped => escaped = byte == b'\\',
            (Some(_), b'\\') => escaped = true,
            (Some(open), _) if open == byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'{' | b'[') => depth = depth.saturating_add(1),
            (None, b'}' | b']') => depth = depth.saturating_sub(1),
            (None, b'(') if parentheses => depth = depth.saturating_add(1),
            (None, b')') if parentheses => depth = depth.saturating_sub(1),
            (Some(_) | None, _) => {}
        }
        (depth == 0).then(|| at.saturating_add(1))
    })
}

/// The content of the string that a text begins with, perhaps in escaped quotes; empty if none.
pub(super) fn string_at(text: &str) -> &str {
    let opens = |before: char| before.is_whitespace() || before == '\\';
    let quotes = ['"', '\''];
    let string = text.trim_start_matches(opens).strip_prefix(quotes);
    string.and_then(|string| string.split(quotes).next()).unwrap_or_default()
}

/// Whether it is the key of a name, perhaps in escaped quotes.
pub fn is_naming(key: &str) -> bool {
    let key = key.trim_matches('\\');
    NAMING_KEYS.iter().any(|naming| naming.eq_ignore_ascii_case(key))
}

/// Where the members of the first JSON object begin that does not end in a text: if the text was cut,
/// the name of a member before the cut may follow it.
pub fn open_members(text: &str) -> Option<usize> {
    let mut from = 0_usize;
    loop {
        let rest = text.get(from..)?;
        let object = rest.get(rest.find('{')?..)?;
        let start = text.len().saturating_sub(object.len());
        let members = start.saturating_add(1);
        let opens = |before: char| before.is_whitespace() || before == '\\';
        let quoted = text.get(members..)?.trim_start_matches(opens).starts_with(['"', '\'']);
        from = match quoted.then(|| nested_end(object, 0, false)) {
            None => members,
            Some(None) => return Some(members),
            Some(Some(length)) => start.saturating_add(length),
        };
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn an_object_that_does_not_end_is_found() {
        for (text, members) in [
            ("{\"value\":\"S\",", Some(1)),
            ("{\"a\":{}} {\\\"v\\\":1", Some(10)),
            ("{\"value\":\"S}\",\"x\":{}", Some(1)),
            ("{a {\"a\":1}", None),
            ("{", None),
            ("", None),
        ] {
            assert_eq!(open_members(text), members, "{text}");
        }
    }
}

//! Names in services' texts that only look like credentials': of types, counts and statuses.

/// Ends of the names of types, as in `TokenExpiredError: …`.
const TYPES: [&str; 4] = ["Error", "Exception", "Failure", "Warning"];

/// Ends of names of which a program has a number, as in `input_tokens: 512`.
const COUNTS: [&str; 4] = ["tokens", "sessions", "token_count", "session_count"];

/// Values that say that there is none, or only whether there is one.
const ABSENT: [&str; 6] = ["None", "null", "nil", "undefined", "true", "false"];

/// Whether the value of this name, whose text goes on after it, is not a secret. `type_like` is whether
/// the name may be a type's, before its message.
pub(super) fn is_harmless(name: &str, type_like: bool, value: &str) -> bool {
    let value = value.trim_start_matches([' ', '\t']);
    (type_like && is_type(name))
        || is_absent(value)
        || (is_code(name) && (is_status_of_grpc(value) || is_constant(value)))
        || match digits(value) {
            1..=3 => is_code(name) || is_count(name),
            4..=9 => is_count(name),
            _ => false,
        }
}

/// Whether it is a bare `code`, which has many meanings.
pub(super) fn is_code(name: &str) -> bool {
    name.trim().eq_ignore_ascii_case("code")
}

fn is_type(name: &str) -> bool {
    let class = name.rsplit('.').next().unwrap_or_default();
    name.starts_with("[ERR_")
        || (class.starts_with(|first: char| first.is_ascii_uppercase())
            && TYPES.iter().any(|end| class.ends_with(end)))
}

fn is_count(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    COUNTS.iter().any(|end| name.ends_with(end))
}

/// Whether nothing of the value follows, not even in an indented line.
fn ends(rest: &str) -> bool {
    match rest.strip_prefix('\n') {
        Some(next) => !next.starts_with([' ', '\t']),
        None => rest.is_empty() || rest.starts_with([',', '}', ')', ']']),
    }
}

fn is_absent(value: &str) -> bool {
    value.is_empty() || ABSENT.iter().any(|absent| value.strip_prefix(absent).is_some_and(ends))
}

/// As in `rpc error: code = Unavailable desc = …`.
fn is_status_of_grpc(value: &str) -> bool {
    let word = value.trim_start_matches(|part: char| part.is_ascii_alphabetic());
    word.len() < value.len() && word.starts_with(" desc = ")
}

/// As in `"code": "ENOENT"`: capitals alone.
fn is_constant(value: &str) -> bool {
    let value = value.trim_start_matches(['"', '\'']);
    let rest = value.trim_start_matches(|part: char| part.is_ascii_uppercase() || part == '_');
    let length = value.len().saturating_sub(rest.len());
    length > 2 && (rest.starts_with(['"', '\'']) || ends(rest))
}

/// How many digits the value is; 0 if it is something else. Ten are as good as more.
fn digits(value: &str) -> usize {
    let digits = value.bytes().take(10).take_while(u8::is_ascii_digit).count();
    let rest = value.get(digits..).unwrap_or_default();
    let ends = match rest.as_bytes().first() {
        Some(b'\n') => ends(rest),
        Some(next) => !next.is_ascii_alphanumeric() && !b"-_.:+/=".contains(next),
        None => true,
    };
    if ends { digits } else { 0 }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn types_counts_and_statuses_are_no_secrets() {
        for (name, value, harmless) in [
            ("AssertionError", " expected 5", true),
            ("java.lang.TokenExpiredException", " S", true),
            ("[ERR_ASSERTION]", " S", true),
            ("password_error", " S", false),
            ("passwordError", " S", false),
            ("password", " None, b", true),
            ("password", "", true),
            ("password", "nil S", false),
            ("input_tokens", " 512, b", true),
            ("token", "512", false),
            ("tokens", "512-S", false),
            ("tokens", "1234567890", false),
            ("code", " 404}", true),
            ("code", "1234", false),
            ("code", " Unavailable desc = x", true),
            ("code", " S", false),
            ("code", "\"ENOENT\",", true),
            ("code", "'AB3'", false),
            ("password", " null\n  S", false),
            ("password", " null\nb", true),
            ("tokens", " 5\n  S", false),
            ("auth_code", "123", false),
        ] {
            assert_eq!(is_harmless(name, true, value), harmless, "{name}:{value}");
        }
        assert!(!is_harmless("TokenError", false, "S"));
    }
}

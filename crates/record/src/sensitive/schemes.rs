//! Authentication schemes, whose credentials follow their name: `Bearer …` (RFC 9110 §11.4).

/// Schemes whose credentials are one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// A user name and password in base64 (RFC 7617).
    Basic,
    /// A token (RFC 6750).
    Bearer,
}

/// Characters that may stand around credentials.
pub(super) const OPENS_CREDENTIALS: [char; 4] = ['"', '\'', '<', '\\'];

/// Words after `Bearer` that are no credentials, as in `Bearer token missing`.
const PROSE: [&str; 6] = ["auth", "authentication", "authorization", "scheme", "token", "tokens"];

impl Scheme {
    /// The scheme of this name.
    pub(super) fn named(word: &str) -> Option<Self> {
        match word.len() {
            5 if word.eq_ignore_ascii_case("basic") => Some(Self::Basic),
            6 if word.eq_ignore_ascii_case("bearer") => Some(Self::Bearer),
            _ => None,
        }
    }

    /// Whether the text begins with credentials of the scheme, rather than with an ordinary word:
    /// a user name and password in base64 has a digit, a capital or padding, and is seldom short.
    pub(super) fn has_credentials(self, text: &str) -> bool {
        let text = text.trim_start_matches(OPENS_CREDENTIALS);
        let word = text.split(|part| !is_credential(part)).next().unwrap_or_default();
        match self {
            Self::Bearer => !word.is_empty() && !PROSE.contains(&word),
            Self::Basic => {
                let tells =
                    |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase() || byte == b'=';
                word.len() >= 8 && word.bytes().skip(1).any(tells)
            }
        }
    }
}

/// Whether credentials contain it: `token68` of RFC 9110 §11.2, and what occurs in practice.
pub(super) const fn is_credential(character: char) -> bool {
    !matches!(character, '"' | '\'' | ',' | ';' | '&' | '<' | '>') && !character.is_whitespace()
}

/// Where the first credentials after the name of their scheme start. Reads each byte twice at most.
pub(super) fn first_credentials(text: &str) -> Option<usize> {
    let blanks = text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_whitespace());
    blanks.map(|(at, _)| at).find_map(|at| {
        let (before, after) = text.split_at_checked(at)?;
        let word = before.rfind(|part: char| !part.is_ascii_alphanumeric());
        let scheme = Scheme::named(before.get(word.map_or(0, |at| at.saturating_add(1))..)?)?;
        let credentials = after.trim_ascii_start();
        let start = text.len().saturating_sub(credentials.len());
        scheme.has_credentials(credentials).then_some(start)
    })
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn credentials_follow_the_name_of_a_scheme() {
        for (text, start) in [
            ("Bearer S", Some(7)),
            ("x,bearer  S", Some(10)),
            ("Basic dXNlcjpTUw==", Some(6)),
            ("Bearer \"S\"", Some(7)),
            ("Bearer token missing", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Bearer , S", None),
            ("forbearer S", None),
            ("basic subscription", None),
            ("Basic 12", None),
        ] {
            assert_eq!(first_credentials(text), start, "{text}");
        }
    }
}

//! Keeps secrets out of the record. Applied to every value before the record exists.

use std::borrow::Cow;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::decision::path_template::{PathTemplate, segments_of};

/// Stands where a secret was.
pub const MASK: &str = "[redacted]";

/// Hex digits kept of a hash: enough to tell values apart, too few to search for one.
const HASH_DIGITS: usize = 16;

/// Headers whose value is a credential; removed unless the configuration says otherwise.
pub const SENSITIVE_HEADERS: [&str; 16] = [
    "authorization",
    "cookie",
    "set-cookie",
    "proxy-authorization",
    "authentication-info",
    "proxy-authentication-info",
    "www-authenticate",
    "proxy-authenticate",
    "x-api-key",
    "api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-xsrf-token",
    "x-amz-security-token",
    "x-goog-iap-jwt-assertion",
    "x-forwarded-client-cert",
];

/// A header or a parameter whose name has one of these is taken for sensitive too.
pub const SENSITIVE_WORDS: [&str; 11] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "cookie",
    "credential",
    "session",
    "api-key",
    "api_key",
    "apikey",
];

/// Query parameters and path parameters whose value is a credential, next to those with a
/// sensitive word in their name.
pub const SENSITIVE_PARAMETERS: [&str; 19] = [
    "access_key",
    "assertion",
    "auth",
    "authorization",
    "client_assertion",
    "code",
    "code_verifier",
    "jwt",
    "key",
    "otp",
    "pass",
    "phpsessid",
    "private_key",
    "pwd",
    "samlresponse",
    "sig",
    "signature",
    "x-amz-signature",
    "x-goog-signature",
];

/// Headers whose value is a URL: its query and path are redacted like the request's own.
pub const URL_HEADERS: [&str; 9] = [
    "referer",
    "location",
    "content-location",
    "refresh",
    "link",
    "x-original-url",
    "x-original-uri",
    "x-forwarded-uri",
    "x-envoy-original-path",
];

/// What becomes of a sensitive header's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// The header is left out.
    Remove,
    /// The value becomes [`MASK`].
    Mask,
    /// The value becomes a keyed hash: the same value has the same hash.
    Hash,
    /// The value stays: it is no secret here.
    Keep,
}

/// What is redacted, and how.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redaction {
    /// Treatment of headers by lower-case name, over the defaults.
    pub headers: Vec<(String, Treatment)>,
    /// More parameters, lower case, next to [`SENSITIVE_PARAMETERS`].
    pub parameters: Vec<String>,
    /// Paths whose named segments are secrets.
    pub paths: Vec<PathTemplate>,
    /// The key of hashes.
    pub salt: Vec<u8>,
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The salt stays out.
        f.debug_struct("Redaction")
            .field("headers", &self.headers)
            .field("parameters", &self.parameters)
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

impl Redaction {
    /// A header's value as the record may have it; `None` where it must be left out.
    pub fn header<'v>(&self, name: &str, value: &'v str) -> Option<Cow<'v, str>> {
        match self.treatment(name) {
            Treatment::Remove => None,
            Treatment::Mask => Some(Cow::Borrowed(MASK)),
            Treatment::Hash => Some(Cow::Owned(self.hash(value))),
            Treatment::Keep if URL_HEADERS.contains(&name) => Some(self.url(value)),
            Treatment::Keep => Some(Cow::Borrowed(value)),
        }
    }

    fn treatment(&self, name: &str) -> Treatment {
        let configured = self.headers.iter().find(|(header, _)| header == name);
        if let Some((_, treatment)) = configured {
            return *treatment;
        }
        let sensitive = SENSITIVE_HEADERS.contains(&name)
            || SENSITIVE_WORDS.iter().any(|word| name.contains(word));
        if sensitive { Treatment::Remove } else { Treatment::Keep }
    }

    fn hash(&self, value: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.salt) else {
            return MASK.to_owned();
        };
        mac.update(value.as_bytes());
        let digest = mac.finalize().into_bytes();
        let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        let hex = digits.filter_map(|nibble| char::from_digit(u32::from(nibble), 16));
        std::iter::once("hmac:")
            .map(str::to_owned)
            .chain(std::iter::once(hex.take(HASH_DIGITS).collect()))
            .collect()
    }

    /// A query, without its `?`, with the values of sensitive parameters masked.
    pub fn query<'q>(&self, query: &'q str) -> Cow<'q, str> {
        // A `?` within begins the query of another URL: `next=/login?token=…`.
        self.parameters_of(query, &['&', ';', '?'])
    }

    /// A path, without its query, with secret segments and sensitive path parameters
    /// (`;jsessionid=…`) masked.
    pub fn path<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let path =
            if path.contains(';') { self.path_parameters(path) } else { Cow::Borrowed(path) };
        let mut secret: Vec<usize> =
            self.paths.iter().flat_map(|template| template.named_indexes(&path)).collect();
        if secret.is_empty() {
            return path;
        }
        secret.sort_unstable();
        let lead = if path.starts_with('/') { "/" } else { "" };
        let segments = segments_of(&path).enumerate().map(|(index, segment)| {
            if secret.binary_search(&index).is_ok() && !segment.is_empty() { MASK } else { segment }
        });
        Cow::Owned(format!("{lead}{}", segments.collect::<Vec<_>>().join("/")))
    }

    /// Masks in each segment what follows its first `;`.
    fn path_parameters<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let segments: Vec<Cow<'_, str>> = path
            .split('/')
            .map(|segment| match segment.split_once(';') {
                Some((name, parameters)) => {
                    Cow::Owned(format!("{name};{}", self.parameters_of(parameters, &[';'])))
                }
                None => Cow::Borrowed(segment),
            })
            .collect();
        Cow::Owned(segments.join("/"))
    }

    /// A URL or a path, with its user information, path and query redacted.
    pub fn url<'u>(&self, url: &'u str) -> Cow<'u, str> {
        let (before, fragment) = split_before(url, '#');
        let (base, query) = split_before(before, '?');
        let (origin, path) = match base.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = split_before(rest, '/');
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                (format!("{scheme}://{host}"), path)
            }
            None => (String::new(), base),
        };
        let query = query.strip_prefix('?').map(|query| format!("?{}", self.query(query)));
        // A fragment may carry an OAuth answer: `#access_token=…`.
        let fragment =
            fragment.strip_prefix('#').map(|fragment| format!("#{}", self.query(fragment)));
        let redacted =
            [&origin, &*self.path(path), &query.unwrap_or_default(), &fragment.unwrap_or_default()]
                .concat();
        if redacted == url { Cow::Borrowed(url) } else { Cow::Owned(redacted) }
    }

    fn parameters_of<'q>(&self, text: &'q str, separators: &[char]) -> Cow<'q, str> {
        if !text.split(separators).any(|parameter| self.is_secret(parameter)) {
            return Cow::Borrowed(text);
        }
        let mut redacted = String::with_capacity(text.len());
        for parameter in text.split_inclusive(separators) {
            let (body, separator) = match parameter.strip_suffix(separators) {
                Some(body) => (body, parameter.get(body.len()..).unwrap_or_default()),
                None => (parameter, ""),
            };
            match body.split_once('=') {
                Some((name, _)) if self.is_secret(body) => {
                    redacted.extend([name, "=", MASK, separator]);
                }
                _ => redacted.push_str(parameter),
            }
        }
        Cow::Owned(redacted)
    }

    /// Whether `name=value` has a sensitive name, however it is written, or a value with such a
    /// parameter within: an encoded URL.
    fn is_secret(&self, parameter: &str) -> bool {
        let Some((name, value)) = parameter.split_once('=') else {
            return false;
        };
        if self.is_secret_name(name) {
            return true;
        }
        if !value.contains('%') {
            return false;
        }
        let decoded = percent_decode(&percent_decode(value.as_bytes()));
        let text = String::from_utf8_lossy(&decoded);
        let mut within = text.split(['?', '&', ';', '#']);
        within.any(|part| part.split_once('=').is_some_and(|(name, _)| self.is_secret_name(name)))
    }

    fn is_secret_name(&self, name: &str) -> bool {
        let name = decoded_lower(name);
        // `user[code]` and `filter.code` are judged by their last part too.
        let last = name.trim_end_matches(']').rsplit(['[', '.']).next().unwrap_or_default();
        let known = |name: &str| {
            SENSITIVE_PARAMETERS.contains(&name) || self.parameters.iter().any(|own| own == name)
        };
        known(&name) || known(last) || SENSITIVE_WORDS.iter().any(|word| name.contains(word))
    }
}

/// Splits before the first `at`, which stays with what follows.
fn split_before(text: &str, at: char) -> (&str, &str) {
    text.find(at).and_then(|index| text.split_at_checked(index)).unwrap_or((text, ""))
}

/// A parameter's name, percent-decoded (twice, as some services do) and in lower case.
fn decoded_lower(name: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.bytes().all(plain) {
        return Cow::Borrowed(name);
    }
    let once = percent_decode(name.as_bytes());
    let twice = percent_decode(&once);
    Cow::Owned(String::from_utf8_lossy(&twice).trim().to_lowercase())
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let digit =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, after) {
            (b'%', [high, low, after @ ..]) if digit(*high).is_some() && digit(*low).is_some() => {
                let (high, low) = (digit(*high).unwrap_or(0), digit(*low).unwrap_or(0));
                decoded.push(high << 4 | low);
                rest = after;
            }
            (byte, after) => {
                decoded.push(if *byte == b'+' { b' ' } else { *byte });
                rest = after;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn redaction() -> Redaction {
        Redaction {
            headers: vec![
                ("authorization".into(), Treatment::Hash),
                ("x-plain-token".into(), Treatment::Keep),
                ("x-ssn".into(), Treatment::Mask),
            ],
            parameters: vec!["ssn".into()],
            paths: vec![PathTemplate::parse("/reset/{secret}").unwrap()],
            salt: b"salt".to_vec(),
        }
    }

    #[test]
    fn no_secret_parameter_survives_however_it_is_written() {
        let redaction = redaction();
        for (query, expected) in [
            ("a=1&b=2", "a=1&b=2"),
            ("token=S", "token=[redacted]"),
            ("a=1&TOKEN=S&b=2", "a=1&TOKEN=[redacted]&b=2"),
            ("%74oken=S", "%74oken=[redacted]"),
            ("%2574oken=S", "%2574oken=[redacted]"),
            ("a=1;password=S;b", "a=1;password=[redacted];b"),
            ("user[password]=S", "user[password]=[redacted]"),
            ("user%5Bpassword%5D=S", "user%5Bpassword%5D=[redacted]"),
            ("login.api_key=S", "login.api_key=[redacted]"),
            ("token=a=S", "token=[redacted]"),
            ("ssn=S&token=S&", "ssn=[redacted]&token=[redacted]&"),
            (" token =S", " token =[redacted]"),
            ("token", "token"),
            ("", ""),
            ("X-Amz-Signature=S", "X-Amz-Signature=[redacted]"),
            ("%=S&%z=1&token=S", "%=S&%z=1&token=[redacted]"),
            ("next=/a?token=S", "next=/a?token=[redacted]"),
            ("next=%2Fa%3Fx%3D1%26token%3DS&b=1", "next=[redacted]&b=1"),
            ("next=%252Fa%253Ftoken%253DS", "next=[redacted]"),
            ("next=%2Fa%3Fx%3D1", "next=%2Fa%3Fx%3D1"),
            ("reset_token=S&newPassword=S", "reset_token=[redacted]&newPassword=[redacted]"),
            ("user[otp]=S", "user[otp]=[redacted]"),
        ] {
            assert_eq!(redaction.query(query), expected, "{query}");
        }
    }

    #[test]
    fn every_customary_name_of_a_credential_is_known() {
        for name in [
            "access_token",
            "api-key",
            "apikey",
            "client_secret",
            "id_token_hint",
            "jsessionid",
            "PHPSESSID",
            "passwd",
            "SAMLResponse",
            "session_id",
            "X-Amz-Credential",
            "X-Amz-Security-Token",
            "x-goog-credential",
        ] {
            let redacted = redaction().query(&format!("{name}=S")).into_owned();
            assert_eq!(redacted, format!("{name}=[redacted]"));
        }
        for name in ["limit", "codec", "keyword", "monkey", "author", "compass"] {
            assert_eq!(redaction().query(&format!("{name}=v")), format!("{name}=v"));
        }
    }

    #[test]
    fn secret_segments_and_path_parameters_are_masked() {
        let redaction = redaction();
        for (path, expected) in [
            ("/reset/S", "/reset/[redacted]"),
            ("/reset/S/more", "/reset/[redacted]/more"),
            ("/reset/", "/reset/"),
            ("/resets/x", "/resets/x"),
            ("/a;jsessionid=S/b", "/a;jsessionid=[redacted]/b"),
            ("/a;v=1;token=S", "/a;v=1;token=[redacted]"),
            ("/reset/S;v=1", "/reset/[redacted]"),
            ("", ""),
        ] {
            assert_eq!(redaction.path(path), expected, "{path}");
        }
    }

    #[test]
    fn a_url_in_a_header_is_redacted_in_all_its_parts() {
        let redaction = redaction();
        for (url, expected) in [
            (
                "https://u:S@host/a?token=S&x=1#access_token=S",
                "https://host/a?token=[redacted]&x=1#access_token=[redacted]",
            ),
            ("https://host/reset/S", "https://host/reset/[redacted]"),
            ("/reset/S?x=1", "/reset/[redacted]?x=1"),
            ("https://host", "https://host"),
            ("https://host?token=S", "https://host?token=[redacted]"),
            ("<https://a/>, <https://b?token=S>", "<https://a/>, <https://b?token=[redacted]"),
        ] {
            assert_eq!(redaction.header("referer", url).unwrap(), expected, "{url}");
        }
    }

    #[test]
    fn sensitive_headers_are_removed_unless_configured() {
        let redaction = redaction();
        for name in [
            "cookie",
            "set-cookie",
            "proxy-authorization",
            "x-api-key",
            "x-my-secret",
            "x-refresh-token",
            "x-session-id",
        ] {
            assert_eq!(redaction.header(name, "S"), None, "{name}");
        }
        assert_eq!(redaction.header("x-ssn", "S").unwrap(), MASK);
        assert_eq!(redaction.header("x-plain-token", "kept").unwrap(), "kept");
        assert_eq!(redaction.header("user-agent", "curl").unwrap(), "curl");
    }

    #[test]
    fn a_hash_tells_values_apart_and_depends_on_the_salt() {
        let one = redaction();
        let other = Redaction { salt: b"other".to_vec(), ..redaction() };
        let hash = |redaction: &Redaction, value| {
            redaction.header("authorization", value).unwrap().into_owned()
        };
        // printf %s 'Bearer a' | openssl dgst -sha256 -hmac salt
        assert_eq!(hash(&one, "Bearer a"), "hmac:43961875b0c345d3");
        assert_ne!(hash(&one, "Bearer a"), hash(&one, "Bearer b"));
        assert_ne!(hash(&one, "Bearer a"), hash(&other, "Bearer a"));
    }
}

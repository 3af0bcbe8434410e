//! Header and parameter names that denote credentials.

use std::borrow::Cow;

use super::encoding::decoded;

/// Headers whose value is a credential. They are removed unless configured otherwise,
/// and can be the source of neither an id nor a tenant.
pub const SENSITIVE_HEADERS: [&str; 24] = [
    "authorization",
    "cookie",
    "set-cookie",
    "proxy-authorization",
    "authentication-info",
    "proxy-authentication-info",
    "www-authenticate",
    "proxy-authenticate",
    "x-authorization",
    "x-forwarded-authorization",
    "x-api-key",
    "api-key",
    "x-access-key",
    "x-auth-token",
    "x-csrf-token",
    "x-xsrf-token",
    "x-amz-security-token",
    "x-goog-iap-jwt-assertion",
    "cf-access-jwt-assertion",
    "x-ms-client-principal",
    "x-forwarded-client-cert",
    "ssl-client-cert",
    "sec-websocket-protocol",
    "dpop",
];

/// A header or parameter whose name contains one of these is sensitive too.
pub const SENSITIVE_WORDS: [&str; 28] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "cookie",
    "credential",
    "session",
    "signature",
    "assertion",
    "jwt",
    "csrf",
    "xsrf",
    "apikey",
    "api-key",
    "authorization",
    "bearer",
    "clientcert",
    "creds",
    "dpop",
    "hmac",
    "jws",
    "oauth",
    "oidc",
    "saml",
    "sessid",
    "wsse",
];

/// A header or parameter is also sensitive if its name contains one of these as a part, delimited
/// by hyphens, underscores, dots or brackets.
pub const SENSITIVE_PARTS: [&str; 8] = ["otp", "psk", "pw", "pwd", "sid", "sig", "sign", "totp"];

/// Or if its name ends with `key` or `keys` after one of these: other keys (`sort_key`) are not
/// secrets.
pub const KEY_QUALIFIERS: [&str; 27] = [
    "access",
    "account",
    "admin",
    "aes",
    "app",
    "application",
    "auth",
    "client",
    "consumer",
    "decryption",
    "deploy",
    "encryption",
    "license",
    "licence",
    "master",
    "private",
    "rsa",
    "service",
    "shared",
    "signing",
    "ssh",
    "storage",
    "stripe",
    "subscription",
    "user",
    "webhook",
    "write",
];

/// Or if its name ends with `code` or `codes` after one of these: other codes (`country_code`) are
/// not secrets.
pub const CODE_QUALIFIERS: [&str; 21] = [
    "2fa",
    "access",
    "activation",
    "auth",
    "backup",
    "confirm",
    "confirmation",
    "device",
    "invite",
    "login",
    "mfa",
    "otp",
    "pin",
    "recovery",
    "reset",
    "security",
    "sms",
    "time",
    "user",
    "verification",
    "verify",
];

/// A header, but not a parameter (`author`), is sensitive if a hyphen-separated part of its name
/// begins with one of these.
pub const HEADER_PART_STARTS: [&str; 9] =
    ["auth", "cert", "dpop", "hmac", "oidc", "otp", "saml", "principal", "bearer"];

/// Or if a part of its name ends with one of these; this does not apply to parameters (`sort_key`).
pub const HEADER_PART_ENDS: [&str; 5] = ["key", "keys", "auth", "pass", "pwd"];

/// Or if its name begins with one of these.
pub const HEADER_PREFIXES: [&str; 2] = ["cookie", "x-goog-"];

/// Headers that only look like credentials and are kept in plain text.
pub const PLAIN_HEADERS: [&str; 8] = [
    "access-control-allow-credentials",
    "cache-key",
    "idempotency-key",
    "sec-websocket-key",
    "surrogate-key",
    "x-authority",
    "x-cache-key",
    "x-idempotency-key",
];

/// Query and path parameters whose value is a credential, in addition to those with a sensitive
/// word in their name. A header with such a name, with or without `x-`, is also sensitive.
pub const SENSITIVE_PARAMETERS: [&str; 6] =
    ["auth", "code", "code_verifier", "key", "pass", "ticket"];

/// Names that are also ordinary words when followed by `:`, as in `code: 7`.
const PROSE: [&str; 5] = ["auth", "code", "key", "pass", "ticket"];

/// Headers whose value is a URL: its query and path are redacted like the request's own.
pub const URL_HEADERS: [&str; 11] = [
    "referer",
    "origin",
    "location",
    "content-location",
    "refresh",
    "link",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-forwarded-uri",
    "x-envoy-original-path",
];

/// Headers whose value is a host, possibly after a user name and password.
pub const HOST_HEADERS: [&str; 4] = ["host", "x-forwarded-host", "x-original-host", "x-host"];

/// Whether a header (lower-case name) is treated as a credential.
pub fn is_sensitive_header(name: &str) -> bool {
    if PLAIN_HEADERS.contains(&name) {
        return false;
    }
    let part_says = |part: &str| {
        HEADER_PART_STARTS.iter().any(|start| part.starts_with(start))
            || HEADER_PART_ENDS.iter().any(|end| part.ends_with(end))
    };
    SENSITIVE_HEADERS.contains(&name)
        || SENSITIVE_WORDS.iter().any(|word| name.contains(word))
        || HEADER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || name.split(['-', '_', '.']).any(part_says)
        || is_sensitive_parameter(name.strip_prefix("x-").unwrap_or(name), &[])
}

/// Whether a name in free text, which may be a header's or a parameter's, denotes a credential.
pub fn is_sensitive(name: &str, more: &[String]) -> bool {
    is_sensitive_parameter(name, more)
        || (name.contains('-') && is_sensitive_header(&name.to_ascii_lowercase()))
}

/// Whether a name is also an ordinary word.
pub fn is_prose(name: &str) -> bool {
    PROSE.iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// Whether a parameter's name, in any spelling, is treated as a credential's. `more` are the
/// configured names, in lower case.
pub fn is_sensitive_parameter(name: &str, more: &[String]) -> bool {
    if name.is_empty() {
        return false;
    }
    let name = canonical(name);
    let known = |name: &str| {
        let first = letters(name).next();
        SENSITIVE_PARAMETERS.iter().any(|own| own.bytes().next() == first && same(own, name))
            || more.iter().any(|own| same(own, name))
    };
    let is_part = |part: &str| part.len() <= 4 && SENSITIVE_PARTS.contains(&part);
    known(&name)
        || has_sensitive_word(&name)
        || name.ends_with("_pass")
        || (name.contains('.') && name.split('.').any(known))
        || (name.len() > 1
            && (name.split(['.', '_']).any(is_part) || name.split('.').any(is_qualified)))
}

/// Whether it is a kind of key or code that is a credential.
fn is_qualified(name: &str) -> bool {
    let singular = name.strip_suffix('s').unwrap_or(name);
    let ends = |noun: &str, qualifiers: &[&str]| {
        singular.strip_suffix(noun).is_some_and(|rest| {
            let rest = rest.trim_end_matches('_');
            qualifiers.iter().any(|qualifier| rest.ends_with(qualifier))
        })
    };
    ends("key", &KEY_QUALIFIERS) || ends("code", &CODE_QUALIFIERS)
}

/// Examines each position of the name once.
fn has_sensitive_word(name: &str) -> bool {
    let bytes = name.as_bytes();
    let begins = |at: usize, word: &str| {
        bytes.get(at..).is_some_and(|rest| rest.starts_with(word.as_bytes()))
    };
    bytes.iter().enumerate().any(|(at, first)| {
        FIRST_LETTERS & letter(*first) != 0
            && (SENSITIVE_WORDS
                .iter()
                .any(|word| word.as_bytes().first() == Some(first) && begins(at, word))
                || (*first == b'a' && API_KEYS.iter().any(|word| begins(at, word))))
    })
}

/// The first letters of sensitive words: most letters of most names are not among them.
const FIRST_LETTERS: u32 = {
    let (mut letters, mut words) = (0, SENSITIVE_WORDS.as_slice());
    while let [word, rest @ ..] = words {
        if let [first, ..] = word.as_bytes() {
            letters |= letter(*first);
        }
        words = rest;
    }
    letters
};

/// A lower-case letter as a bit; 0 for any other byte.
const fn letter(byte: u8) -> u32 {
    if byte.is_ascii_lowercase() { 1 << (byte & 0x1f) } else { 0 }
}

/// `api-key` in the normalized form.
const API_KEYS: [&str; 2] = ["api_key", "api.key"];

/// A name normalized for comparison: decoded, in lower case, with `_` for hyphens and the like, and `.` between the components of `user[code]`.
fn canonical(name: &str) -> Cow<'_, str> {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    if name.bytes().all(plain) {
        return Cow::Borrowed(name);
    }
    let decoded = decoded(name);
    let mut canonical = String::with_capacity(decoded.len());
    for character in decoded.trim().chars() {
        match character {
            'a'..='z' | '0'..='9' | '_' => canonical.push(character),
            'A'..='Z' => canonical.push(character.to_ascii_lowercase()),
            '-' | ' ' => canonical.push('_'),
            _ if character.is_alphanumeric() => canonical.extend(character.to_lowercase()),
            _ => canonical.push('.'),
        }
    }
    Cow::Owned(canonical)
}

/// What counts when names are compared.
fn letters(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
}

/// Whether two names differ at most in hyphens, underscores and the like. Names without a letter or
/// a digit never match.
fn same(one: &str, other: &str) -> bool {
    let mut letters_of_one = letters(one);
    let mut letters_of_other = letters(other);
    // Most differ in the first letter.
    match (letters_of_one.next(), letters_of_other.next()) {
        (Some(first), Some(own)) if first == own => letters_of_one.eq(letters_of_other),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn every_customary_name_of_a_credential_is_known() {
        for name in [
            "access_token",
            "accessKey",
            "api-key",
            "api.key",
            "api+key",
            "apikey",
            "auth[code]",
            "DB_PASS",
            "client_assertion",
            "client_secret",
            "code",
            "code[]",
            "code.0",
            "CODE",
            "%63ode",
            "%2563ode",
            "c%6Fde%5B%5D",
            "+code",
            "id_token_hint",
            "jsessionid",
            "login.code",
            "newPassword",
            "otp[0]",
            "passwd",
            "PHPSESSID",
            "privateKey",
            "SAMLResponse",
            "session_id",
            "sig",
            "ticket",
            "user[code][]",
            "user[password]",
            "p\\u0061ssword",
            "p\\\\u0061ss\\\\u0077ord",
            "app_key",
            "sshKey",
            "stripe-keys",
            "otp_code",
            "mfaCode",
            "one-time-code",
            "SAMLart",
            "connect.sid",
            "x-bapi-sign",
            "X-Amz-Credential",
            "X-Amz-Security-Token",
            "x-goog-credential",
            "X-Goog-Signature",
            "_csrf",
            "\u{212a}ey",
        ] {
            assert!(is_sensitive_parameter(name, &[]), "{name}");
        }
        for name in [
            "",
            "a",
            "limit",
            "codec",
            "keyword",
            "monkey",
            "author",
            "compass",
            "country_code",
            "code_name",
            "sort_key",
            "partition_key",
            "foreignKey",
            "idempotency_key",
            "postal_code",
            "error_code",
            "side",
            "design",
            "zip[code_of]",
            "%",
            "x.y",
            "page[size]",
            "filter.key_word",
        ] {
            assert!(!is_sensitive_parameter(name, &[]), "{name}");
        }
        let more = ["pin".to_owned(), "card.no".to_owned()];
        for name in ["pin", "PIN[]", "x.pin", "card.no", "card_no"] {
            assert!(is_sensitive_parameter(name, &more), "{name}");
        }
    }

    #[test]
    fn headers_of_credentials_are_known_by_pattern() {
        for name in [
            "authorization",
            "x-authorization",
            "x-forwarded-authorization",
            "x-auth",
            "x-auth-user",
            "x-oauth",
            "x-jwt",
            "x-jwt-payload",
            "x-my-jwt",
            "dpop",
            "dpop-nonce",
            "x-access-key",
            "x-forwarded-client-cert",
            "ssl-client-cert",
            "x-client-certificate",
            "sec-websocket-protocol",
            "cookie",
            "cookie2",
            "set-cookie2",
            "x-api-key",
            "x-apikey",
            "ocp-apim-subscription-key",
            "x-amz-security-token",
            "x-goog-api-key",
            "x-goog-authenticated-user-email",
            "cf-access-jwt-assertion",
            "cf-access-client-secret",
            "x-ms-token-aad-id-token",
            "x-ms-client-principal",
            "x-amzn-oidc-data",
            "x-hub-signature-256",
            "x-shopify-hmac-sha256",
            "x-session-id",
            "x-csrf",
            "x-otp",
            "totp",
            "sig",
            "ticket",
            "code",
            "x-code",
            "sid",
            "pw",
            "x-oauth2",
            "ok-access-sign",
            "httpauthorization",
            "x-verification-code",
            "x-user-pass",
            "www-authenticate",
            "proxy-authorization",
            "authentication",
        ] {
            assert!(is_sensitive_header(name), "{name}");
        }
        for name in [
            "accept",
            "access-control-allow-credentials",
            "cache-control",
            "content-type",
            "etag",
            "host",
            "idempotency-key",
            "origin",
            "referer",
            "traceparent",
            "user-agent",
            "via",
            "x-forwarded-for",
            "x-forwarded-user",
            "x-request-id",
            "x-cache-key",
            "x-keyboard",
            "x-envoy-original-path",
            "server-timing",
            "sec-fetch-site",
        ] {
            assert!(!is_sensitive_header(name), "{name}");
        }
    }
}

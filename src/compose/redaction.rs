//! Keeps secrets out of the record. Applied to every value before the record is made.
//!
//! The work per value is bounded regardless of its length: rules read no more than [`Redactor`]
//! allows, each in linear time.

mod excerpt;
mod segments;

use std::borrow::Cow;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::decision::path_template::PathTemplate;
pub use excerpt::{Excerpt, Redactor};
use gatelog_record::sensitive::assignments;
use gatelog_record::sensitive::encoding::decoded;
use gatelog_record::sensitive::marks::Marks;
use gatelog_record::sensitive::place::Place;
pub use gatelog_record::sensitive::{MASK, names};
use gatelog_record::sensitive::{json, jwt, userinfo};
use names::{HOST_HEADERS, URL_HEADERS, is_sensitive_header};
use segments::split_origin;

/// Hex digits kept of a hash: enough to tell values apart, too few to brute-force one.
const HASH_DIGITS: usize = 16;

/// Maximum bytes that a hash reads from each end of a longer value.
pub const HASH_BYTES: usize = 4096;

/// The treatment of a sensitive header's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// The header is left out.
    Remove,
    /// The value becomes [`MASK`].
    Mask,
    /// The value becomes a keyed hash: the same value has the same hash.
    Hash,
    /// The value is kept: it is not a secret here.
    Keep,
}

/// What to redact, and how.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redaction {
    /// Treatment of headers by lower-case name; overrides the defaults.
    pub headers: Vec<(String, Treatment)>,
    /// More parameters, lower case, in addition to [`names::SENSITIVE_PARAMETERS`].
    pub parameters: Vec<String>,
    /// Paths whose named segments are secrets.
    pub paths: Vec<PathTemplate>,
    /// The key of hashes.
    pub salt: Vec<u8>,
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Leave out the salt.
        f.debug_struct("Redaction")
            .field("headers", &self.headers)
            .field("parameters", &self.parameters)
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

impl Redaction {
    /// The treatment of a header, by its lower-case name.
    pub fn treatment(&self, name: &str) -> Treatment {
        match self.headers.iter().find(|(header, _)| header == name) {
            Some((_, treatment)) => *treatment,
            None if is_sensitive_header(name) => Treatment::Remove,
            None => Treatment::Keep,
        }
    }

    /// The value of a kept header, in the form that the record may contain. `base` is the request's
    /// path, to which a relative reference refers.
    pub fn kept_header<'v>(&self, name: &str, value: Excerpt<'v>, base: &str) -> Cow<'v, str> {
        match name {
            "link" => self.link(value, base),
            "refresh" => self.refresh(value, base),
            _ if URL_HEADERS.contains(&name) => self.url(value, base),
            _ if HOST_HEADERS.contains(&name) => self.host(value),
            _ if self.headers.iter().any(|(header, _)| header == name) => value.text.into(),
            _ => self.words(value),
        }
    }

    /// A keyed hash: equal values have equal hashes. Of a value longer than twice [`HASH_BYTES`],
    /// it covers the length and both ends.
    pub fn hash(&self, value: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.salt) else {
            return MASK.to_owned();
        };
        let ends = value
            .split_at_checked(HASH_BYTES)
            .and_then(|(first, rest)| Some((first, rest.split_last_chunk::<HASH_BYTES>()?.1)));
        if let Some((first, last)) = ends {
            mac.update(first);
            mac.update(last);
            mac.update(&value.len().to_le_bytes());
        } else {
            mac.update(value);
        }
        let digest = mac.finalize().into_bytes();
        let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        let hex = digits.filter_map(|nibble| char::from_digit(u32::from(nibble), 16));
        std::iter::once("hmac:")
            .map(str::to_owned)
            .chain(std::iter::once(hex.take(HASH_DIGITS).collect()))
            .collect()
    }

    /// A query, without its `?`, with the values of sensitive parameters masked. A value ends at the
    /// next `&`; everything up to there is part of the secret.
    pub fn query<'q>(&self, query: Excerpt<'q>) -> Cow<'q, str> {
        // First: a password may contain an `&`.
        let without_users = userinfo::removed_from_query(query.text, query.cut);
        then(without_users, |text| {
            each(query.with(text), |byte| byte == b'&', |parameter| self.parameter(parameter))
        })
    }

    fn parameter<'p>(&self, parameter: Excerpt<'p>) -> Cow<'p, str> {
        let marks = Marks::of(parameter.text);
        let masked = assignments::mask(parameter.text, marks, Place::Parameter, &self.parameters);
        let masked = then(masked, |text| without_open_members(parameter.with(text)));
        if matches!(masked, Cow::Owned(_)) {
            return masked;
        }
        if marks.any(Marks::ESCAPE | Marks::PLUS)
            && self.hides_a_secret(parameter, Place::Parameter)
        {
            let name = parameter.text.split_once('=').map(|(name, _)| name);
            let plain = name.filter(|name| !name.contains(['%', '\\']));
            return plain.map_or(MASK.into(), |name| format!("{name}={MASK}").into());
        }
        let without_tokens =
            then_if(marks.any(Marks::TOKEN), Cow::Borrowed(parameter.text), jwt::masked);
        then(without_tokens, |text| self.paths_within(parameter.with(text)))
    }

    /// A path, without its query, with secret segments, sensitive path parameters
    /// (`;jsessionid=…`) and user information masked.
    pub fn path<'p>(&self, path: Excerpt<'p>) -> Cow<'p, str> {
        let marks = Marks::of(path.text);
        let without_users = userinfo::removed(path.text, path.cut);
        let without_tokens = then_if(marks.any(Marks::TOKEN), without_users, jwt::masked);
        let without_secrets = then(without_tokens, |text| self.secret_segments(path.with(text)));
        if !marks.any(Marks::ASSIGNS | Marks::SPACE | Marks::ESCAPE) {
            return without_secrets;
        }
        then(without_secrets, |text| self.path_parameters(path.with(text)))
    }

    /// Masks assigned values within a segment, and whole segments that hide one behind encoding.
    fn path_parameters<'p>(&self, path: Excerpt<'p>) -> Cow<'p, str> {
        let mask =
            |text| assignments::mask(text, Marks::of(text), Place::Segment, &self.parameters);
        let redact = |segment: Excerpt<'p>| {
            let masked = mask(segment.text);
            if segment.text.contains(['%', '\\'])
                && self.hides_a_secret(segment.with(&masked), Place::Segment)
            {
                return Cow::Borrowed(MASK);
            }
            // An authority whose two slashes Envoy merged into one.
            match segment.text.rsplit_once('@') {
                Some((user, host)) if user.contains(':') => {
                    Cow::Owned([MASK, "@", &mask(host)].concat())
                }
                _ => masked,
            }
        };
        each(path, |byte| byte == b'/', redact)
    }

    /// A URL or a path, with its user information, path, query and fragment redacted. `base` is the
    /// path to which a relative reference refers.
    fn url<'u>(&self, url: Excerpt<'u>, base: &str) -> Cow<'u, str> {
        // First: a password may contain what separates the parts.
        then(userinfo::removed(url.text, url.cut), |text| self.url_parts(url.with(text), base))
    }

    fn url_parts<'u>(&self, url: Excerpt<'u>, base: &str) -> Cow<'u, str> {
        let (before, fragment) = split_before(url.text, '#');
        let (place, query) = split_before(before, '?');
        let place = Excerpt { text: place, cut: url.cut && place.len() == url.text.len() };
        let masked = self.path_of_word(place);
        let masked = then(masked, |text| self.relative_reference(place.with(text), base));
        let whole = then(masked, |text| {
            let (origin, path) = split_origin(text);
            let path = self.path(place.with(path));
            match path {
                Cow::Borrowed(_) => Cow::Borrowed(text),
                Cow::Owned(path) => Cow::Owned([origin, &path].concat()),
            }
        });
        let cut_before_fragment = url.cut && fragment.is_empty();
        // A fragment may carry an OAuth response (`#access_token=…`), or the path of a page.
        let rest = [(query, cut_before_fragment), (fragment, url.cut)].map(|(text, cut)| {
            let mark = text.get(..1).unwrap_or_default();
            let text = text.get(1..).unwrap_or_default();
            (mark, self.query(Excerpt { text, cut }))
        });
        let [(question, query), (hash, fragment)] = &rest;
        let changed = [&whole, query, fragment].iter().any(|part| matches!(part, Cow::Owned(_)));
        if changed {
            Cow::Owned([&*whole, question, query, hash, fragment].concat())
        } else {
            Cow::Borrowed(url.text)
        }
    }

    /// The value of `Link`: URLs in angle brackets, each with parameters (RFC 8288 §3).
    fn link<'v>(&self, link: Excerpt<'v>, base: &str) -> Cow<'v, str> {
        if !link.text.contains('<') {
            return self.url(link, base);
        }
        then(userinfo::removed(link.text, link.cut), |text| {
            let mut within = false;
            each(
                link.with(text),
                |byte| matches!(byte, b'<' | b'>'),
                |part| {
                    let redacted = if within { self.url(part, base) } else { self.words(part) };
                    within = !within;
                    redacted
                },
            )
        })
    }

    /// The value of `Refresh`: seconds, then `;` or `,` and a URL, perhaps after `url=` and in
    /// quotes (HTML, "shared declarative refresh steps").
    fn refresh<'v>(&self, refresh: Excerpt<'v>, base: &str) -> Cow<'v, str> {
        let begins = |character: char| !matches!(character, '0'..='9' | '.' | ';' | ',' | ' ');
        let Some((seconds, rest)) =
            refresh.text.find(begins).and_then(|at| refresh.text.split_at_checked(at))
        else {
            return Cow::Borrowed(refresh.text);
        };
        let url = rest.get(..3).filter(|name| name.eq_ignore_ascii_case("url"));
        let url = url.and_then(|_| rest.get(3..)?.trim_start().strip_prefix('='));
        let url = url.unwrap_or(rest).trim_start().trim_start_matches(['"', '\'']);
        match self.url(refresh.with(url), base) {
            Cow::Borrowed(_) => Cow::Borrowed(refresh.text),
            Cow::Owned(redacted) => {
                let name = rest.strip_suffix(url).unwrap_or_default();
                Cow::Owned([seconds, name, &redacted].concat())
            }
        }
    }

    /// One or more hosts, without user information. One that was cut may be all user information, whatever
    /// stands in it: an `@` may follow.
    pub fn host<'h>(&self, host: Excerpt<'h>) -> Cow<'h, str> {
        each(
            host,
            |byte| byte == b',',
            |host| match host.text.rsplit_once('@') {
                _ if host.cut => Cow::Borrowed(MASK),
                None => self.words(host),
                Some((_, name)) => Cow::Owned(self.words(host.with(name)).into_owned()),
            },
        )
    }

    /// Free text: a user agent, an id, the value of a header without a known form.
    pub fn words<'w>(&self, words: Excerpt<'w>) -> Cow<'w, str> {
        let marks = Marks::of(words.text);
        let masked = assignments::mask(words.text, marks, Place::Words, &self.parameters);
        let masked = then(masked, |text| without_open_members(words.with(text)));
        let without_tokens = then_if(marks.any(Marks::TOKEN), masked, jwt::masked);
        if !marks.any(Marks::SLASH | Marks::ESCAPE) {
            return without_tokens;
        }
        let without_users = then(without_tokens, |text| userinfo::removed(text, words.cut));
        let without_secrets = then(without_users, |text| self.paths_within(words.with(text)));
        if !marks.any(Marks::ESCAPE) {
            return without_secrets;
        }
        then(without_secrets, |text| {
            // A value that begins in an encoded word may continue in the next ones.
            let mut hidden = false;
            each(words.with(text), ends_word, |word| {
                hidden |=
                    word.text.contains(['%', '\\']) && self.hides_a_secret(word, Place::Words);
                Cow::Borrowed(if hidden { MASK } else { word.text })
            })
        })
    }

    /// Whether an encoded text, for example a parameter or a URL, would be redacted if decoded.
    fn hides_a_secret(&self, encoded: Excerpt<'_>, place: Place) -> bool {
        let decoded = decoded(encoded.text);
        let marks = Marks::of(&decoded);
        let cut = encoded.cut;
        assignments::has_secret(&decoded, marks, place, &self.parameters)
            || matches!(without_open_members(encoded.with(&decoded)), Cow::Owned(_))
            || (marks.any(Marks::TOKEN) && matches!(jwt::masked(&decoded), Cow::Owned(_)))
            || (marks.any(Marks::SLASH)
                && (matches!(userinfo::removed(&decoded, cut), Cow::Owned(_))
                    || matches!(self.paths_within(encoded.with(&decoded)), Cow::Owned(_))))
    }
}

/// A text without the members of an object that was cut: what follows may tell that they are secret.
fn without_open_members(text: Excerpt<'_>) -> Cow<'_, str> {
    let members = text.cut.then(|| json::open_members(text.text)).flatten();
    match members.and_then(|at| text.text.get(..at)) {
        None => Cow::Borrowed(text.text),
        Some(before) => Cow::Owned([before, MASK].concat()),
    }
}

/// Redacts each part of a text between separators, which are kept. Separators are ASCII.
fn each<'t>(
    text: Excerpt<'t>,
    separates: fn(u8) -> bool,
    mut redact: impl FnMut(Excerpt<'t>) -> Cow<'t, str>,
) -> Cow<'t, str> {
    let whole = text.text;
    let mut redacted = String::new();
    // How much of the text is already in `redacted`, and where the current part begins.
    let (mut done, mut start) = (0, 0);
    while start <= whole.len() {
        let rest = whole.as_bytes().get(start..).unwrap_or_default();
        let length = rest.iter().position(|byte| separates(*byte)).unwrap_or(rest.len());
        let end = start.saturating_add(length);
        let part = whole.get(start..end).unwrap_or_default();
        let own = redact(Excerpt { text: part, cut: text.cut && end == whole.len() });
        if own != part {
            redacted.push_str(whole.get(done..start).unwrap_or_default());
            redacted.push_str(&own);
            done = end;
        }
        start = end.saturating_add(1);
    }
    if done == 0 {
        return Cow::Borrowed(whole);
    }
    redacted.push_str(whole.get(done..).unwrap_or_default());
    Cow::Owned(redacted)
}

const fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b',' | b';' | b'"' | b'<' | b'>')
}

/// Applies the next redaction step to the result of the last one.
fn then<'t>(
    text: Cow<'t, str>,
    step: impl for<'s> FnOnce(&'s str) -> Cow<'s, str>,
) -> Cow<'t, str> {
    match text {
        Cow::Borrowed(text) => step(text),
        Cow::Owned(text) => match step(&text) {
            Cow::Borrowed(same) if same.len() == text.len() => Cow::Owned(text),
            other => Cow::Owned(other.into_owned()),
        },
    }
}

/// Applies the next step if the text has what it looks for.
fn then_if<'t>(
    applies: bool,
    text: Cow<'t, str>,
    step: impl for<'s> FnOnce(&'s str) -> Cow<'s, str>,
) -> Cow<'t, str> {
    if applies { then(text, step) } else { text }
}

/// Splits before the first `at`, which stays with the second part.
fn split_before(text: &str, at: char) -> (&str, &str) {
    text.find(at).and_then(|index| text.split_at_checked(index)).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests;

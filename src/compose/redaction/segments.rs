//! Masks the path segments that a template names, in every spelling that a service may read as that
//! path.

use std::borrow::Cow;
use std::ops::Range;

use super::{Excerpt, MASK, Redaction, each, ends_word, then};
use crate::decision::path_template::{PathTemplate, literal_as_seen};

/// Maximum `=` signs before a path to try as its start: each is another reading of the whole.
const NAMES_MAX: usize = 3;

/// A segment: its position, and its text as a service sees it.
type Segment<'p> = (Range<usize>, Cow<'p, str>);

impl Redaction {
    /// Masks the segments that a template names.
    pub(super) fn secret_segments<'p>(&self, path: Excerpt<'p>) -> Cow<'p, str> {
        masked(path.text, self.secret_ranges(path))
    }

    /// Masks the segments of a relative reference that a template names once it is resolved against
    /// the request's path (RFC 3986 §5.2.3).
    pub(super) fn relative_reference<'r>(
        &self,
        reference: Excerpt<'r>,
        base: &str,
    ) -> Cow<'r, str> {
        let first = reference.text.split(['/', '\\']).next().unwrap_or_default();
        if self.paths.is_empty() || first.is_empty() || first.contains(':') {
            return Cow::Borrowed(reference.text);
        }
        let directory = base.rfind('/').and_then(|slash| base.get(..=slash)).unwrap_or("/");
        let path = [directory, reference.text].concat();
        let named = self.secret_ranges(reference.with(&path));
        let own = named.into_iter().filter_map(|range| {
            let start = range.start.checked_sub(directory.len())?;
            Some(start..range.end.saturating_sub(directory.len()))
        });
        masked(reference.text, own.collect())
    }

    /// The positions of the segments that a template names. Services may or may not treat `%2F` and
    /// `\` as a slash, merge slashes, and resolve dot segments: every reading counts.
    fn secret_ranges(&self, path: Excerpt<'_>) -> Vec<Range<usize>> {
        let mut secret = Vec::new();
        if self.paths.is_empty() || path.text.is_empty() {
            return secret;
        }
        let both = path.text.contains(['%', '\\']);
        for wide in if both { &[false, true][..] } else { &[false] } {
            let read: Vec<Segment<'_>> = segments(path.text, *wide)
                .into_iter()
                .map(|range| {
                    let text = path.text.get(range.clone()).unwrap_or_default();
                    (range, literal_as_seen(text))
                })
                .collect();
            let relative = slash_length(path.text.as_bytes(), *wide) == 0;
            self.named(&read, path.cut, relative, &mut secret);
            if read.iter().any(|(_, text)| matches!(&**text, "" | "." | "..")) {
                self.named(&resolved(read), path.cut, relative, &mut secret);
            }
        }
        secret
    }

    /// Adds the segments that the templates name in one reading of a path.
    fn named(
        &self,
        path: &[Segment<'_>],
        cut: bool,
        relative: bool,
        secret: &mut Vec<Range<usize>>,
    ) {
        let texts: Vec<&str> = path.iter().map(|(_, text)| &**text).collect();
        // An origin whose slashes are encoded or were merged: the path follows the host.
        let origin = texts.first().is_some_and(|first| relative && is_scheme(first));
        let after = if origin { 2 } else { 0 };
        for template in &self.paths {
            let mut found = |place: usize| {
                let range = path.get(place).map(|(range, _)| range);
                secret.extend(range.filter(|range| !range.is_empty()).cloned());
            };
            template.named_places(&texts, cut, &mut found);
            if origin {
                let rest = texts.get(after..).unwrap_or_default();
                template.named_places(rest, cut, |place| found(place.saturating_add(after)));
            } else if relative {
                template.named_places_relative(&texts, cut, &mut found);
            }
        }
    }

    /// Masks the segments that a template names in every URL or path within a text.
    pub(super) fn paths_within<'t>(&self, text: Excerpt<'t>) -> Cow<'t, str> {
        if self.paths.is_empty() || !text.text.contains(['/', '\\']) {
            return Cow::Borrowed(text.text);
        }
        let narrow = each(text, ends_url, |word| self.path_of_word(word));
        if !text.text.contains(';') {
            return narrow;
        }
        // Again, treating a path's parameters as part of it.
        then(narrow, |narrow| {
            let parameter = |byte| ends_url(byte) && !matches!(byte, b';' | b'=');
            each(text.with(narrow), parameter, |word| self.path_with_parameters(word))
        })
    }

    /// The path may follow `next=`, `x=1;next=` or nothing: `a;x=1/b` is a path.
    fn path_with_parameters<'t>(&self, word: Excerpt<'t>) -> Cow<'t, str> {
        let before = word.text.split(['/', '\\']).next().unwrap_or_default();
        let last = before.rfind(['=', ';']);
        let names = before.match_indices('=').map(|(at, _)| at).filter(|at| Some(*at) != last);
        let mut masked = self.path_of_word(word);
        for start in names.take(NAMES_MAX).chain(last).map(|at| at.saturating_add(1)) {
            masked = then(masked, |text| {
                let (name, path) = text.split_at_checked(start).unwrap_or(("", text));
                match self.path_of_word(word.with(path)) {
                    Cow::Borrowed(_) => Cow::Borrowed(text),
                    Cow::Owned(path) => Cow::Owned([name, &path].concat()),
                }
            });
        }
        masked
    }

    /// Masks the segments that a template names in a URL or path.
    pub(super) fn path_of_word<'t>(&self, word: Excerpt<'t>) -> Cow<'t, str> {
        let several = |text: &str| text.trim_matches('/').contains(['/', '\\', '%']);
        let single =
            !several(word.text) && self.paths.iter().all(PathTemplate::begins_with_literal);
        // A secret follows a literal, in a path with several segments.
        if single || self.paths.is_empty() || !word.text.contains(['/', '\\']) {
            return Cow::Borrowed(word.text);
        }
        let (origin, path) = split_origin(word.text);
        let masked = match self.secret_segments(word.with(path)) {
            Cow::Borrowed(_) => Cow::Borrowed(word.text),
            Cow::Owned(path) => Cow::Owned([origin, &path].concat()),
        };
        if !origin.starts_with(['/', '\\']) {
            return masked;
        }
        // Either a host or the first segment after doubled slashes.
        then(masked, |text| self.secret_segments(word.with(text)))
    }
}

/// A path with these ranges of it masked.
fn masked(path: &str, mut secret: Vec<Range<usize>>) -> Cow<'_, str> {
    if secret.is_empty() {
        return Cow::Borrowed(path);
    }
    secret.sort_unstable_by_key(|range| (range.start, range.end));
    let mut masked = String::with_capacity(path.len());
    let mut done = 0;
    for range in secret {
        if range.start >= done {
            masked.push_str(path.get(done..range.start).unwrap_or_default());
            masked.push_str(MASK);
        }
        done = done.max(range.end);
    }
    masked.push_str(path.get(done..).unwrap_or_default());
    Cow::Owned(masked)
}

/// A path without empty segments, and with its dot segments resolved (RFC 3986 §5.2.4).
fn resolved(path: Vec<Segment<'_>>) -> Vec<Segment<'_>> {
    let mut resolved = Vec::with_capacity(path.len());
    for segment in path {
        match &*segment.1 {
            "" | "." => {}
            ".." => {
                resolved.pop();
            }
            _ => resolved.push(segment),
        }
    }
    resolved
}

const fn ends_url(byte: u8) -> bool {
    ends_word(byte) || matches!(byte, b'?' | b'#' | b'=' | b'&' | b'\'' | b'(' | b')')
}

/// Splits scheme and authority from the path; a bare path has neither. Backslashes count as
/// slashes, as in browsers.
pub(super) fn split_origin(url: &str) -> (&str, &str) {
    let slash = |byte: u8| matches!(byte, b'/' | b'\\');
    let mut pairs = url.as_bytes().windows(2);
    let slashes = pairs.position(|pair| pair.iter().all(|byte| slash(*byte)));
    let scheme = slashes.filter(|at| *at == 0 || url.get(..*at).is_some_and(is_scheme));
    let authority = scheme.map(|at| at.saturating_add(2));
    let path = authority.map(|start| {
        let path = url.get(start..).and_then(|rest| rest.find(['/', '\\']));
        path.map_or(url.len(), |path| start.saturating_add(path))
    });
    url.split_at_checked(path.unwrap_or(0)).unwrap_or(("", url))
}

/// Whether it is a scheme such as `https:`.
fn is_scheme(text: &str) -> bool {
    text.strip_suffix(':').is_some_and(|scheme| {
        scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// The positions of a path's segments. With `wide`, encoded slashes and backslashes also end one.
fn segments(path: &str, wide: bool) -> Vec<Range<usize>> {
    let bytes = path.as_bytes();
    let mut segments = Vec::new();
    let mut start = slash_length(bytes, wide);
    let mut at = start;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match slash_length(rest, wide) {
            0 => at = at.saturating_add(1),
            length => {
                segments.push(start..at);
                at = at.saturating_add(length);
                start = at;
            }
        }
    }
    segments.push(start..bytes.len());
    segments
}

/// Length in bytes of a leading slash: `/`, and if `wide` also `\`, `%2F`, `%5C` and `%252F`.
fn slash_length(text: &[u8], wide: bool) -> usize {
    match text {
        [b'/', ..] => 1,
        [b'\\', ..] if wide => 1,
        [b'%', b'2', b'5', b'2', b'f' | b'F', ..] | [b'%', b'2', b'5', b'5', b'c' | b'C', ..]
            if wide =>
        {
            5
        }
        [b'%', b'2', b'f' | b'F', ..] | [b'%', b'5', b'c' | b'C', ..] if wide => 3,
        _ => 0,
    }
}

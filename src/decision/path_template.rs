//! Templates over the segments of a path: `/api/v1/conversations/{conversation_id}`.
//!
//! A template covers a path when its segments cover the path's first segments; the rest of the path does
//! not matter. A segment is a literal, `*` (any one segment), or `{name}` (any one segment, with a
//! name). A leading `**` lets the rest begin at any segment.
//!
//! A literal is compared with the segment as a service sees it: without its parameters (`;v=1`),
//! percent-decoded. Matching a path takes time linear in its length.

use std::borrow::Cow;
use std::fmt;

use crate::envoy::percent::decoded_twice;

/// Most segments of a template.
pub const SEGMENTS_MAX: usize = 32;

/// A compiled template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    anywhere: bool,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Any,
    Named(String),
}

/// Why a text is not a valid template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// It does not begin with `/`.
    NotAbsolute,
    /// It has no segment.
    Empty,
    /// It has more than [`SEGMENTS_MAX`] segments.
    TooLong,
    /// A segment has braces that are not `{name}`, or an empty name.
    Braces,
    /// `**` is not the first segment, or is the only one.
    Anywhere,
    /// It has a query or a fragment.
    NotAPath,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemplateError::NotAbsolute => f.write_str("must begin with \"/\""),
            TemplateError::Empty => f.write_str("must have at least one segment"),
            TemplateError::TooLong => write!(f, "must have at most {SEGMENTS_MAX} segments"),
            TemplateError::Braces => {
                f.write_str("braces must enclose a whole segment, for example \"/users/{user_id}\"")
            }
            TemplateError::Anywhere => {
                f.write_str("\"**\" may only be the first segment, with others after it")
            }
            TemplateError::NotAPath => f.write_str("must be a path, without \"?\" or \"#\""),
        }
    }
}

impl PathTemplate {
    /// Compiles a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let body = text.strip_prefix('/').ok_or(TemplateError::NotAbsolute)?;
        if text.contains(['?', '#']) {
            return Err(TemplateError::NotAPath);
        }
        let mut parts: Vec<&str> = body.trim_end_matches('/').split('/').collect();
        let anywhere = parts.first() == Some(&"**");
        if anywhere {
            parts.remove(0);
        }
        if parts.len() > SEGMENTS_MAX {
            return Err(TemplateError::TooLong);
        }
        let segments: Vec<_> = parts.into_iter().map(segment).collect::<Result<_, _>>()?;
        match segments.as_slice() {
            [] => Err(TemplateError::Anywhere),
            [Segment::Literal(only)] if only.is_empty() => Err(TemplateError::Empty),
            _ => Ok(Self { anywhere, segments }),
        }
    }

    /// Whether the template has a segment of this name.
    pub fn names(&self, name: &str) -> bool {
        self.segments.iter().any(|segment| segment.is_named(name))
    }

    /// Whether the first segment, after any `**`, is a literal.
    pub fn begins_with_literal(&self) -> bool {
        matches!(self.segments.first(), Some(Segment::Literal(_)))
    }

    /// Whether the template has any named segment.
    pub fn has_names(&self) -> bool {
        self.segments.iter().any(Segment::has_name)
    }

    /// Whether the template covers the path.
    pub fn covers(&self, path: &str) -> bool {
        self.first_match(path).is_some()
    }

    /// The path's segment at `name`, without its parameters; `None` if it is empty.
    pub fn capture<'p>(&self, path: &'p str, name: &str) -> Option<&'p str> {
        let place = self.segments.iter().position(|segment| segment.is_named(name))?;
        let text = self.first_match(path)?.nth(place)?;
        Some(without_parameters(text)).filter(|text| !text.is_empty())
    }

    /// Reports the indexes of the segments at named positions in every match: any of them may be
    /// the one that a service means. Letters match case-insensitively.
    ///
    /// The missing part of a path that was cut could be anything, so its end matches every continuation.
    pub fn named_places<S: AsRef<str>>(
        &self,
        segments: &[S],
        cut: bool,
        mut found: impl FnMut(usize),
    ) {
        let starts = if self.anywhere { segments.len() } else { 1 };
        for start in 0..starts {
            let rest = segments.get(start..).unwrap_or_default();
            Self::named_in(&self.segments, rest, cut, |place| found(start.saturating_add(place)));
        }
    }

    /// Like [`Self::named_places`], for a relative reference: the template's first segments may be those of the
    /// page that it is relative to. What remains of the template begins with a literal.
    pub fn named_places_relative<S: AsRef<str>>(
        &self,
        segments: &[S],
        cut: bool,
        mut found: impl FnMut(usize),
    ) {
        for (start, segment) in self.segments.iter().enumerate() {
            if matches!(segment, Segment::Literal(_)) {
                let own = self.segments.get(start..).unwrap_or_default();
                Self::named_in(own, segments, cut, &mut found);
            }
        }
    }

    /// Reports the named positions of the path if the template's segments cover it.
    fn named_in<S: AsRef<str>>(
        own: &[Segment],
        path: &[S],
        cut: bool,
        mut found: impl FnMut(usize),
    ) {
        if !Self::matches_all(own, path, cut) {
            return;
        }
        let named = own.iter().enumerate().filter(|(_, segment)| segment.has_name());
        named.map(|(place, _)| place).filter(|place| *place < path.len()).for_each(&mut found);
    }

    fn matches_all<S: AsRef<str>>(own: &[Segment], rest: &[S], cut: bool) -> bool {
        own.iter().enumerate().all(|(place, segment)| {
            let last = cut && place.saturating_add(1) >= rest.len();
            match (rest.get(place), segment) {
                (None, _) => cut,
                (Some(text), Segment::Literal(literal)) if last => {
                    let start = literal.get(..text.as_ref().len());
                    start.is_some_and(|start| start.eq_ignore_ascii_case(text.as_ref()))
                }
                (Some(text), Segment::Literal(literal)) => {
                    text.as_ref().eq_ignore_ascii_case(literal)
                }
                (Some(_), _) => true,
            }
        })
    }

    /// The path's segments, from the first one that the template covers.
    fn first_match<'p>(&self, path: &'p str) -> Option<std::str::Split<'p, char>> {
        let mut rest = segments_of(path);
        loop {
            let mut texts = rest.clone();
            let covered = self.segments.iter().all(|segment| match (texts.next(), segment) {
                (Some(text), Segment::Literal(literal)) => literal_as_seen(text) == *literal,
                (Some(_), _) => true,
                (None, _) => false,
            });
            if covered {
                return Some(rest);
            }
            if !self.anywhere {
                return None;
            }
            rest.next()?;
        }
    }
}

impl Segment {
    fn is_named(&self, name: &str) -> bool {
        matches!(self, Segment::Named(own) if own == name)
    }

    fn has_name(&self) -> bool {
        matches!(self, Segment::Named(_))
    }
}

/// The segments of a path, after the leading slash.
pub fn segments_of(path: &str) -> std::str::Split<'_, char> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// A segment without its parameters.
pub fn without_parameters(segment: &str) -> &str {
    segment.split(';').next().unwrap_or_default()
}

/// A segment as a service sees it.
pub fn literal_as_seen(segment: &str) -> Cow<'_, str> {
    let name = without_parameters(segment);
    if name.contains('%') { decoded_twice(name) } else { Cow::Borrowed(name) }
}

fn segment(text: &str) -> Result<Segment, TemplateError> {
    if text == "*" {
        return Ok(Segment::Any);
    }
    if text == "**" {
        return Err(TemplateError::Anywhere);
    }
    match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) if !name.is_empty() && !name.contains(['{', '}']) => {
            Ok(Segment::Named(name.to_owned()))
        }
        Some(_) => Err(TemplateError::Braces),
        None if text.contains(['{', '}']) => Err(TemplateError::Braces),
        None => Ok(Segment::Literal(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_named_segment_is_captured() {
        let cases = [
            ("/api/v1/conversations/{id}", "/api/v1/conversations/conv_789", Some("conv_789")),
            (
                "/api/v1/conversations/{id}",
                "/api/v1/conversations/conv_789/messages",
                Some("conv_789"),
            ),
            ("/conversations/{id}/", "/conversations/c", Some("c")),
            ("/conversations/{id}", "/conversations/", None),
            ("/conversations/{id}", "/conversations", None),
            ("/conversations/{id}", "/other/c", None),
            ("/*/conversations/{id}", "/v2/conversations/c", Some("c")),
            ("/**/conversations/{id}", "/api/v1/conversations/c/x", Some("c")),
            ("/**/conversations/{id}", "/conversations/c", Some("c")),
            ("/**/conversations/{id}", "/conversations", None),
            ("/{org}/{id}", "/a/b", Some("b")),
            ("/x/{id}", "", None),
            ("/conversations/{id}", "/conversations/c;jsessionid=S/messages", Some("c")),
            ("/conversations/{id}", "/conversations/;jsessionid=S", None),
            ("/conversations/{id}", "/conversations;v=1/c", Some("c")),
            ("/conversations/{id}", "/c%6Fnversations/c", Some("c")),
            ("/Conversations/{id}", "/conversations/c", None),
        ];
        for (template, path, captured) in cases {
            let compiled = PathTemplate::parse(template).unwrap();
            assert_eq!(compiled.capture(path, "id"), captured, "{template} on {path}");
        }
    }

    fn places(template: &str, path: &str, cut: bool) -> Vec<usize> {
        let segments: Vec<&str> = segments_of(path).collect();
        let mut places = Vec::new();
        let template = PathTemplate::parse(template).unwrap();
        template.named_places(&segments, cut, |place| places.push(place));
        places
    }

    #[test]
    fn named_segments_of_every_match_are_found_however_far_in() {
        let template = "/**/reset/{secret}/{more}";
        assert_eq!(places(template, "/a/reset/s/m/z", false), [2, 3]);
        assert_eq!(places(template, "/a/RESET/s/m/reset/s/m", false), [2, 3, 5, 6]);
        assert_eq!(places(template, "/a/b", false), [0_usize; 0]);
        assert_eq!(
            places(template, &format!("{}/reset/s/m", "/a".repeat(999)), false),
            [1000, 1001]
        );
        assert_eq!(places("/reset/{secret}", "/reset/s/reset/s", false), [1]);
    }

    #[test]
    fn a_relative_reference_matches_the_end_of_a_template() {
        let relative = |path: &str| {
            let template = PathTemplate::parse("/any/reset/{secret}").unwrap();
            let segments: Vec<&str> = segments_of(path).collect();
            let mut places = Vec::new();
            template.named_places_relative(&segments, false, |place| places.push(place));
            places
        };
        assert_eq!(relative("reset/s"), [1]);
        assert_eq!(relative("any/reset/s"), [2]);
        assert_eq!(relative("s"), [0_usize; 0]);
        assert_eq!(relative("x/reset/s"), [0_usize; 0]);
    }

    #[test]
    fn the_end_of_a_path_that_was_cut_matches_what_could_follow() {
        let template = "/**/invite/{secret}/accept";
        assert_eq!(places(template, "/invite/s", true), [1]);
        assert_eq!(places(template, "/invite/s/acc", true), [1]);
        assert_eq!(places(template, "/invite/s/x", true), [0_usize; 0]);
        assert_eq!(places(template, "/invite/s/x/y", true), [0_usize; 0]);
        assert_eq!(places(template, "/invite/s", false), [0_usize; 0]);
    }

    #[test]
    fn a_template_is_found_beyond_any_number_of_segments() {
        let template = PathTemplate::parse("/**/conversations/{id}").unwrap();
        let path = format!("{}/conversations/c", "/a".repeat(999));
        assert_eq!(template.capture(&path, "id"), Some("c"));
    }

    #[test]
    fn a_malformed_template_says_why() {
        for (text, error) in [
            ("users/{id}", TemplateError::NotAbsolute),
            ("", TemplateError::NotAbsolute),
            ("/", TemplateError::Empty),
            ("/**", TemplateError::Anywhere),
            ("/a/**/b", TemplateError::Anywhere),
            ("/a/{", TemplateError::Braces),
            ("/a/{}", TemplateError::Braces),
            ("/a/x{id}", TemplateError::Braces),
            ("/a/{{id}}", TemplateError::Braces),
            ("/a?b", TemplateError::NotAPath),
        ] {
            assert_eq!(PathTemplate::parse(text), Err(error), "{text}");
        }
        assert_eq!(PathTemplate::parse(&"/a".repeat(33)), Err(TemplateError::TooLong));
    }
}

//! Templates over the segments of a path: `/api/v1/conversations/{conversation_id}`.
//!
//! A template covers a path when its segments cover the path's first segments; what follows does
//! not matter. A segment is a literal, `*` (any one segment), or `{name}` (any one segment, by a
//! name). `**` may stand first: then the rest may begin at any segment.

use std::fmt;

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

/// Why a text is no template.
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
    /// `**` stands elsewhere than first, or alone.
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
            TemplateError::Braces => f.write_str(
                "a segment with braces must be a whole \"{name}\", such as \"/users/{user_id}\"",
            ),
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
        self.segments.iter().any(|segment| matches!(segment, Segment::Named(own) if own == name))
    }

    /// Whether the template has any named segment.
    pub fn has_names(&self) -> bool {
        self.segments.iter().any(|segment| matches!(segment, Segment::Named(_)))
    }

    /// Whether the template covers the path.
    pub fn covers(&self, path: &str) -> bool {
        self.start(path).is_some()
    }

    /// The path's segment that stands at `name`; none where it is empty.
    pub fn capture<'p>(&self, path: &'p str, name: &str) -> Option<&'p str> {
        let start = self.start(path)?;
        let pairs = segments_of(path).skip(start).zip(&self.segments);
        pairs
            .into_iter()
            .find(|(_, segment)| matches!(segment, Segment::Named(own) if own == name))
            .map(|(text, _)| text)
            .filter(|text| !text.is_empty())
    }

    /// Which of the path's segments stand at named ones, by their index.
    pub fn named_indexes(&self, path: &str) -> Vec<usize> {
        let Some(start) = self.start(path) else {
            return Vec::new();
        };
        let named = self.segments.iter().enumerate();
        named
            .filter(|(_, segment)| matches!(segment, Segment::Named(_)))
            .map(|(index, _)| index.saturating_add(start))
            .collect()
    }

    /// The index of the path's segment from which the template covers it.
    fn start(&self, path: &str) -> Option<usize> {
        if !self.anywhere {
            return self.covers_from(path, 0).then_some(0);
        }
        let starts = segments_of(path).count().min(SEGMENTS_MAX.saturating_mul(2));
        (0..starts).find(|&start| self.covers_from(path, start))
    }

    fn covers_from(&self, path: &str, start: usize) -> bool {
        let mut texts = segments_of(path).skip(start);
        self.segments.iter().all(|segment| match (texts.next(), segment) {
            (Some(text), Segment::Literal(literal)) => text == literal,
            (Some(_), _) => true,
            (None, _) => false,
        })
    }
}

/// The segments of a path, what follows the leading slash; a path's parameters and query are the
/// caller's to cut off.
pub fn segments_of(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
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
        ];
        for (template, path, captured) in cases {
            let compiled = PathTemplate::parse(template).unwrap();
            assert_eq!(compiled.capture(path, "id"), captured, "{template} on {path}");
        }
    }

    #[test]
    fn named_segments_are_found_by_index() {
        let template = PathTemplate::parse("/**/reset/{secret}/{more}").unwrap();
        assert_eq!(template.named_indexes("/a/reset/s/m/z"), [2, 3]);
        assert_eq!(template.named_indexes("/a/b"), [0_usize; 0]);
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

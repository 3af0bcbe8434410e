//! The part of a value that redaction reads, and its redaction for one record.

use std::borrow::Cow;
use std::cell::Cell;

use gatelog_record::RecordLimits;
use gatelog_record::limits::CUT_MARK;

use crate::envoy::headers::lossy;

use super::{MASK, Redaction, Treatment};

/// How many times longer than a record's text a value may be and still be read whole: masked parts
/// are often long, and the text after them may be worth keeping.
const ROOM: usize = 2;

/// A text, or the beginning of one that was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excerpt<'t> {
    /// The text.
    pub text: &'t str,
    /// Whether more followed. The end may then be a secret that cannot be recognized,
    /// and is treated as one.
    pub cut: bool,
}

impl<'t> Excerpt<'t> {
    /// A whole text.
    pub const fn whole(text: &'t str) -> Self {
        Self { text, cut: false }
    }

    /// At most `bytes` bytes of a text.
    pub fn of(text: &'t str, bytes: usize) -> Self {
        if text.len() <= bytes {
            return Self::whole(text);
        }
        let mut ends = (0..=bytes).rev();
        let end = ends.find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        Self { text: text.get(..end).unwrap_or_default(), cut: true }
    }

    /// Another text at the same place.
    pub(super) const fn with(self, text: &str) -> Excerpt<'_> {
        Excerpt { text, cut: self.cut }
    }
}

/// Redacts the values of one record, each within a bound.
#[derive(Debug)]
pub struct Redactor<'r> {
    redaction: &'r Redaction,
    limits: RecordLimits,
    base: &'r str,
    cut: Cell<u64>,
}

impl<'r> Redactor<'r> {
    /// A redactor for a record with these bounds. It reads at most twice the bound of each value.
    pub fn new(redaction: &'r Redaction, limits: RecordLimits) -> Self {
        Self { redaction, limits, base: "/", cut: Cell::new(0) }
    }

    /// The same for a request with this path, to which relative references in headers refer. Of a
    /// longer path than is read, only the beginning counts.
    pub fn of_request(self, path: &'r str) -> Self {
        Self { base: Excerpt::of(path, self.bytes()).text, ..self }
    }

    /// Number of values cut here rather than at the encoder's bound.
    pub fn values_cut(&self) -> u64 {
        self.cut.get()
    }

    /// Maximum bytes read of a value.
    pub fn bytes(&self) -> usize {
        self.limits.value_bytes.saturating_mul(ROOM)
    }

    /// Maximum bytes of a record.
    pub fn record_bytes(&self) -> usize {
        self.limits.record_bytes
    }

    /// A path, without its query.
    pub fn path<'t>(&self, path: &'t str) -> Cow<'t, str> {
        self.redact(path, |path| self.redaction.path(path))
    }

    /// A query, without its `?`.
    pub fn query<'t>(&self, query: &'t str) -> Cow<'t, str> {
        self.redact(query, |query| self.redaction.query(query))
    }

    /// The requested authority.
    pub fn host<'t>(&self, host: &'t str) -> Cow<'t, str> {
        self.redact(host, |host| self.redaction.host(host))
    }

    /// Free text.
    pub fn words<'t>(&self, words: &'t str) -> Cow<'t, str> {
        self.redact(words, |words| self.redaction.words(words))
    }

    /// A header's value, which may be any bytes; `None` if it must be left out.
    pub fn header(&self, name: &str, value: &[u8]) -> Option<String> {
        match self.redaction.treatment(name) {
            Treatment::Remove => None,
            Treatment::Mask => Some(MASK.to_owned()),
            Treatment::Hash => Some(self.redaction.hash(value)),
            Treatment::Keep => {
                let value = self.text(value);
                let keep = |value| self.redaction.kept_header(name, value, self.base);
                Some(self.redact(&value, keep).into_owned())
            }
        }
    }

    /// Free text, which may be any bytes.
    pub fn words_of(&self, words: &[u8]) -> String {
        self.words(&self.text(words)).into_owned()
    }

    /// Bytes as text, one byte more than the bound.
    fn text<'t>(&self, value: &'t [u8]) -> Cow<'t, str> {
        let most = self.bytes().saturating_add(1);
        lossy(value.get(..most).unwrap_or(value))
    }

    fn redact<'t>(
        &self,
        text: &'t str,
        redact: impl FnOnce(Excerpt<'t>) -> Cow<'t, str>,
    ) -> Cow<'t, str> {
        let excerpt = Excerpt::of(text, self.bytes());
        self.marked(excerpt, redact(excerpt))
    }

    /// Marks the end of a cut text. If it is still too long, the encoder cuts and counts it.
    fn marked<'t>(&self, excerpt: Excerpt<'_>, redacted: Cow<'t, str>) -> Cow<'t, str> {
        if !excerpt.cut {
            return redacted;
        }
        let mut redacted = redacted.into_owned();
        redacted.push_str(CUT_MARK);
        if redacted.len() <= self.limits.value_bytes {
            self.cut.set(self.cut.get().saturating_add(1));
        }
        Cow::Owned(redacted)
    }
}

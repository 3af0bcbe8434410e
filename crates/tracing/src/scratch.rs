//! The parts of one record while it is put together; each thread reuses one.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::ops::Range;

use gatelog_record::limits::{PAIRS, VALUE_BYTES};
use gatelog_record::sensitive::{self, MASK};
use gatelog_record::{Status, Value};

use crate::fields::{IDS, IdName};

/// Bytes of a value that are read: masked parts are often long, and the text after them may be worth
/// keeping.
const READ_BYTES: usize = VALUE_BYTES * 2;

/// A thread keeps this much memory between records; more goes back.
const KEPT_BYTES: usize = 64 * 1024;

/// Lines of a stack trace: no more are written.
pub(crate) const STACK_LINES: usize = PAIRS;

/// A text within [`Scratch`].
pub(crate) type Span = Range<usize>;

/// A field under `extra`.
#[derive(Clone, Debug)]
pub(crate) enum Slot {
    Text(Span),
    Int(i64),
    Uint(u64),
    Float(f64),
    Bool(bool),
}

/// The error of a record.
#[derive(Debug, Default)]
pub(crate) struct ErrorParts {
    pub(crate) present: bool,
    pub(crate) kind: Option<Span>,
    pub(crate) message: Option<Span>,
    pub(crate) stack_trace: Vec<String>,
}

/// The parts of one record.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    text: String,
    pub(crate) message: Option<Span>,
    pub(crate) extra: Vec<(&'static str, Slot)>,
    pub(crate) ids: [Option<Span>; IDS],
    pub(crate) metrics: Vec<(&'static str, f64)>,
    pub(crate) execution_time_us: Option<u64>,
    pub(crate) status: Option<Status>,
    pub(crate) error: ErrorParts,
    pub(crate) critical: bool,
    pub(crate) audit: bool,
    pub(crate) log_target: Option<Span>,
    pub(crate) log_line: Option<u32>,
    /// Fields past the bound.
    pub(crate) left_out: u32,
    pub(crate) line: Vec<u8>,
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

impl Scratch {
    /// Runs `work` with this thread's scratch, emptied; with a new one if a value that is being
    /// formatted logs something itself.
    pub(crate) fn with<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
        let mut scratch = SCRATCH.try_with(Cell::take).ok().flatten().unwrap_or_default();
        scratch.clear();
        let result = work(&mut scratch);
        let _ = SCRATCH.try_with(|kept| kept.set(Some(scratch)));
        result
    }

    fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(KEPT_BYTES);
        self.line.clear();
        self.line.shrink_to(KEPT_BYTES);
        self.message = None;
        self.extra.clear();
        self.ids = Default::default();
        self.metrics.clear();
        self.execution_time_us = None;
        self.status = None;
        self.error.present = false;
        self.error.kind = None;
        self.error.message = None;
        self.error.stack_trace.clear();
        self.critical = false;
        self.audit = false;
        self.log_target = None;
        self.log_line = None;
        self.left_out = 0;
    }

    /// A text that was kept.
    pub(crate) fn text(&self, span: &Span) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// An id, if it is known.
    pub(crate) fn id(&self, name: IdName) -> Option<&str> {
        let span = self.ids.get(name as usize)?.as_ref()?;
        Some(self.text(span))
    }

    /// Keeps a text that was masked before.
    pub(crate) fn keep_as_is(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    /// Keeps what is to be formatted, up to its bound, with the values of sensitive names in it masked.
    pub(crate) fn format(&mut self, value: fmt::Arguments<'_>, more: &[String]) -> Span {
        let start = self.text.len();
        let mut bounded = Bounded { out: &mut self.text, left: READ_BYTES };
        // Ends early at the bound; a value that fails to format is kept as far as it came.
        let _ = match value.as_str() {
            Some(text) => bounded.write_str(text),
            None => bounded.write_fmt(value),
        };
        let written = self.text.get(start..).unwrap_or_default();
        if let Cow::Owned(masked) = sensitive::masked(written, more) {
            self.text.truncate(start);
            self.text.push_str(&masked);
        }
        start..self.text.len()
    }

    /// Keeps the replacement of a secret.
    pub(crate) fn masked(&mut self) -> Span {
        self.keep_as_is(MASK)
    }

    /// Adds a field under `extra`; an earlier one of that name, which stands closer to the event, wins.
    pub(crate) fn add_extra(&mut self, name: &'static str, slot: Slot) {
        if self.extra.len() >= PAIRS {
            self.left_out = self.left_out.saturating_add(1);
        } else {
            self.extra.push((name, slot));
        }
    }

    pub(crate) fn has_extra(&self, name: &str) -> bool {
        self.extra.iter().any(|(own, _)| *own == name)
    }

    /// A field's value, as the encoder takes it.
    pub(crate) fn value(&self, slot: &Slot) -> Value<'_> {
        match slot {
            Slot::Text(span) => Value::Text(self.text(span)),
            Slot::Int(number) => Value::Int(*number),
            Slot::Uint(number) => Value::Uint(*number),
            Slot::Float(number) => Value::Float(*number),
            Slot::Bool(value) => Value::Bool(*value),
        }
    }

    pub(crate) fn add_stack_line(&mut self, line: String) {
        if self.error.stack_trace.len() < STACK_LINES {
            self.error.stack_trace.push(line);
        }
    }
}

/// Takes text up to a bound, then ends the formatting.
struct Bounded<'t> {
    out: &'t mut String,
    left: usize,
}

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if let Some(left) = self.left.checked_sub(text.len()) {
            self.left = left;
            self.out.push_str(text);
            return Ok(());
        }
        let end = text.floor_char_boundary(self.left);
        self.out.push_str(text.get(..end).unwrap_or_default());
        self.left = 0;
        Err(fmt::Error)
    }
}

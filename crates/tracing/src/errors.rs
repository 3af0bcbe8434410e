//! Errors: their type, their message, and what caused them.

use std::error::Error;
use std::io;

use crate::scratch::{STACK_LINES, Scratch, Span};

/// Causes that are followed: a chain may be a circle.
const CAUSES: usize = 16;

/// Takes an error and its sources.
pub(crate) fn take(scratch: &mut Scratch, error: &(dyn Error + 'static), more: &[String]) {
    scratch.error.present = true;
    let kind = kind(scratch, error);
    scratch.error.kind = kind;
    let message = scratch.format(format_args!("{error}"), more);
    scratch.error.message = Some(message);
    let mut source = error.source();
    for _ in 0..CAUSES {
        let Some(cause) = source else { return };
        let span = scratch.format(format_args!("caused by: {cause}"), more);
        let line = scratch.text(&span).to_owned();
        scratch.add_stack_line(line);
        source = cause.source();
    }
}

/// The type's name, as far as an error shows it: `dyn Error` has none, but what `#[derive(Debug)]`
/// writes begins with the name of the struct, or of the variant.
fn kind(scratch: &mut Scratch, error: &(dyn Error + 'static)) -> Option<Span> {
    if error.is::<io::Error>() {
        return Some(scratch.keep_as_is("std::io::Error"));
    }
    let span = scratch.format(format_args!("{error:?}"), &[]);
    let text = scratch.text(&span);
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let end = text.find(|character| !is_name(character)).unwrap_or(text.len());
    let named = text.starts_with(char::is_uppercase)
        && matches!(text.as_bytes().get(end), None | Some(b' ' | b'(' | b'{'));
    named.then(|| span.start..span.start.saturating_add(end))
}

/// Takes an error that was given as text: what follows its first line is its stack trace.
pub(crate) fn take_text(scratch: &mut Scratch, span: Span) {
    scratch.error.present = true;
    let text = scratch.text(&span);
    let Some(end) = text.find('\n') else {
        scratch.error.message = Some(span);
        return;
    };
    let start = span.start.saturating_add(end);
    scratch.error.message = Some(span.start..start);
    take_stack(scratch, &(start..span.end));
}

/// Takes a stack trace, line by line.
pub(crate) fn take_stack(scratch: &mut Scratch, span: &Span) {
    scratch.error.present = true;
    let lines = scratch.text(span).lines().map(str::trim_end).filter(|line| !line.is_empty());
    let lines: Vec<String> = lines.take(STACK_LINES).map(str::to_owned).collect();
    for line in lines {
        scratch.add_stack_line(line);
    }
}

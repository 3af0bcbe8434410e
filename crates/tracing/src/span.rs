//! What a span adds to every record within it.

use gatelog_record::limits::PAIRS;

use crate::fields::ID_FIELDS;
use crate::ids::Ids;
use crate::scratch::{Scratch, Slot};

/// A field's value, kept for as long as its span.
#[derive(Clone, Debug)]
enum Owned {
    Text(Box<str>),
    Int(i64),
    Uint(u64),
    Float(f64),
    Bool(bool),
}

/// The ids and fields of a span. At most [`PAIRS`] fields, each within the bound of a text.
#[derive(Debug, Default)]
pub(crate) struct SpanData {
    pub(crate) ids: Ids,
    fields: Vec<(&'static str, Owned)>,
}

impl SpanData {
    /// Takes over the fields that were just visited; a field that the span already has is replaced.
    pub(crate) fn take(&mut self, scratch: &Scratch) {
        for (_, name) in ID_FIELDS {
            self.ids.set(name, scratch.id(name));
        }
        for (name, slot) in &scratch.extra {
            let value = match slot {
                Slot::Text(span) => Owned::Text(scratch.text(span).into()),
                Slot::Int(number) => Owned::Int(*number),
                Slot::Uint(number) => Owned::Uint(*number),
                Slot::Float(number) => Owned::Float(*number),
                Slot::Bool(value) => Owned::Bool(*value),
            };
            self.set(name, value);
        }
        // An error is an event's: what a span says of one is a field.
        if let Some(message) = &scratch.error.message {
            self.set("error", Owned::Text(scratch.text(message).into()));
        }
    }

    fn set(&mut self, name: &'static str, value: Owned) {
        if let Some((_, place)) = self.fields.iter_mut().find(|(own, _)| *own == name) {
            *place = value;
        } else if self.fields.len() < PAIRS {
            self.fields.push((name, value));
        }
    }

    /// Adds to a record what it does not have itself.
    pub(crate) fn give(&self, scratch: &mut Scratch) {
        for (name, id) in self.ids.iter() {
            if scratch.id(name).is_none() {
                let span = scratch.keep_as_is(id);
                if let Some(place) = scratch.ids.get_mut(name as usize) {
                    *place = Some(span);
                }
            }
        }
        for (name, value) in &self.fields {
            if scratch.has_extra(name) {
                continue;
            }
            let slot = match value {
                Owned::Text(text) => Slot::Text(scratch.keep_as_is(text)),
                Owned::Int(number) => Slot::Int(*number),
                Owned::Uint(number) => Slot::Uint(*number),
                Owned::Float(number) => Slot::Float(*number),
                Owned::Bool(value) => Slot::Bool(*value),
            };
            scratch.add_extra(name, slot);
        }
    }
}

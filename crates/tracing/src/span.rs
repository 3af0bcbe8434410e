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

/// The ids and fields of a span. At most [`PAIRS`] fields of each layer, each within the bound of a
/// text.
#[derive(Debug, Default)]
pub(crate) struct SpanData {
    pub(crate) ids: Ids,
    fields: Vec<OwnField>,
}

/// A field as one layer has it: another may mask it.
#[derive(Debug)]
struct OwnField {
    layer: u64,
    name: &'static str,
    value: Owned,
}

impl SpanData {
    /// Takes over the fields that were just visited; a field that the span already has is replaced.
    pub(crate) fn take(&mut self, layer: u64, scratch: &Scratch) {
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
            self.set(layer, name, value);
        }
        // An error is an event's: what a span says of one is a field.
        if let Some(message) = &scratch.error.message {
            self.set(layer, "error", Owned::Text(scratch.text(message).into()));
        }
    }

    fn set(&mut self, layer: u64, name: &'static str, value: Owned) {
        let own = || self.fields.iter().filter(|field| field.layer == layer);
        if own().count() < PAIRS || own().any(|field| field.name == name) {
            let is_it = |field: &OwnField| field.layer == layer && field.name == name;
            match self.fields.iter_mut().find(|field| is_it(field)) {
                Some(field) => field.value = value,
                None => self.fields.push(OwnField { layer, name, value }),
            }
        }
    }

    /// Adds to a record what it does not have itself.
    pub(crate) fn give(&self, layer: u64, scratch: &mut Scratch) {
        for (name, id) in self.ids.iter() {
            if scratch.id(name).is_none() {
                let span = scratch.keep_as_is(id);
                if let Some(place) = scratch.ids.get_mut(name as usize) {
                    *place = Some(span);
                }
            }
        }
        for OwnField { name, value, .. } in self.fields.iter().filter(|own| own.layer == layer) {
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

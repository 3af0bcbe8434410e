//! The record's `extra`: attributes under names that a query can use, values of sensitive names
//! masked.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use gatelog_record::sensitive::MASK;

use super::line::Line;
use super::model::{AnyValue, KeyValue, VALUES};
use super::secrets::Secrets;

/// Writes values into a line.
pub(super) struct Values<'s> {
    pub(super) secrets: &'s Secrets,
    /// Most levels of objects and arrays, the record included.
    pub(super) depth: usize,
}

impl Values<'_> {
    /// Writes the value of `key`, at this level of nesting.
    pub(super) fn pair(&self, line: &mut Line<'_>, pair: &KeyValue<'_>, level: usize) {
        self.unless(self.secrets.is_secret(&pair.key), line, &pair.value, level);
    }

    /// Writes a value, masked if it is secret. Whether there is one, and a yes or no, is not.
    fn unless(&self, secret: bool, line: &mut Line<'_>, value: &AnyValue<'_>, level: usize) {
        if secret && !matches!(value, AnyValue::Empty | AnyValue::Bool(_)) {
            line.plain(MASK);
        } else {
            self.value(line, value, level);
        }
    }

    /// Writes a value. Nesting ends one level beyond the bound, where the decoder refuses it.
    pub(super) fn value(&self, line: &mut Line<'_>, value: &AnyValue<'_>, level: usize) {
        match value {
            AnyValue::Empty => line.literal(()),
            AnyValue::Text(text) => line.text(&self.secrets.masked(text)),
            AnyValue::Bool(value) => line.literal(value),
            AnyValue::Int(value) => line.literal(value),
            AnyValue::Double(value) if value.is_finite() => line.literal(value),
            AnyValue::Double(value) if value.is_nan() => line.plain("NaN"),
            AnyValue::Double(value) => {
                line.plain(if *value > 0.0 { "Infinity" } else { "-Infinity" });
            }
            AnyValue::Bytes(bytes) => {
                // No more than exceeds the bound.
                let shown = bytes.get(..line.room()).unwrap_or(bytes);
                line.plain(Base64Display::new(shown, &STANDARD));
            }
            AnyValue::Array(_) | AnyValue::Map(_) if level > self.depth.saturating_add(1) => {
                line.literal(());
            }
            AnyValue::Array(array) => {
                let inner = level.saturating_add(1);
                let pair = self.secrets.is_pair(*array);
                line.open(b'[');
                for (index, element) in AnyValue::elements(*array).enumerate() {
                    if line.is_full() {
                        break;
                    }
                    line.element();
                    self.unless(pair && index == 1, line, &element, inner);
                }
                line.close(b']');
            }
            AnyValue::Map(map) => {
                let inner = level.saturating_add(1);
                let mut names = Names::default();
                let members = self.secrets.are_members(*map);
                line.open(b'{');
                for pair in KeyValue::all(*map, VALUES) {
                    if line.is_full() {
                        break;
                    }
                    line.key(&names.free(&pair.key));
                    let value_of_named = members && !self.secrets.is_naming(&pair);
                    let secret = value_of_named || self.secrets.is_secret(&pair.key);
                    self.unless(secret, line, &pair.value, inner);
                }
                line.close(b'}');
            }
        }
    }
}

/// The names of one object that are taken.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// How often each was asked for.
    taken: HashMap<String, u64>,
}

impl Names {
    /// The name under which an attribute is kept: dots and a leading `$` as `_`, so that a query can
    /// name it. One that is taken gets `_2`, `_3`, …: no value replaces another.
    pub(super) fn free(&mut self, name: &str) -> String {
        let name = match name {
            "" => Cow::Borrowed("_"),
            name if name.starts_with('$') || name.contains('.') => {
                let name = name.replace('.', "_");
                let rest = name.strip_prefix('$').map(|rest| format!("_{rest}"));
                Cow::Owned(rest.unwrap_or(name))
            }
            name => Cow::Borrowed(name),
        };
        let mut count = match self.taken.get_mut(&*name) {
            None => {
                self.taken.insert(name.clone().into_owned(), 1);
                return name.into_owned();
            }
            Some(count) => *count,
        };
        loop {
            count = count.saturating_add(1);
            let numbered = format!("{name}_{count}");
            if !self.taken.contains_key(&numbered) {
                self.taken.insert(name.into_owned(), count);
                self.taken.insert(numbered.clone(), 1);
                return numbered;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_replaces_another_and_a_query_can_use_each() {
        let mut names = Names::default();
        for (name, kept) in [
            ("user", "user"),
            ("http.request.method", "http_request_method"),
            ("http_request_method", "http_request_method_2"),
            ("http.request.method", "http_request_method_3"),
            ("$where", "_where"),
            ("", "_"),
            ("a_2", "a_2"),
            ("a", "a"),
            ("a", "a_3"),
        ] {
            assert_eq!(names.free(name), kept, "{name}");
        }
    }
}

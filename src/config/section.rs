//! Typed reading of a JSON object: reads each key once and reports invalid values and unknown keys.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::time::Duration;

use gatelog_record::{Level, ParseLevelError, units};
use serde_json::{Map, Value};

use super::fault::{Faults, quoted};

/// Returns the value of an environment variable.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// One object of the configuration, with its dotted name.
pub struct Section<'a> {
    name: String,
    object: Option<&'a Map<String, Value>>,
    known: RefCell<Vec<&'static str>>,
    faults: &'a Faults,
    environment: Environment<'a>,
}

impl<'a> Section<'a> {
    /// The whole configuration.
    pub fn root(
        object: &'a Map<String, Value>,
        faults: &'a Faults,
        environment: Environment<'a>,
    ) -> Self {
        Self {
            name: String::new(),
            object: Some(object),
            known: RefCell::default(),
            faults,
            environment,
        }
    }

    fn child(&self, name: String, value: Option<&'a Value>) -> Self {
        let object = match value {
            Some(Value::Object(object)) => Some(object),
            Some(other) => {
                self.faults.report(&name, other, "must be an object");
                None
            }
            None => None,
        };
        Section {
            name,
            object,
            known: RefCell::default(),
            faults: self.faults,
            environment: self.environment,
        }
    }

    /// An object under `key`; an absent one has no keys.
    pub fn section(&self, key: &'static str) -> Section<'a> {
        self.child(self.path(key), self.get(key))
    }

    /// A list of objects under `key`, with at most `max` elements.
    pub fn sections(&self, key: &'static str, max: usize) -> Vec<Section<'a>> {
        self.list(key, max).map(|(name, value)| self.child(name, Some(value))).collect()
    }

    /// The dotted name of a key of this section.
    pub fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Whether the configuration has the key with a value other than null.
    pub fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// Reports a fault in a key of this section.
    pub fn fault(&self, key: &str, remedy: impl Into<String>) {
        let value = self.object.and_then(|object| object.get(key));
        self.faults.report(&self.path(key), value.unwrap_or(&Value::Null), remedy);
    }

    /// Reports a fault in a key of this section; shows the default if the key is absent.
    pub fn fault_or_default(
        &self,
        key: &'static str,
        default: impl Into<Value>,
        remedy: impl Into<String>,
    ) {
        let default = default.into();
        self.faults.report(&self.path(key), self.get(key).unwrap_or(&default), remedy);
    }

    /// Reports the first text of a list that is not valid.
    pub fn refuse_elements(
        &self,
        key: &str,
        texts: &[String],
        remedy: &str,
        valid: impl Fn(&str) -> bool,
    ) {
        if let Some(bad) = texts.iter().find(|text| !valid(text)) {
            self.fault(key, format!("{} {remedy}", self.quoted(key, bad)));
        }
    }

    /// A list element as an error may quote it: the text written in the configuration,
    /// never one that came from the environment.
    pub fn quoted(&self, key: &str, text: &str) -> String {
        let listed = self.object.and_then(|object| object.get(key)).and_then(Value::as_array);
        if listed.is_some_and(|elements| elements.iter().any(|own| own == text)) {
            quoted(text)
        } else {
            "a value from the environment".to_owned()
        }
    }

    /// Reports a fault in a key of this section, without its value.
    pub fn fault_hidden(&self, key: &str, remedy: impl Into<String>) {
        self.faults.report_hidden(&self.path(key), remedy);
    }

    /// Reports a fault in the whole object.
    pub fn fault_here(&self, remedy: impl Into<String>) {
        self.faults.report_hidden(&self.name, remedy);
    }

    /// Reports a fault in an environment variable.
    pub fn report_environment(&self, variable: &str, remedy: &str) {
        self.faults.report_hidden(&format!("environment variable {variable}"), remedy);
    }

    /// Reports every key that was not read. Call it last.
    pub fn refuse_unknown(&self) {
        let known = self.known.borrow();
        for key in self.object.into_iter().flat_map(Map::keys) {
            if !known.contains(&key.as_str()) {
                let remedy = format!("unknown key: must be one of {}", known.join(", "));
                self.faults.report_hidden(&self.path(key), remedy);
            }
        }
    }

    /// The raw value; null counts as absent.
    pub fn get(&self, key: &'static str) -> Option<&'a Value> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.object.and_then(|object| object.get(key)).filter(|value| !value.is_null())
    }

    /// A list's elements with their names, at most `max`.
    pub fn list(
        &self,
        key: &'static str,
        max: usize,
    ) -> impl Iterator<Item = (String, &'a Value)> + use<'a> {
        let name = self.path(key);
        let values: &[Value] = match self.get(key) {
            None => &[],
            Some(Value::Array(values)) if values.len() <= max => values,
            Some(Value::Array(values)) => {
                let remedy = format!("has {} elements, limit is {max}", values.len());
                self.faults.report_hidden(&name, remedy);
                &[]
            }
            Some(other) => {
                self.faults.report(&name, other, "must be a list");
                &[]
            }
        };
        values.iter().enumerate().map(move |(index, value)| (format!("{name}[{index}]"), value))
    }

    /// `true` or `false`.
    pub fn bool(&self, key: &'static str, default: bool) -> bool {
        match self.get(key) {
            None => default,
            Some(Value::Bool(value)) => *value,
            Some(other) => {
                self.faults.report(&self.path(key), other, "must be true or false");
                default
            }
        }
    }

    /// A whole number within a range.
    pub fn uint(&self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let form = format!("a whole number, for example {default}");
        let notation = Notation { form, read: Value::as_u64, show: u64::to_string };
        self.in_range(key, default, &range, notation)
    }

    /// A number from 0 to 1.
    pub fn share(&self, key: &'static str, default: f64) -> f64 {
        let form = "a number from 0 to 1, for example 0.1".to_owned();
        let notation = Notation { form, read: Value::as_f64, show: f64::to_string };
        self.in_range(key, default, &(0.0..=1.0), notation)
    }

    /// Nanoseconds of a duration with a unit, within a range.
    pub fn duration(&self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let read = |value: &Value| {
            let text = self.expand(&self.path(key), value.as_str()?)?;
            u64::try_from(units::parse_duration(&text).ok()?.as_nanos()).ok()
        };
        let show = |nanos: &u64| units::show_duration(Duration::from_nanos(*nanos));
        let form = format!("a duration with a unit, for example \"{}\"", show(&default));
        self.in_range(key, default, &range, Notation { form, read, show })
    }

    /// Bytes of a size, a number or with a unit, within a range.
    pub fn size(&self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let read = |value: &Value| match value {
            Value::String(text) => units::parse_size(&self.expand(&self.path(key), text)?).ok(),
            other => other.as_u64(),
        };
        let show = |bytes: &u64| format!("{bytes} bytes");
        let form = format!("a size, for example {default} or \"8MiB\"");
        self.in_range(key, default, &range, Notation { form, read, show })
    }

    fn in_range<T: PartialOrd + Copy>(
        &self,
        key: &'static str,
        default: T,
        range: &RangeInclusive<T>,
        notation: Notation<impl Fn(&Value) -> Option<T>, impl Fn(&T) -> String>,
    ) -> T {
        let Notation { form, read, show } = notation;
        let Some(value) = self.get(key) else {
            return default;
        };
        match read(value) {
            Some(number) if range.contains(&number) => number,
            Some(number) if number < *range.start() => {
                self.faults.report(
                    &self.path(key),
                    value,
                    format!("must be at least {}", show(range.start())),
                );
                default
            }
            Some(_) => {
                self.faults.report(
                    &self.path(key),
                    value,
                    format!("must be at most {}", show(range.end())),
                );
                default
            }
            None => {
                self.faults.report(&self.path(key), value, format!("must be {form}"));
                default
            }
        }
    }

    /// A text with each `${NAME}` replaced from the environment.
    pub fn string(&self, key: &'static str) -> Option<String> {
        let value = self.get(key)?;
        self.text(&self.path(key), value)
    }

    /// A text of 1 to `max` bytes.
    pub fn bounded(&self, key: &'static str, max: usize) -> Option<String> {
        let text = self.string(key)?;
        if (1..=max).contains(&text.len()) {
            return Some(text);
        }
        self.fault(key, format!("must have 1 to {max} bytes"));
        None
    }

    /// As [`bounded`](Self::bounded), with a default.
    pub fn string_or(&self, key: &'static str, default: &str, max: usize) -> String {
        self.bounded(key, max).unwrap_or_else(|| default.to_owned())
    }

    /// A secret text: never shown in an error.
    pub fn secret(&self, key: &'static str) -> Option<String> {
        match self.get(key)? {
            Value::String(text) => self.expand(&self.path(key), text),
            _ => {
                self.faults.report_hidden(&self.path(key), "must be a string");
                None
            }
        }
    }

    /// A level's name.
    pub fn level(&self, key: &'static str) -> Option<Level> {
        let level = self.string(key)?.parse().ok();
        if level.is_none() {
            // Not the error's own text, which may quote a value from the environment.
            self.fault(key, ParseLevelError::REMEDY);
        }
        level
    }

    /// A list of texts, at most `max`.
    pub fn strings(&self, key: &'static str, max: usize) -> Vec<String> {
        self.list(key, max).filter_map(|(name, value)| self.text(&name, value)).collect()
    }

    /// The pairs of an object of texts, at most `max`.
    pub fn pairs(&self, key: &'static str, max: usize) -> Vec<(String, String)> {
        let name = self.path(key);
        match self.get(key) {
            None => Vec::new(),
            Some(Value::Object(object)) if object.len() <= max => object
                .iter()
                .filter_map(|(key, value)| {
                    Some((key.clone(), self.text(&format!("{name}.{key}"), value)?))
                })
                .collect(),
            Some(Value::Object(object)) => {
                let remedy = format!("has {} keys, limit is {max}", object.len());
                self.faults.report_hidden(&name, remedy);
                Vec::new()
            }
            Some(other) => {
                self.faults.report(&name, other, "must be an object of strings");
                Vec::new()
            }
        }
    }

    /// A value as text, expanded.
    pub fn text(&self, name: &str, value: &Value) -> Option<String> {
        match value {
            Value::String(text) => self.expand(name, text),
            other => {
                self.faults.report(name, other, "must be a string");
                None
            }
        }
    }

    /// The text with each `${NAME}` replaced; `$${` is a literal `${`.
    fn expand(&self, name: &str, text: &str) -> Option<String> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(literal) = before.strip_suffix('$') {
                expanded.extend([literal, "${"]);
                rest = after;
                continue;
            }
            let Some((variable, after)) = after.split_once('}') else {
                self.faults.report_hidden(name, "has a \"${\" without its \"}\"");
                return None;
            };
            let Some(value) = (self.environment)(variable) else {
                let remedy = format!(
                    "environment variable {} is not set: set it in vm_config.environment_variables",
                    quoted(variable)
                );
                self.faults.report_hidden(name, remedy);
                return None;
            };
            expanded.extend([before, &value]);
            rest = after;
        }
        expanded.push_str(rest);
        Some(expanded)
    }
}

/// How a number is written in a configuration.
struct Notation<R, S> {
    /// Its form and an example, for errors.
    form: String,
    /// Reads it; `None` if the value has another form.
    read: R,
    /// Shows it in an error.
    show: S,
}

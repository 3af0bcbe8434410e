//! The faults of a configuration, each with name, value and remedy.

use std::cell::RefCell;
use std::fmt;

use serde_json::Value;

/// Maximum number of faults reported; the rest are counted.
pub(super) const FAULTS_MAX: usize = 50;

/// Maximum characters of a name: an unknown key may be of any length.
const NAME_CHARS_MAX: usize = 200;

/// Maximum characters that an error quotes of a value.
const QUOTED_CHARS_MAX: usize = 80;

/// One fault in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key, for example `delivery.flush_interval`, shortened; empty for the whole configuration.
    pub name: String,
    /// Its value, shortened, as JSON; `None` if it must not be shown.
    pub value: Option<String>,
    /// What is wrong, or what the value must be.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { "configuration" } else { &self.name };
        // An unknown key may contain anything; a fault is one line.
        let name = name.escape_debug();
        match &self.value {
            Some(value) => write!(f, "{name} = {value}: {}", self.remedy),
            None => write!(f, "{name}: {}", self.remedy),
        }
    }
}

/// Collects faults while a configuration is read.
#[derive(Debug, Default)]
pub struct Faults {
    found: RefCell<Vec<Fault>>,
    uncounted: RefCell<usize>,
}

impl Faults {
    /// Reports one fault about a value that may be shown.
    pub fn report(&self, name: &str, value: &Value, remedy: impl Into<String>) {
        self.push(name, Some(shortened(&value.to_string(), QUOTED_CHARS_MAX)), remedy.into());
    }

    /// Reports one fault without its value, because there is none or it is a secret.
    pub fn report_hidden(&self, name: &str, remedy: impl Into<String>) {
        self.push(name, None, remedy.into());
    }

    fn push(&self, name: &str, value: Option<String>, remedy: String) {
        let mut found = self.found.borrow_mut();
        if found.len() < FAULTS_MAX {
            found.push(Fault { name: shortened(name, NAME_CHARS_MAX), value, remedy });
        } else {
            let mut more = self.uncounted.borrow_mut();
            *more = more.saturating_add(1);
        }
    }

    /// All faults, in the order they were found.
    pub fn into_vec(self) -> Vec<Fault> {
        let mut found = self.found.into_inner();
        let more = self.uncounted.into_inner();
        if more > 0 {
            let remedy = format!("{more} more faults, fix the first ones");
            found.push(Fault { name: String::new(), value: None, remedy });
        }
        found
    }
}

/// A text of the configuration for quoting in an error: one line, shortened.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text, QUOTED_CHARS_MAX).escape_debug())
}

fn shortened(text: &str, chars: usize) -> String {
    let mut short: String = text.chars().take(chars).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

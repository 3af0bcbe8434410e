//! Faults of a configuration, collected so that all are reported together.

use std::fmt;

/// What is wrong with a configuration: one line for each fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    lines: Vec<String>,
}

impl Faults {
    /// Adds a fault: `NAME = "value": reason`.
    pub fn add(&mut self, name: &str, value: &str, reason: impl fmt::Display) {
        self.lines.push(format!("{name} = \"{}\": {reason}", value.escape_debug()));
    }

    /// Adds a fault that does not belong to a single value.
    pub fn add_rule(&mut self, rule: impl Into<String>) {
        self.lines.push(rule.into());
    }

    /// Returns the value; otherwise adds its fault and returns `None`.
    pub fn take<T, E: fmt::Display>(
        &mut self,
        name: &str,
        value: &str,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|reason| self.add(name, value, reason)).ok()
    }

    /// Whether there are no faults.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The faults, one per line.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.lines.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(line)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

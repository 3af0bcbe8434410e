//! Why a layer could not be made.

use std::fmt;

/// What is wrong with the settings: every fault at once.
///
/// ```
/// let error = gatelog_tracing::builder("").collector("collector:8686").layer().unwrap_err();
/// assert_eq!(error.faults().len(), 2);
/// ```
#[derive(Debug)]
pub struct BuildError(Vec<String>);

impl BuildError {
    pub(crate) const fn new(faults: Vec<String>) -> Self {
        Self(faults)
    }

    pub(crate) fn one(fault: String) -> Self {
        Self(vec![fault])
    }

    /// The faults, each with its value and remedy.
    ///
    /// ```
    /// let error = gatelog_tracing::builder("").layer().unwrap_err();
    /// assert!(error.faults()[0].starts_with("service = \"\""));
    /// ```
    pub fn faults(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for BuildError {}

//! The lines that Envoy's access logger printed: one JSON record each.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// A file that captures Envoy's standard output.
#[derive(Clone, Debug)]
pub struct Journal {
    path: PathBuf,
}

impl Journal {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every complete line so far, verbatim.
    pub fn lines(&self) -> Result<Vec<String>> {
        let text = String::from_utf8(fs::read(&self.path)?).context("the journal is not UTF-8")?;
        let complete = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
        Ok(complete.lines().map(str::to_owned).collect())
    }

    /// Every complete line so far, as a record. Returns an error if one is not a JSON object.
    pub fn records(&self) -> Result<Vec<Value>> {
        self.lines()?
            .iter()
            .map(|line| {
                let record: Value =
                    serde_json::from_str(line).with_context(|| format!("not JSON: {line:?}"))?;
                anyhow::ensure!(record.is_object(), "not an object: {line:?}");
                Ok(record)
            })
            .collect()
    }
}

//! A case: what happens to the system, and what the outcome may be. Read from
//! `tests/chaos/NAME.yaml`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatelog_testkit::checkout;
use serde::Deserialize;

use crate::step::Step;

/// One case.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Case {
    /// The file's name.
    #[serde(skip)]
    pub(crate) name: String,
    /// One-line description.
    pub(crate) about: String,
    /// Filter options, by JSON pointer.
    #[serde(default)]
    pub(crate) filter: Vec<(String, serde_json::Value)>,
    /// Environment variables of the collector.
    #[serde(default)]
    pub(crate) collector: Vec<(String, String)>,
    /// Envoy's worker threads, each with its own VM.
    #[serde(default = "one_worker")]
    pub(crate) workers: u32,
    /// Collectors behind Envoy's load balancing: 1 to 3.
    #[serde(default = "one_collector")]
    pub(crate) collectors: usize,
    /// Separate disks, for parts whose disk is to fail.
    #[serde(default)]
    pub(crate) disks: Disks,
    /// Whether a service logs by OTLP, too.
    #[serde(default)]
    pub(crate) logs: bool,
    /// Whether MongoDB requires authentication.
    #[serde(default)]
    pub(crate) authentication: bool,
    /// Pause between two requests of each load client, in milliseconds; default 40.
    pub(crate) interval_ms: Option<u64>,
    /// Whether to repeat the steps until `CHAOS_MINUTES` have passed; without `CHAOS_MINUTES`,
    /// once.
    #[serde(default)]
    pub(crate) repeats: bool,
    /// The steps, in order.
    pub(crate) steps: Vec<Step>,
    /// The allowed outcome.
    #[serde(default)]
    pub(crate) allow: Allow,
}

/// The losses that a case may cause; none by default.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Allow {
    /// Records that the filter drops, for these reasons; a replay recovers them.
    pub(crate) dropped: Vec<String>,
    /// Records that are missing until the replay.
    pub(crate) missing: bool,
    /// Records that become dead letters; a retry recovers them once the cause is gone.
    pub(crate) quarantined: bool,
    /// Maximum number of harmed requests: those in progress in a VM that traps.
    pub(crate) harmed: u64,
    /// Records lost because Envoy was killed or its VM trapped. Each is listed.
    pub(crate) lost: bool,
}

/// Which parts have a separate disk.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Disks {
    /// The collector, for its spool.
    pub(crate) collector: Option<DiskType>,
    /// MongoDB, for its data.
    pub(crate) database: Option<DiskType>,
}

/// The kind of disk.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DiskType {
    /// A tmpfs that fills up quickly.
    Small,
    /// An ext4 file system, which can fail.
    Ext4,
}

fn one_worker() -> u32 {
    1
}

fn one_collector() -> usize {
    1
}

impl Case {
    /// The cases in `tests/chaos/`, sorted by name; only those in `wanted`, if any.
    pub(crate) fn all(wanted: &[String]) -> Result<Vec<Self>> {
        let directory = checkout().join("tests/chaos");
        let mut cases = Vec::new();
        for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".yaml"))
            else {
                continue;
            };
            let text = fs::read_to_string(&path)?;
            let case: Self =
                serde_saphyr::from_str(&text).with_context(|| path.display().to_string())?;
            cases.push(Self { name: name.to_owned(), ..case });
        }
        cases.sort_by(|one, other| one.name.cmp(&other.name));
        if !wanted.is_empty() {
            for name in wanted {
                ensure!(cases.iter().any(|case| case.name == *name), "no such case: \"{name}\"");
            }
            cases.retain(|case| wanted.contains(&case.name));
        }
        Ok(cases)
    }

    /// The pause between two requests of one load client.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms.unwrap_or(40))
    }

    /// Whether any of its steps matches.
    pub(crate) fn takes(&self, is: impl Fn(&Step) -> bool) -> bool {
        self.steps.iter().any(is)
    }
}

/// The duration of `milliseconds` in a case, scaled by `CHAOS_PACE`.
pub(crate) fn paced(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds.saturating_mul(from_environment("CHAOS_PACE").unwrap_or(1)))
}

/// How long a repeating case runs, from `CHAOS_MINUTES`.
pub(crate) fn repeated_for() -> Duration {
    Duration::from_secs(60 * from_environment("CHAOS_MINUTES").unwrap_or(0))
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_can_be_read_and_stands_in_the_guarantees() {
        let guarantees = fs::read_to_string(checkout().join("docs/guarantees.md")).unwrap();
        for case in Case::all(&[]).unwrap() {
            assert!(!case.about.is_empty() && !case.steps.is_empty(), "{}", case.name);
            assert!(guarantees.contains(&format!("`{}`", case.name)), "{}", case.name);
        }
    }
}

//! A case: what is done to the system, and what may come of it. Read from `tests/chaos/NAME.yaml`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatelog_tests::checkout;
use serde::Deserialize;

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// The file's name.
    #[serde(skip)]
    pub(crate) name: String,
    /// One line.
    pub(crate) about: String,
    /// Options of the filter, by JSON pointer.
    #[serde(default)]
    pub(crate) filter: Vec<(String, serde_json::Value)>,
    /// Environment of the collector.
    #[serde(default)]
    pub(crate) collector: Vec<(String, String)>,
    /// Pause of each of the load's clients between two requests, in milliseconds; 40 if not said.
    pub(crate) interval_ms: Option<u64>,
    /// What is done, in order.
    pub(crate) steps: Vec<Step>,
    /// What may come of it.
    #[serde(default)]
    pub(crate) allow: Allow,
}

/// What a case may cost, beyond nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Allow {
    /// Records that the filter lets go, for these reasons; a replay brings them.
    pub(crate) dropped: Vec<String>,
    /// Records that are missing until the replay.
    pub(crate) missing: bool,
    /// Records that become dead letters; a retry brings them once the reason is gone.
    pub(crate) quarantined: bool,
    /// Requests that may be harmed, at most: those under way in a VM that traps.
    pub(crate) harmed: u64,
    /// Records that nobody has any more: Envoy or its VM died without mercy. They are named.
    pub(crate) lost: bool,
}

/// One thing that is done.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Step {
    /// The load goes on for so long, in milliseconds.
    Load(u64),
    /// The load ends: what follows would cut its connections.
    EndLoad,
    /// A process gets SIGKILL.
    Kill(Part),
    /// A process gets SIGSTOP.
    Freeze(Part),
    /// A process gets SIGCONT.
    Thaw(Part),
    /// A process gets SIGTERM, and must end by itself.
    Terminate(Part),
    /// A process that has ended starts again.
    Start(Part),
    /// The network to a part fails so.
    Network { to: Part, fault: NetworkFault },
    /// In the collector's place stands one that answers this status to everything.
    Impostor(u16),
    /// The collector has its place again.
    EndImpostor,
    /// A fail point of the database: these commands fail with this code, or with these fields.
    FailPoint { commands: Vec<String>, data: serde_json::Value },
    /// The fail point is off.
    EndFailPoint,
    /// The filter's configuration is replaced, so many times.
    Reconfigure(u64),
    /// A request that makes the filter's VM trap (a module built for this).
    Trap,
    /// Envoy's drain recipe: no new connections, wait until nothing is queued.
    Drain,
    /// Bytes in the middle of the spool's file are overwritten while the collector is down.
    CorruptSpool,
}

/// A part of the system.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    Envoy,
    Collector,
    Database,
}

/// How a network fails.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum NetworkFault {
    None,
    Cut,
    Silent,
    DelayMs(u64),
    BytesASecond(usize),
    ClosedAfterBytes(usize),
    Garbage,
    HalfAnAnswer,
}

impl Case {
    /// The cases of `tests/chaos/`, in order of their names; only the wanted ones, if any are named.
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

    /// Between two requests of a client of the load.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms.unwrap_or(40))
    }
}

/// How long `milliseconds` of a case last, by `CHAOS_PACE`.
pub(crate) fn paced(milliseconds: u64) -> Duration {
    let pace = std::env::var("CHAOS_PACE").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    Duration::from_millis(milliseconds.saturating_mul(pace))
}

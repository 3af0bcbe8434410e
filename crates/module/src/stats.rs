//! The stats of the whole process: every thread adds, the main thread tells Envoy at each tick.
//!
//! Envoy lets a module define stats only while it makes a configuration, and every configuration has
//! its own numbers for them. Names are the same, so it is one set of stats however many
//! configurations there are.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use gatelog::host::MetricKind;
use gatelog::metrics::definitions;

use crate::abi::configuration::Configuration;

/// Room for the core's stats; a test compares it with their number.
const PLACES: usize = 32;

/// A counter of the module's own, after the core's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// Panics that were caught.
    Panics,
    /// Hooks that let an exchange go by without ids and record.
    Passed,
    /// Lines of the journal that were written.
    JournalWritten,
    /// Lines dropped at the journal's bound.
    JournalDropped,
    /// Lines that standard output did not take.
    JournalFailed,
}

/// Their names, in that order.
const OWN: [&str; 5] = [
    "gatelog.module.panics",
    "gatelog.module.passed",
    "gatelog.module.journal_written",
    "gatelog.module.journal_dropped",
    "gatelog.module.journal_failed",
];

/// What is counted in this process.
pub(crate) static STATS: Stats = Stats {
    values: [const { AtomicI64::new(0) }; PLACES],
    own: [const { AtomicU64::new(0) }; OWN.len()],
    told: [const { AtomicU64::new(0) }; OWN.len()],
};

/// Counts by the place of a definition.
pub(crate) struct Stats {
    /// What was counted since it was last told; of a gauge, its value.
    values: [AtomicI64; PLACES],
    own: [AtomicU64; OWN.len()],
    /// What Envoy was told of them.
    told: [AtomicU64; OWN.len()],
}

impl Stats {
    /// The place of a stat; the same for every configuration.
    pub(crate) fn place(name: &str) -> Option<u32> {
        let place = definitions().position(|(_, own)| own == name)?;
        u32::try_from(place).ok()
    }

    /// Adds to a counter or a gauge.
    pub(crate) fn add(&self, place: u32, delta: i64) {
        if let Some(value) = self.values.get(place as usize) {
            value.fetch_add(delta, Ordering::Relaxed);
        }
    }

    /// Adds to a counter of the module's own.
    pub(crate) fn count(&self, counter: Own, more: u64) {
        if let Some(value) = self.own.get(counter as usize) {
            value.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// The count so far.
    #[cfg(test)]
    pub(crate) fn counted(&self, counter: Own) -> u64 {
        self.own[counter as usize].load(Ordering::Relaxed)
    }

    /// Tells a configuration what was counted since it was last told.
    pub(crate) fn tell(&self, to: Configuration, ids: &Ids) {
        for ((value, (kind, _)), id) in self.values.iter().zip(definitions()).zip(&ids.core) {
            let Some(id) = *id else { continue };
            match kind {
                MetricKind::Counter => {
                    let more = value.swap(0, Ordering::Relaxed);
                    if let Ok(more) = u64::try_from(more)
                        && more > 0
                    {
                        to.tell(kind, id, more);
                    }
                }
                MetricKind::Gauge => {
                    let now = value.load(Ordering::Relaxed);
                    to.tell(kind, id, u64::try_from(now).unwrap_or(0));
                }
                MetricKind::Histogram => {}
            }
        }
        for ((now, told), id) in self.own.iter().zip(&self.told).zip(&ids.own) {
            let Some(id) = *id else { continue };
            let now = now.load(Ordering::Relaxed);
            let more = now.saturating_sub(told.swap(now, Ordering::Relaxed));
            if more > 0 {
                to.tell(MetricKind::Counter, id, more);
            }
        }
    }
}

/// A configuration's numbers for the stats.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    core: Vec<Option<usize>>,
    own: Vec<Option<usize>>,
}

impl Ids {
    /// Defines every stat; only while the configuration is made.
    pub(crate) fn define(configuration: Configuration) -> Self {
        let define = |(kind, name): (MetricKind, &str)| configuration.define(kind, name);
        let own = OWN.iter().map(|name| (MetricKind::Counter, *name));
        Self { core: definitions().map(define).collect(), own: own.map(define).collect() }
    }

    /// The number of a stat.
    pub(crate) fn at(&self, place: u32) -> Option<usize> {
        self.core.get(place as usize).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stat_of_the_core_has_a_place() {
        assert!(definitions().count() <= PLACES);
        for (place, (_, name)) in definitions().enumerate() {
            assert_eq!(Stats::place(name), u32::try_from(place).ok());
        }
    }
}

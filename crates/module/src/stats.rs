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

/// The module's own counters, after the core's.
const OWN: [&str; 2] = ["gatelog.module.panics", "gatelog.module.passed"];

/// What is counted in this process.
pub(crate) static STATS: Stats = Stats {
    values: [const { AtomicI64::new(0) }; PLACES],
    panics: AtomicU64::new(0),
    passed: AtomicU64::new(0),
    told: [const { AtomicU64::new(0) }; OWN.len()],
};

/// Counts by the place of a definition.
pub(crate) struct Stats {
    /// What was counted since it was last told; of a gauge, its value.
    values: [AtomicI64; PLACES],
    panics: AtomicU64,
    passed: AtomicU64,
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

    /// Counts a panic that was caught.
    pub(crate) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Panics so far.
    #[cfg(test)]
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Counts an exchange that went by without ids and record.
    pub(crate) fn let_pass(&self) {
        self.passed.fetch_add(1, Ordering::Relaxed);
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
        for ((now, told), id) in [&self.panics, &self.passed].iter().zip(&self.told).zip(&ids.own) {
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

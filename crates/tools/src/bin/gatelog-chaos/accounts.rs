//! The collector's accounting: `GET /v1/accounting`, summed over all boots.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use gatelog_testkit::Collector;
use serde_json::Value;

/// A fictitious gateway: what a case posts in its name does not belong to the load and is not
/// counted.
pub(crate) const FLOOD: &str = "flood";

/// The terms of the accounting identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accounts {
    pub(crate) assigned: u64,
    pub(crate) stored: u64,
    pub(crate) spooled: u64,
    pub(crate) quarantined: u64,
    pub(crate) dropped: u64,
    pub(crate) queued: u64,
    pub(crate) missing: u64,
    /// As counted by the gateways; a replay may have delivered some of them since.
    pub(crate) dropped_by_reason: BTreeMap<String, u64>,
    /// Boots whose counts do not reconcile, as the collector reports them.
    pub(crate) unsound: Vec<String>,
}

impl Accounts {
    /// Reads the accounting of `collector`.
    pub(crate) async fn of(collector: &Collector) -> Result<Self> {
        let accounting = collector.accounting().await?;
        let boots = accounting.get("boots").and_then(Value::as_array);
        let mut sum = Self::default();
        for boot in boots.with_context(|| format!("no boots in {accounting}"))? {
            if boot.get("gateway").is_none_or(|gateway| gateway != FLOOD) {
                sum.add(boot);
            }
        }
        Ok(sum)
    }

    fn add(&mut self, boot: &Value) {
        let number = |name: &str| boot.get(name).and_then(Value::as_u64).unwrap_or(0);
        let terms = ["stored", "spooled", "quarantined", "dropped", "queued", "unknown", "missing"];
        if number("assigned") != terms.map(number).iter().sum::<u64>() {
            self.unsound.push(boot.to_string());
        }
        for (sum, name) in [
            (&mut self.assigned, "assigned"),
            (&mut self.stored, "stored"),
            (&mut self.spooled, "spooled"),
            (&mut self.quarantined, "quarantined"),
            (&mut self.dropped, "dropped"),
            (&mut self.queued, "queued"),
            (&mut self.missing, "missing"),
        ] {
            *sum += number(name);
        }
        let reasons = boot.get("dropped_by_reason").and_then(Value::as_object);
        for (reason, count) in reasons.into_iter().flatten() {
            let count = count.as_u64().unwrap_or(0);
            if count > 0 {
                *self.dropped_by_reason.entry(reason.clone()).or_default() += count;
            }
        }
    }

    /// Records in flight: they will progress without intervention.
    pub(crate) fn moving(&self) -> u64 {
        self.spooled + self.queued
    }
}

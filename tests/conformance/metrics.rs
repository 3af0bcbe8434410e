//! Metrics that can be looked up by name.

use std::collections::BTreeMap;
use std::sync::Mutex;

use proxy_wasm_host::abi::v0_2_1::types::{MetricType, Status};
use proxy_wasm_host::abi::v0_2_1::{InMemoryStore, Invocation, MetricId, SharedServices};

/// The host's own store, and the names it was given.
#[derive(Default)]
pub(crate) struct Metrics {
    store: InMemoryStore,
    named: Mutex<BTreeMap<Vec<u8>, MetricId>>,
}

impl Metrics {
    /// A counter or gauge of the filter, by its name after `gatelog.`.
    pub(crate) fn value(&self, call: Invocation, name: &str) -> u64 {
        let name = format!("gatelog.{name}");
        let metric = self.named.lock().unwrap().get(name.as_bytes()).copied();
        self.store.get_metric(call, metric.unwrap_or_else(|| panic!("no metric {name}"))).unwrap()
    }
}

impl SharedServices for Metrics {
    fn define_metric(
        &self,
        call: Invocation,
        vm_id: &[u8],
        kind: MetricType,
        name: &[u8],
    ) -> Result<MetricId, Status> {
        let metric = self.store.define_metric(call, vm_id, kind, name)?;
        self.named.lock().unwrap().insert(name.to_owned(), metric);
        Ok(metric)
    }

    fn record_metric(&self, call: Invocation, metric: MetricId, value: u64) -> Result<(), Status> {
        self.store.record_metric(call, metric, value)
    }

    fn increment_metric(
        &self,
        call: Invocation,
        metric: MetricId,
        delta: i64,
    ) -> Result<(), Status> {
        self.store.increment_metric(call, metric, delta)
    }
}

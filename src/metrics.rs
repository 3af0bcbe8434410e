//! The filter's own stats in Envoy: defined at startup, counted in the VM, reported at ticks.
//!
//! Envoy prefixes each name with `wasmcustom.` in `/stats`, and strips the prefix in
//! `/stats/prometheus`:
//!
//! ```text
//! gatelog_records_created_info{} 2
//! gatelog_records_delivered{} 4
//! gatelog_records_dropped_queue_full{} 0
//! gatelog_queue_bytes{} 0
//! gatelog_callouts_accepted{} 2
//! gatelog_callout_ms_bucket{le="5"} 2
//! ```

use crate::host::{Host, MetricKind};

macro_rules! metrics {
    ($($variant:ident $kind:ident $name:literal $doc:literal,)*) => {
        /// One stat.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Metric {
            $(#[doc = $doc] $variant,)*
        }

        const DEFINITIONS: &[(Metric, MetricKind, &str)] =
            &[$((Metric::$variant, MetricKind::$kind, concat!("gatelog.", $name)),)*];
    };
}

metrics! {
    CreatedDebug Counter "records_created.debug" "Records made, by level.",
    CreatedInfo Counter "records_created.info" "Records made, by level.",
    CreatedWarning Counter "records_created.warning" "Records made, by level.",
    CreatedError Counter "records_created.error" "Records made, by level.",
    CreatedCritical Counter "records_created.critical" "Records made, by level.",
    Delivered Counter "records_delivered" "Records that the collector acknowledged.",
    DroppedQueueFull Counter "records_dropped.queue_full" "Records shed at the queue's bound; the journal has them.",
    DroppedSampled Counter "records_dropped.sampled" "Records that another stands for.",
    DroppedRejected Counter "records_dropped.rejected" "Records that the collector refused for good.",
    DroppedTooLarge Counter "records_dropped.too_large" "Records past a bound in size.",
    Abandoned Counter "records_abandoned" "Records that a replaced configuration could not send in time; the journal has them.",
    Excluded Counter "requests_excluded" "Requests without a record: health checks, rules, below the level.",
    ValuesCut Counter "values_cut" "Values cut at their bound, and headers left out past theirs.",
    RecordsShortened Counter "records_shortened" "Records encoded without their open-ended parts, to keep their bound.",
    HostRefused Counter "host_refused" "Changes to headers or filter state that the proxy refused.",
    CalloutsAccepted Counter "callouts.accepted" "Batches answered with 2xx.",
    CalloutsRetried Counter "callouts.retried" "Batches that will be sent again.",
    CalloutsRejected Counter "callouts.rejected" "Batches refused for good.",
    CalloutsTooLarge Counter "callouts.too_large" "Batches answered with 413.",
    CalloutsUnsent Counter "callouts.unsent" "Batches that Envoy would not send: no cluster, no endpoint.",
    QueueBytes Gauge "queue_bytes" "Bytes that wait or are in flight, all workers.",
    QueueRecords Gauge "queue_records" "Records that wait or are in flight, all workers.",
    BatchRecords Histogram "batch_records" "Records of an acknowledged batch.",
    CalloutMs Histogram "callout_ms" "Time from sending a batch to its answer, in milliseconds.",
}

/// Kind and name of every stat.
pub fn definitions() -> impl Iterator<Item = (MetricKind, &'static str)> {
    DEFINITIONS.iter().map(|(_, kind, name)| (*kind, *name))
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    handle: Option<u32>,
    /// The count since the last report; for a gauge, its value.
    pending: u64,
    /// A gauge's value at the last report.
    handed_over: u64,
}

/// The stats of one worker.
#[derive(Debug)]
pub struct Metrics {
    slots: Vec<Slot>,
}

impl Metrics {
    /// Defines every stat.
    pub fn define(host: &dyn Host) -> Self {
        let slots = DEFINITIONS.iter().map(|(_, kind, name)| Slot {
            handle: host.define_metric(*kind, name),
            ..Slot::default()
        });
        Self { slots: slots.collect() }
    }

    /// Adds to a counter.
    pub fn count(&mut self, metric: Metric, more: u64) {
        if let Some(slot) = self.slots.get_mut(metric as usize) {
            slot.pending = slot.pending.saturating_add(more);
        }
    }

    /// Sets this worker's part of a gauge.
    pub fn set(&mut self, metric: Metric, value: usize) {
        if let Some(slot) = self.slots.get_mut(metric as usize) {
            slot.pending = value as u64;
        }
    }

    /// Records one value of a histogram, at once.
    pub fn record(&self, host: &dyn Host, metric: Metric, value: u64) {
        let slot = self.slots.get(metric as usize);
        if let Some(handle) = slot.and_then(|slot| slot.handle) {
            host.record_metric(handle, value);
        }
    }

    /// Reports the stats that changed. Workers share each gauge, so each adds its own difference.
    pub fn hand_over(&mut self, host: &dyn Host) {
        for (slot, (_, kind, _)) in self.slots.iter_mut().zip(DEFINITIONS) {
            let Some(handle) = slot.handle else { continue };
            let delta = match kind {
                MetricKind::Counter => signed(std::mem::take(&mut slot.pending)),
                MetricKind::Gauge => signed(slot.pending).saturating_sub(signed(slot.handed_over)),
                MetricKind::Histogram => 0,
            };
            if *kind == MetricKind::Gauge {
                slot.handed_over = slot.pending;
            }
            if delta != 0 {
                host.add_metric(handle, delta);
            }
        }
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

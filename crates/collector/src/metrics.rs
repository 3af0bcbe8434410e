//! Every metric of the collector. The comment above each is its line in `/metrics`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::accounting::{Statement, Unnumbered};
use crate::spool::{LetterCount, Parked, RollupCount, Waiting};
use crate::store::LogCollection;

/// All metrics, with the registry that renders them. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Kind {
    kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Code {
    code: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Collection {
    collection: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Origin {
    from: &'static str,
}

type Float = Gauge<f64, AtomicU64>;

struct Inner {
    registry: Registry,
    requests: Family<Code, Counter>,
    ack_seconds: Histogram,
    connections: Gauge,
    connections_refused: Counter,
    connections_failed: Counter,
    connections_idle: Counter,
    connections_evicted: Counter,
    accepted: Counter,
    quarantined: Family<Kind, Counter>,
    stored: Counter,
    duplicate: Counter,
    spool_bytes: Gauge,
    spool_limit: Gauge,
    spool_batches: Gauge,
    spool_records: Gauge,
    spool_oldest: Float,
    spool_writable: Gauge,
    spool_commit_seconds: Histogram,
    spool_moved_aside: Counter,
    spool_unreadable: Counter,
    letters: Gauge,
    letter_bytes: Gauge,
    letters_purged: Counter,
    parked: Family<Collection, Gauge>,
    mongodb_up: Gauge,
    mongodb_seconds: Histogram,
    mongodb_failures: Family<Kind, Counter>,
    boots: Gauge,
    boots_forgotten: Counter,
    accounted: Family<State, Gauge>,
    unnumbered: Family<State, Gauge>,
    tail_subscribers: Gauge,
    tail_records: Family<Outcome, Counter>,
    rollups: Gauge,
    rollup_bytes: Gauge,
    rollups_dropped: Counter,
    rollups_pushed: Counter,
    rollup_failures: Family<Kind, Counter>,
    erased: Family<Origin, Counter>,
    tombstones: Gauge,
    tombstones_known: Gauge,
}

/// What is measured when it is asked for.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// What waits in the spool.
    pub waiting: Waiting,
    /// What of it is parked, by the collection that it waits for.
    pub parked: Parked,
    /// The spool's bound, in bytes.
    pub spool_limit: u64,
    /// Age of the oldest row.
    pub oldest: Duration,
    /// Whether the spool accepts batches.
    pub writable: bool,
    /// The dead letters.
    pub letters: LetterCount,
    /// How many boots are accounted for.
    pub boots: usize,
    /// The sum of all boots' statements.
    pub accounted: Statement,
    /// Records that no account covers.
    pub unnumbered: Unnumbered,
    /// The rollups in the spool.
    pub rollups: RollupCount,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry with every metric at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("gatelog_collector");
        let mut add = Add { registry: &mut registry };
        let inner = Inner {
            // gatelog_collector_requests_total{code="202"} 17
            requests: add.metric("requests", "Posts to /v1/records and /v1/logs by status"),
            // gatelog_collector_ack_seconds_bucket{le="0.008"} 17
            ack_seconds: add.timer("ack", "Time from a batch's last byte to its acknowledgement"),
            // gatelog_collector_connections 3
            connections: add.metric("connections", "Open connections"),
            // gatelog_collector_connections_refused_total 0
            connections_refused: add.metric(
                "connections_refused",
                "Connections closed immediately: all others were busy",
            ),
            // gatelog_collector_connections_failed_total 0
            connections_failed: add.metric(
                "connections_failed",
                "Connections that ended in a TLS or protocol error",
            ),
            // gatelog_collector_connections_idle_total 4
            connections_idle: add
                .metric("connections_idle", "Connections closed: no request came in time"),
            // gatelog_collector_connections_evicted_total 0
            connections_evicted: add.metric(
                "connections_evicted",
                "Idle connections closed to make room for new ones",
            ),
            // gatelog_collector_records_accepted_total 4096
            accepted: add.metric("records_accepted", "Records made durable in the spool"),
            // gatelog_collector_records_quarantined_total{kind="not_json"} 1
            quarantined: add.metric("records_quarantined", "Records that became dead letters"),
            // gatelog_collector_records_stored_total 4096
            stored: add.metric("records_stored", "Records that MongoDB took"),
            // gatelog_collector_records_duplicate_total 0
            duplicate: add
                .metric("records_duplicate", "Records that MongoDB already had, by id"),
            // gatelog_collector_spool_bytes 262208
            spool_bytes: add.metric("spool_bytes", "Bytes waiting in the spool"),
            // gatelog_collector_spool_limit_bytes 1073741824
            spool_limit: add.metric("spool_limit_bytes", "The spool's bound"),
            // gatelog_collector_spool_batches 1
            spool_batches: add.metric("spool_batches", "Batches waiting in the spool"),
            // gatelog_collector_spool_records 340
            spool_records: add.metric("spool_records", "Records waiting in the spool"),
            // gatelog_collector_spool_oldest_seconds 0.35
            spool_oldest: add.metric("spool_oldest_seconds", "Age of the oldest waiting batch"),
            // gatelog_collector_spool_writable 1
            spool_writable: add.metric("spool_writable", "1 when batches can be acknowledged"),
            // gatelog_collector_spool_commit_seconds_bucket{le="0.004"} 17
            spool_commit_seconds: add.timer("spool_commit", "Time of one group commit"),
            // gatelog_collector_spool_moved_aside_total 0
            spool_moved_aside: add
                .metric("spool_moved_aside", "Corrupt spool files that were moved aside"),
            // gatelog_collector_spool_unreadable_total 0
            spool_unreadable: add.metric(
                "spool_unreadable",
                "Stretches of batches that the disk cannot read: they wait",
            ),
            // gatelog_collector_dead_letters 1
            letters: add.metric("dead_letters", "Dead letters in the spool"),
            // gatelog_collector_dead_letter_bytes 700
            letter_bytes: add.metric("dead_letter_bytes", "Bytes of the dead letters' lines"),
            // gatelog_collector_dead_letters_purged_total 0
            letters_purged: add
                .metric("dead_letters_purged", "Dead letters removed to keep their bound"),
            // gatelog_collector_parked_records{collection="audit_logs"} 0
            parked: add.metric(
                "parked_records",
                "Records in the spool that wait for one blocked collection while the others continue",
            ),
            // gatelog_collector_mongodb_up 1
            mongodb_up: add.metric(
                "mongodb_up",
                "1 while MongoDB accepts records: no insert is being refused, and it answers",
            ),
            // gatelog_collector_mongodb_insert_seconds_bucket{le="0.064"} 17
            mongodb_seconds: add.timer("mongodb_insert", "Time of one insert, all collections"),
            // gatelog_collector_mongodb_failures_total{kind="away"} 3
            mongodb_failures: add.metric(
                "mongodb_failures",
                "Inserts into a collection that failed and were retried, by kind",
            ),
            // gatelog_collector_boots 2
            boots: add.metric("boots", "Gateway boots with an account"),
            // gatelog_collector_boots_forgotten_total 0
            boots_forgotten: add.metric("boots_forgotten", "Accounts removed to keep their bound"),
            // gatelog_collector_accounted_records{state="missing"} 0
            accounted: add.metric("accounted_records", "Records of all known boots by state"),
            // gatelog_collector_unnumbered_records{state="accepted"} 12
            unnumbered: add.metric(
                "unnumbered_records",
                "Records without a sequence number, which no account covers, by what became of them",
            ),
            // gatelog_collector_tail_subscribers 1
            tail_subscribers: add.metric("tail_subscribers", "Live tails"),
            // gatelog_collector_tail_records_total{outcome="skipped"} 12
            tail_records: add.metric(
                "tail_records",
                "Records for live tails: sent, or skipped because one was too slow",
            ),
            // gatelog_collector_rollups 840
            rollups: add.metric("rollups", "Rollup values in the spool"),
            // gatelog_collector_rollup_bytes 151200
            rollup_bytes: add.metric("rollup_bytes", "Bytes of the rollup values in the spool"),
            // gatelog_collector_rollups_dropped_total 0
            rollups_dropped: add
                .metric("rollups_dropped", "Rollup values deleted to keep their bound"),
            // gatelog_collector_rollups_pushed_total 20160
            rollups_pushed: add
                .metric("rollups_pushed", "Rollup values written to MongoDB, each as often as it changed"),
            // gatelog_collector_rollup_failures_total{kind="denied"} 0
            rollup_failures: add.metric(
                "rollup_failures",
                "Attempts to write rollup values to MongoDB that failed, by kind",
            ),
            // gatelog_collector_records_erased_total{from="spool"} 3
            erased: add.metric(
                "records_erased",
                "Records that a tombstone covers: dropped instead of stored, or deleted from the dead letters",
            ),
            // gatelog_collector_tombstones 1
            tombstones: add.metric("tombstones", "Tombstones that inserts heed"),
            // gatelog_collector_tombstones_known 1
            tombstones_known: add
                .metric("tombstones_known", "1 while tombstones can be read; without, nothing is inserted"),
            registry: Registry::default(),
        };
        Self { inner: Arc::new(Inner { registry, ..inner }) }
    }

    /// One post was answered.
    pub fn request(&self, code: u16) {
        self.inner.requests.get_or_create(&Code { code }).inc();
    }

    /// Records were made durable.
    pub fn made_durable(&self, records: u64) {
        self.inner.accepted.inc_by(records);
    }

    /// A batch was acknowledged.
    pub fn acknowledged(&self, took: Duration) {
        self.inner.ack_seconds.observe(took.as_secs_f64());
    }

    /// A record was put to the dead letters.
    pub fn quarantined(&self, kind: &str) {
        self.inner.quarantined.get_or_create(&Kind { kind: kind.to_owned() }).inc();
    }

    /// A connection was opened; it counts until what this returns is dropped.
    pub fn connection(&self) -> OpenConnection {
        self.inner.connections.inc();
        OpenConnection { metrics: self.clone() }
    }

    /// A connection was closed immediately.
    pub fn connection_refused(&self) {
        self.inner.connections_refused.inc();
    }

    /// A connection ended in an error.
    pub fn connection_failed(&self) {
        self.inner.connections_failed.inc();
    }

    /// A connection was closed since no request came on it in time.
    pub fn connection_idle(&self) {
        self.inner.connections_idle.inc();
    }

    /// An idle connection was closed to make room for a new one.
    pub fn connection_evicted(&self) {
        self.inner.connections_evicted.inc();
    }

    /// How many live tails there are.
    pub fn tail_subscribers(&self, count: usize) {
        self.inner.tail_subscribers.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Records for a live tail were `sent` or `skipped`.
    pub fn tailed(&self, outcome: &'static str, records: u64) {
        self.inner.tail_records.get_or_create(&Outcome { outcome }).inc_by(records);
    }

    /// One insert was answered.
    pub fn inserted(&self, stored: usize, duplicate: usize, took: Duration) {
        self.inner.stored.inc_by(u64::try_from(stored).unwrap_or(0));
        self.inner.duplicate.inc_by(u64::try_from(duplicate).unwrap_or(0));
        self.inner.mongodb_seconds.observe(took.as_secs_f64());
    }

    /// One insert failed, in whole or in part, for a transient reason.
    pub fn insert_failed(&self, kind: &str) {
        self.inner.mongodb_failures.get_or_create(&Kind { kind: kind.to_owned() }).inc();
    }

    /// Whether MongoDB takes records: see [`Outage`](crate::outage::Outage).
    pub(crate) fn set_mongodb_up(&self, up: bool) {
        self.inner.mongodb_up.set(i64::from(up));
    }

    /// Whether MongoDB takes records.
    pub fn mongodb_up(&self) -> bool {
        self.inner.mongodb_up.get() == 1
    }

    /// A group was committed.
    pub fn spool_committed(&self, took: Duration, letters_purged: u64, boots_forgotten: usize) {
        self.inner.spool_commit_seconds.observe(took.as_secs_f64());
        self.inner.letters_purged.inc_by(letters_purged);
        self.inner.boots_forgotten.inc_by(u64::try_from(boots_forgotten).unwrap_or(0));
    }

    /// Rollup values were deleted to keep their bound.
    pub fn rollups_dropped(&self, values: u64) {
        self.inner.rollups_dropped.inc_by(values);
    }

    /// Rollup values were written to the database.
    pub fn rollups_pushed(&self, values: u64) {
        self.inner.rollups_pushed.inc_by(values);
    }

    /// Rollup values could not be written to the database.
    pub fn rollups_failed(&self, kind: &str) {
        self.inner.rollup_failures.get_or_create(&Kind { kind: kind.to_owned() }).inc();
    }

    /// Records of the spool were dropped, since a tombstone covers them.
    pub fn erased_from_spool(&self, records: usize) {
        self.erased("spool", records);
    }

    /// Dead letters were deleted, since a tombstone covers them.
    pub fn erased_from_letters(&self, letters: usize) {
        self.erased("dead_letters", letters);
    }

    fn erased(&self, from: &'static str, records: usize) {
        if records > 0 {
            let records = u64::try_from(records).unwrap_or(u64::MAX);
            self.inner.erased.get_or_create(&Origin { from }).inc_by(records);
        }
    }

    /// Whether tombstones can be read.
    pub fn tombstones_known(&self, known: bool) {
        self.inner.tombstones_known.set(i64::from(known));
    }

    /// Inserts heed this many tombstones.
    pub fn tombstones(&self, count: usize) {
        self.inner.tombstones.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Batches in the spool cannot be read.
    pub fn spool_unreadable(&self) {
        self.inner.spool_unreadable.inc();
    }

    /// Accounts were evicted to keep their bound.
    pub fn boots_forgotten(&self, boots: usize) {
        self.inner.boots_forgotten.inc_by(u64::try_from(boots).unwrap_or(0));
    }

    /// A corrupt spool file was moved aside.
    pub fn spool_moved_aside(&self) {
        self.inner.spool_moved_aside.inc();
    }

    /// The text for Prometheus.
    pub fn render(&self, snapshot: &Snapshot) -> String {
        let inner = &self.inner;
        let Snapshot { waiting, letters, accounted, .. } = snapshot;
        inner.spool_bytes.set(signed(waiting.bytes));
        inner.spool_limit.set(signed(snapshot.spool_limit));
        inner.spool_batches.set(signed(waiting.rows));
        inner.spool_records.set(signed(waiting.records));
        inner.spool_oldest.set(snapshot.oldest.as_secs_f64());
        inner.spool_writable.set(i64::from(snapshot.writable));
        for collection in LogCollection::ALL.map(LogCollection::as_str) {
            let records = snapshot.parked.get(collection).map_or(0, |waiting| waiting.records);
            inner.parked.get_or_create(&Collection { collection }).set(signed(records));
        }
        inner.letters.set(signed(letters.letters));
        inner.letter_bytes.set(signed(letters.bytes));
        inner.boots.set(i64::try_from(snapshot.boots).unwrap_or(i64::MAX));
        inner.rollups.set(signed(snapshot.rollups.rows));
        inner.rollup_bytes.set(signed(snapshot.rollups.bytes));
        for (state, count) in accounted.terms() {
            inner.accounted.get_or_create(&State { state }).set(signed(count));
        }
        for (state, count) in snapshot.unnumbered.terms() {
            inner.unnumbered.get_or_create(&State { state }).set(signed(count));
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &inner.registry);
        text
    }
}

/// An open connection, for the gauge.
pub struct OpenConnection {
    metrics: Metrics,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.metrics.inner.connections.dec();
    }
}

struct Add<'a> {
    registry: &'a mut Registry,
}

impl Add<'_> {
    fn metric<M: prometheus_client::registry::Metric + Clone + Default>(
        &mut self,
        name: &str,
        help: &str,
    ) -> M {
        let metric = M::default();
        self.registry.register(name, help, metric.clone());
        metric
    }

    /// Times from half a millisecond to a minute.
    fn timer(&mut self, name: &str, help: &str) -> Histogram {
        let metric = Histogram::new(exponential_buckets(0.000_5, 2.0, 17));
        self.registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
        metric
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_lines_come_out() {
        let metrics = Metrics::new();
        metrics.request(202);
        metrics.made_durable(3);
        metrics.acknowledged(Duration::from_millis(7));
        metrics.quarantined("not_json");
        let _open = metrics.connection();
        let text = metrics.render(&Snapshot { spool_limit: 1 << 30, ..Snapshot::default() });
        for line in [
            "gatelog_collector_requests_total{code=\"202\"} 1",
            "gatelog_collector_ack_seconds_bucket{le=\"0.008\"} 1",
            "gatelog_collector_connections 1",
            "gatelog_collector_records_accepted_total 3",
            "gatelog_collector_records_quarantined_total{kind=\"not_json\"} 1",
            "gatelog_collector_spool_limit_bytes 1073741824",
            "gatelog_collector_accounted_records{state=\"missing\"} 0",
            "gatelog_collector_unnumbered_records{state=\"accepted\"} 0",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} not in\n{text}");
        }
    }
}

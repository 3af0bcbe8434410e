//! Every metric of the console. The comment above each is its line in `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use gatelog_collector::http::server::CountConnections;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry, Unit};

/// All metrics, with the registry that renders them. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Asked {
    endpoint: &'static str,
    code: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Refused {
    kind: &'static str,
    bound: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

struct Inner {
    registry: Registry,
    requests: Family<Asked, Counter>,
    request_seconds: Histogram,
    refused: Family<Refused, Counter>,
    sign_ins: Family<Outcome, Counter>,
    sessions: Gauge,
    exported: Counter,
    tails: Gauge,
    tail_records: Family<Outcome, Counter>,
    tail_collectors_lost: Counter,
    views: Family<Outcome, Counter>,
    audit: Family<Outcome, Counter>,
    connections: Gauge,
    connections_ended: Family<Outcome, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry with every metric at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("gatelog_console");
        let request_seconds = Histogram::new(exponential_buckets(0.001, 2.0, 15));
        registry.register_with_unit(
            // gatelog_console_request_seconds_bucket{le="0.008"} 17
            "request",
            "Time from a request of the API to its answer",
            Unit::Seconds,
            request_seconds.clone(),
        );
        let mut add = Add { registry: &mut registry };
        let inner = Inner {
            // gatelog_console_requests_total{endpoint="search",code="200"} 17
            requests: add.metric("requests", "Requests of the API by endpoint and status"),
            request_seconds,
            // gatelog_console_refused_total{kind="query",bound="viewer"} 0
            refused: add.metric("refused", "Requests refused: too many of a kind at once"),
            // gatelog_console_sign_ins_total{outcome="refused"} 2
            sign_ins: add.metric("sign_ins", "Attempts to sign in by outcome"),
            // gatelog_console_sessions 3
            sessions: add.metric("sessions", "Open sessions"),
            // gatelog_console_records_exported_total 4096
            exported: add.metric("records_exported", "Records written by exports"),
            // gatelog_console_tails 2
            tails: add.metric("tails", "Open live tails"),
            // gatelog_console_tail_records_total{outcome="skipped"} 212
            tail_records: add
                .metric("tail_records", "Live records by what became of them, for each tail"),
            // gatelog_console_tail_collectors_lost_total 1
            tail_collectors_lost: add
                .metric("tail_collectors_lost", "Collectors lost or refusing, for each tail"),
            // gatelog_console_view_changes_total{outcome="saved"} 5
            // Outcomes: saved, shared, deleted, invalid, full_viewer, full_shared, full_all.
            views: add.metric("view_changes", "Changes of saved views by what became of them"),
            // gatelog_console_audit_records_total{outcome="dropped"} 0
            audit: add.metric("audit_records", "Audit records by what became of them"),
            // gatelog_console_connections 3
            connections: add.metric("connections", "Open connections"),
            // gatelog_console_connections_ended_total{outcome="idle"} 4
            connections_ended: add
                .metric("connections_ended", "Connections closed by the console, by reason"),
            registry,
        };
        Self { inner: Arc::new(inner) }
    }

    /// A request of the API was answered.
    pub(crate) fn answered(&self, endpoint: &'static str, code: u16, took: Duration) {
        self.inner.requests.get_or_create(&Asked { endpoint, code }).inc();
        self.inner.request_seconds.observe(took.as_secs_f64());
    }

    /// A request was refused: too many of this kind at once, in all or of one viewer.
    pub(crate) fn turn_refused(&self, kind: &'static str, bound: &'static str) {
        self.inner.refused.get_or_create(&Refused { kind, bound }).inc();
    }

    /// Somebody tried to sign in.
    pub(crate) fn sign_in(&self, outcome: &'static str) {
        self.inner.sign_ins.get_or_create(&Outcome { outcome }).inc();
    }

    /// An export wrote these records.
    pub(crate) fn exported(&self, records: usize) {
        self.inner.exported.inc_by(u64::try_from(records).unwrap_or(u64::MAX));
    }

    /// A tail is open, until what is returned is dropped.
    pub(crate) fn tail_opened(&self) -> OpenTail {
        self.inner.tails.inc();
        OpenTail { metrics: self.clone() }
    }

    /// Something became of these records for one tail.
    pub(crate) fn tailed(&self, outcome: &'static str, records: u64) {
        self.inner.tail_records.get_or_create(&Outcome { outcome }).inc_by(records);
    }

    /// A tail lost a collector.
    pub(crate) fn tail_lost(&self) {
        self.inner.tail_collectors_lost.inc();
    }

    /// Something became of a change of a saved view.
    pub(crate) fn views(&self, outcome: &'static str) {
        self.inner.views.get_or_create(&Outcome { outcome }).inc();
    }

    /// Something became of these audit records.
    pub(crate) fn audited(&self, outcome: &'static str, records: usize) {
        let records = u64::try_from(records).unwrap_or(u64::MAX);
        self.inner.audit.get_or_create(&Outcome { outcome }).inc_by(records);
    }

    /// All of it as text, in the format of `OpenMetrics`.
    pub(crate) fn render(&self, sessions: usize) -> String {
        self.inner.sessions.set(i64::try_from(sessions).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.inner.registry);
        text
    }

    fn ended(&self, outcome: &'static str) {
        self.inner.connections_ended.get_or_create(&Outcome { outcome }).inc();
    }
}

impl CountConnections for Metrics {
    type Open = OpenConnection;

    fn opened(&self) -> OpenConnection {
        self.inner.connections.inc();
        OpenConnection { metrics: self.clone() }
    }

    fn refused(&self) {
        self.ended("refused");
    }

    fn failed(&self) {
        self.ended("failed");
    }

    fn idle(&self) {
        self.ended("idle");
    }

    fn evicted(&self) {
        self.ended("evicted");
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

/// An open tail, for the gauge.
pub(crate) struct OpenTail {
    metrics: Metrics,
}

impl Drop for OpenTail {
    fn drop(&mut self) {
        self.metrics.inner.tails.dec();
    }
}

struct Add<'a> {
    registry: &'a mut Registry,
}

impl Add<'_> {
    fn metric<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.registry.register(name, help, metric.clone());
        metric
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_lines_come_out() {
        let metrics = Metrics::new();
        metrics.answered("search", 200, Duration::from_millis(7));
        metrics.sign_in("refused");
        metrics.audited("dropped", 2);
        metrics.exported(4_096);
        metrics.turn_refused("query", "viewer");
        metrics.tailed("skipped", 212);
        metrics.tail_lost();
        metrics.views("saved");
        let _tail = metrics.tail_opened();
        metrics.idle();
        let _open = metrics.opened();
        let text = metrics.render(3);
        for line in [
            "gatelog_console_requests_total{endpoint=\"search\",code=\"200\"} 1",
            "gatelog_console_request_seconds_bucket{le=\"0.008\"} 1",
            "gatelog_console_refused_total{kind=\"query\",bound=\"viewer\"} 1",
            "gatelog_console_tails 1",
            "gatelog_console_tail_records_total{outcome=\"skipped\"} 212",
            "gatelog_console_tail_collectors_lost_total 1",
            "gatelog_console_view_changes_total{outcome=\"saved\"} 1",
            "gatelog_console_sign_ins_total{outcome=\"refused\"} 1",
            "gatelog_console_sessions 3",
            "gatelog_console_records_exported_total 4096",
            "gatelog_console_audit_records_total{outcome=\"dropped\"} 2",
            "gatelog_console_connections 1",
            "gatelog_console_connections_ended_total{outcome=\"idle\"} 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}

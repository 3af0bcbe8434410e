//! Sends queued records to the collector until they are acknowledged.
//!
//! - A batch leaves the queue only when the collector has answered 2xx.
//! - After an answer that says nothing about the records (none, 5xx, 429, a rejected credential, a wrong
//!   path) the batch is retried with backoff; after a failure one batch at a time until one succeeds.
//! - 413 halves the batch. A single record that is too large is dropped, and so is a batch that was
//!   permanently rejected. Both are counted.
//! - Nothing is sent from a stream's context, and nothing here can delay a request.

use gatelog_delivery::answer::{Disposition, grown};
use gatelog_delivery::backoff::Backoff;
use gatelog_delivery::queue::{Entry, Queue};
use gatelog_record::{BatchHeader, DropReason, Dropped, Uuid};

use crate::config::Delivery;
use crate::host::{Callout, HeaderMap, Host, Refused, Severity};
use crate::metrics::{Metric, Metrics};

/// How long to wait past the timeout in case the proxy never reports an answer.
const ANSWER_GRACE_NS: u64 = 30_000_000_000;

/// How often changed totals are reported while no record waits.
const REPORT_INTERVAL_NS: u64 = 10_000_000_000;

/// Minimum interval between log lines about delivery problems.
const WARNING_INTERVAL_NS: u64 = 60_000_000_000;

/// The identity of the sender.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The gateway's name.
    pub gateway: String,
    /// The boot: one lifetime of the root context.
    pub boot: Uuid,
}

/// The counters of a header: `assigned`, everything dropped, `sampled`.
type Totals = (u64, u64, u64);

#[derive(Debug)]
struct InFlight {
    token: u32,
    sent_ns: u64,
    entries: Vec<Entry>,
    /// The totals that it reported.
    reported: Totals,
}

/// When something is sent, and what jitters the wait after a failure.
#[derive(Clone, Copy, Debug)]
struct Moment {
    now_ns: u64,
    random: u32,
}

/// The queue of one worker and its delivery to the collector.
#[derive(Debug)]
pub struct Outbox {
    policy: Delivery,
    sender: Sender,
    bearer: Option<String>,
    queue: Queue,
    in_flight: Vec<InFlight>,
    /// Slow start: one batch at a time after a failure, doubling with each success.
    allowed_in_flight: usize,
    /// Halved by each 413, raised by an eighth with each success: a collector with a fixed limit is not
    /// sent twice that limit over and over.
    batch_bytes: usize,
    batch_records: usize,
    backoff: Backoff,
    assigned: u64,
    dropped: Dropped,
    /// Requests that sampling left out; they have no `seq`.
    sampled: u64,
    /// The totals that the collector acknowledged last, and when they were last sent.
    acknowledged: Totals,
    reported_ns: u64,
    warned_ns: Option<u64>,
    body: Vec<u8>,
}

impl Outbox {
    /// An empty one.
    pub fn new(policy: Delivery, sender: Sender) -> Self {
        Self {
            bearer: policy.token.as_ref().map(|token| format!("Bearer {token}")),
            queue: Queue::new(policy.queue_max_bytes),
            in_flight: Vec::new(),
            allowed_in_flight: policy.max_in_flight,
            batch_bytes: policy.batch_max_bytes,
            batch_records: policy.batch_max_records,
            backoff: Backoff::new(policy.retry_initial_ns, policy.retry_max_ns),
            assigned: 0,
            dropped: Dropped::default(),
            sampled: 0,
            acknowledged: Totals::default(),
            reported_ns: 0,
            warned_ns: None,
            body: Vec::new(),
            policy,
            sender,
        }
    }

    /// Counts a record and returns its `seq`.
    pub fn assign(&mut self) -> u64 {
        self.assigned = self.assigned.saturating_add(1);
        self.assigned
    }

    /// Takes note that another thread has given a `seq` to records up to this one.
    pub fn note_assigned(&mut self, up_to: u64) {
        self.assigned = self.assigned.max(up_to);
    }

    /// Counts requests that sampling left out.
    pub fn note_sampled(&mut self, requests: u64) {
        self.sampled = self.sampled.saturating_add(requests);
    }

    /// Counts dropped records.
    pub fn note_dropped(&mut self, reason: DropReason, records: u64, metrics: &mut Metrics) {
        if records > 0 {
            self.dropped.add(reason, records);
            metrics.count(dropped_metric(reason), records);
        }
    }

    /// Queues a record. At the bound, records are dropped and counted.
    pub fn push(&mut self, entry: Entry, metrics: &mut Metrics) {
        let shed = self.queue.push(entry);
        self.note_dropped(DropReason::QueueFull, shed, metrics);
    }

    /// Whether nothing waits and nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.queue.records() == 0 && self.in_flight.is_empty()
    }

    /// Records that wait or are in flight.
    pub fn records(&self) -> usize {
        self.queue.records()
    }

    /// How many records were given a `seq`.
    pub fn assigned(&self) -> u64 {
        self.assigned
    }

    /// Bytes of the records that wait or are in flight.
    pub fn bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// Sends one batch of waiting records, or `all` that may be sent now. Called by the root context's
    /// tick.
    ///
    /// Building several batches in a row would delay the worker's requests: each takes about
    /// 200 µs. A backlog drains with the answers, plus one more batch in flight per tick.
    pub fn flush(
        &mut self,
        host: &dyn Host,
        now_ns: u64,
        random: u32,
        all: bool,
        metrics: &mut Metrics,
    ) {
        self.give_up_on_lost_answers(host, now_ns, random, metrics);
        let at_most = if all { self.policy.max_in_flight } else { 1 };
        self.send(host, Moment { now_ns, random }, 1, at_most, metrics);
        if self.report_is_due(now_ns) {
            self.send_batch(Vec::new(), host, now_ns, random, metrics);
        }
    }

    /// Requeues everything in flight: no answers will come any more. Records that did arrive are
    /// sent twice and stored once.
    pub fn recall(&mut self) {
        for batch in std::mem::take(&mut self.in_flight) {
            self.queue.give_back(batch.entries);
        }
    }

    /// Handles the answer to a callout by its token; an unknown token is ignored.
    pub fn answered(
        &mut self,
        host: &dyn Host,
        token: u32,
        now_ns: u64,
        random: u32,
        metrics: &mut Metrics,
    ) {
        let Some(index) = self.in_flight.iter().position(|batch| batch.token == token) else {
            return;
        };
        let batch = self.in_flight.swap_remove(index);
        let status =
            host.header(HeaderMap::Callout, ":status").and_then(|value| parse_number(&value));
        let milliseconds = now_ns.saturating_sub(batch.sent_ns) / 1_000_000;
        metrics.record(host, Metric::CalloutMs, milliseconds);
        match Disposition::of(status) {
            Disposition::Accepted => self.accepted(host, &batch, metrics),
            Disposition::TooLarge => {
                // The halves wait for the tick: a collector that answers 413 to everything must
                // not be flooded with ever smaller batches.
                return self.too_large(host, batch, now_ns, metrics);
            }
            Disposition::Rejected => self.rejected(host, &batch, status, now_ns, metrics),
            Disposition::Retry => {
                let seconds = host
                    .header(HeaderMap::Callout, "retry-after")
                    .and_then(|value| parse_number(&value));
                let at_least = seconds.unwrap_or(0).saturating_mul(1_000_000_000);
                metrics.count(Metric::CalloutsRetried, 1);
                self.retry(batch, now_ns, at_least, random);
                let what = status.map_or_else(
                    || "the collector did not answer".to_owned(),
                    |status| format!("the collector answered with status {status}"),
                );
                self.warn(host, now_ns, &what);
                return;
            }
        }
        // A backlog does not wait for the next tick.
        self.send(host, Moment { now_ns, random }, self.batch_bytes, 1, metrics);
    }

    /// Sends up to `at_most` batches while the bounds allow it and `at_least` bytes wait.
    fn send(
        &mut self,
        host: &dyn Host,
        moment: Moment,
        at_least: usize,
        at_most: usize,
        metrics: &mut Metrics,
    ) {
        let Moment { now_ns, random } = moment;
        let mut left = at_most;
        while left > 0
            && self.backoff.ready(now_ns)
            && self.in_flight.len() < self.allowed_in_flight
            && self.queue.waiting_bytes() >= at_least.max(1)
        {
            let entries = self.queue.take(self.batch_bytes, self.batch_records);
            if !self.send_batch(entries, host, now_ns, random, metrics) {
                return;
            }
            left = left.saturating_sub(1);
        }
    }

    fn send_batch(
        &mut self,
        entries: Vec<Entry>,
        host: &dyn Host,
        now_ns: u64,
        random: u32,
        metrics: &mut Metrics,
    ) -> bool {
        let waiting = self.queue.records().saturating_sub(entries.len());
        let header = BatchHeader {
            gateway: self.sender.gateway.clone(),
            boot: self.sender.boot,
            assigned: self.assigned,
            queued: waiting as u64,
            dropped: self.dropped.clone(),
            sampled: self.sampled,
        };
        self.body.clear();
        header.encode(&mut self.body);
        for entry in &entries {
            self.body.extend_from_slice(&entry.line);
            self.body.push(b'\n');
        }
        let sent = self.dispatch(host);
        // Keep one batch's worth of buffer for the next batch; free a larger one.
        self.body.shrink_to(self.policy.batch_max_bytes);
        let reported = self.totals();
        self.reported_ns = now_ns;
        match sent {
            Ok(token) => {
                self.in_flight.push(InFlight { token, sent_ns: now_ns, entries, reported });
                true
            }
            Err(refused) => {
                metrics.count(Metric::CalloutsUnsent, 1);
                self.retry(
                    InFlight { token: 0, sent_ns: now_ns, entries, reported },
                    now_ns,
                    0,
                    random,
                );
                let what = match refused {
                    Refused::BadArgument => "Envoy has no such cluster".to_owned(),
                    Refused::Unavailable => "the cluster has no endpoint".to_owned(),
                    Refused::Other(status) => {
                        format!("Envoy refused the callout with status {status}")
                    }
                };
                self.warn(host, now_ns, &what);
                false
            }
        }
    }

    fn dispatch(&self, host: &dyn Host) -> Result<u32, Refused> {
        let mut headers = vec![
            (":method", "POST"),
            (":path", self.policy.path.as_str()),
            (":authority", self.policy.authority.as_str()),
            ("content-type", "application/x-ndjson"),
        ];
        headers.extend(self.bearer.as_deref().map(|bearer| ("authorization", bearer)));
        host.dispatch(&Callout {
            cluster: &self.policy.cluster,
            headers: &headers,
            body: &self.body,
            timeout_ms: self.policy.timeout_ns / 1_000_000,
        })
    }

    fn accepted(&mut self, host: &dyn Host, batch: &InFlight, metrics: &mut Metrics) {
        self.queue.settle(&batch.entries);
        self.acknowledged = self.acknowledged.max(batch.reported);
        metrics.count(Metric::CalloutsAccepted, 1);
        metrics.count(Metric::Delivered, batch.entries.len() as u64);
        metrics.record(host, Metric::BatchRecords, batch.entries.len() as u64);
        if self.backoff.failures() > 0 {
            host.log(Severity::Info, "gatelog: the collector accepts batches again");
            self.warned_ns = None;
        }
        self.backoff.succeeded();
        self.allowed_in_flight =
            self.allowed_in_flight.saturating_mul(2).min(self.policy.max_in_flight);
        self.batch_bytes = grown(self.batch_bytes).min(self.policy.batch_max_bytes);
        self.batch_records = grown(self.batch_records).min(self.policy.batch_max_records);
    }

    fn too_large(&mut self, host: &dyn Host, batch: InFlight, now_ns: u64, metrics: &mut Metrics) {
        metrics.count(Metric::CalloutsTooLarge, 1);
        match batch.entries.len() {
            0 => self.warn(
                host,
                now_ns,
                "the collector answered with status 413 to a report without records",
            ),
            1 => {
                self.queue.settle(&batch.entries);
                self.note_dropped(DropReason::TooLarge, 1, metrics);
                self.warn(
                    host,
                    now_ns,
                    "a single record was too large for the collector and was dropped",
                );
            }
            records => {
                let lines = batch.entries.iter().map(|entry| entry.line.len());
                self.batch_records = (records / 2).max(1);
                self.batch_bytes = (lines.fold(0, usize::saturating_add) / 2).max(1);
                self.queue.give_back(batch.entries);
            }
        }
    }

    fn rejected(
        &mut self,
        host: &dyn Host,
        batch: &InFlight,
        status: Option<u64>,
        now_ns: u64,
        metrics: &mut Metrics,
    ) {
        self.queue.settle(&batch.entries);
        let records = batch.entries.len() as u64;
        metrics.count(Metric::CalloutsRejected, 1);
        self.note_dropped(DropReason::Rejected, records, metrics);
        let status = status.unwrap_or(0);
        let what = match records {
            0 => format!("the collector refused a report without records with status {status}"),
            _ => format!(
                "the collector refused a batch with status {status}, {records} records dropped"
            ),
        };
        self.warn(host, now_ns, &what);
    }

    /// Requeues a batch's records and backs off.
    fn retry(&mut self, batch: InFlight, now_ns: u64, at_least_ns: u64, random: u32) {
        self.queue.give_back(batch.entries);
        self.backoff.failed(now_ns, at_least_ns, random);
        self.allowed_in_flight = 1;
    }

    fn give_up_on_lost_answers(
        &mut self,
        host: &dyn Host,
        now_ns: u64,
        random: u32,
        metrics: &mut Metrics,
    ) {
        let patience = self.policy.timeout_ns.saturating_add(ANSWER_GRACE_NS);
        while let Some(index) =
            self.in_flight.iter().position(|batch| now_ns.saturating_sub(batch.sent_ns) > patience)
        {
            let batch = self.in_flight.swap_remove(index);
            metrics.count(Metric::CalloutsRetried, 1);
            self.retry(batch, now_ns, 0, random);
            self.warn(host, now_ns, "Envoy never reported the result of a callout");
        }
    }

    fn totals(&self) -> Totals {
        (self.assigned, self.dropped.total(), self.sampled)
    }

    fn report_is_due(&self, now_ns: u64) -> bool {
        self.totals() != self.acknowledged
            && self.is_empty()
            && self.backoff.ready(now_ns)
            && now_ns.saturating_sub(self.reported_ns) >= REPORT_INTERVAL_NS
    }

    fn warn(&mut self, host: &dyn Host, now_ns: u64, what: &str) {
        let due = self.warned_ns.is_none_or(|at| now_ns.saturating_sub(at) >= WARNING_INTERVAL_NS);
        if due {
            self.warned_ns = Some(now_ns);
            let (cluster, waiting) = (&self.policy.cluster, self.queue.records());
            let shed = self.dropped.get(DropReason::QueueFull);
            host.log(
                Severity::Warn,
                &format!("gatelog: cluster \"{cluster}\": {what}; {waiting} records waiting, {shed} shed so far"),
            );
        }
    }
}

fn parse_number(value: &[u8]) -> Option<u64> {
    str::from_utf8(value.trim_ascii()).ok()?.parse().ok()
}

fn dropped_metric(reason: DropReason) -> Metric {
    match reason {
        DropReason::QueueFull => Metric::DroppedQueueFull,
        DropReason::Rejected => Metric::DroppedRejected,
        DropReason::TooLarge => Metric::DroppedTooLarge,
    }
}

#[cfg(test)]
mod tests;

//! The thread that sends batches to the collector, on a runtime of its own: a service needs none, and
//! whatever the collector does happens here alone.
//!
//! - A batch leaves the queue only when the collector has answered 2xx; anything that says nothing about
//!   the records (no answer, 5xx, 429, a refused token) is tried again with backoff.
//! - 413 halves the batch. A single record that is too large is dropped, and so is a batch that was
//!   refused for good; both are counted, and reported in the next header.
//! - Nothing that happens here is logged through `tracing`: standard error has a line a minute at most.

use std::io::Write;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use gatelog_delivery::answer::{Disposition, grown};
use gatelog_delivery::backoff::Backoff;
use gatelog_delivery::client::{Client, Target};
use gatelog_delivery::queue::Entry;
use gatelog_record::Uuid;
use hyper::Method;
use hyper::body::Bytes;
use tokio::time::timeout;

use crate::counters::{Counters, count};
use crate::outbox::{BATCH_BYTES, Outbox};

/// Where batches go.
const PATH: &str = "/v1/records";
/// How long records are collected for a batch.
const FLUSH_INTERVAL: Duration = Duration::from_millis(200);
/// How long an answer may take, connecting included.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Half of what a collector accepts in one batch by default.
const BATCH_RECORDS: usize = 5_000;
const RETRY_INITIAL: Duration = Duration::from_millis(200);
/// The longest wait between attempts, and the longest `Retry-After` that is honoured.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// How often changed totals are reported while no record waits.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// How often a problem is written to standard error.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// Assigned and dropped: what a header reports.
type Totals = (u64, u64);

pub(crate) struct Sender {
    pub(crate) client: Client,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) service: String,
    pub(crate) boot: Uuid,
    pub(crate) counters: Counters,
    began: Instant,
    backoff: Backoff,
    batch_bytes: usize,
    batch_records: usize,
    /// What the collector has acknowledged, and when something was last sent.
    acknowledged: Totals,
    reported: Instant,
    warned: Option<Instant>,
    hastened: bool,
}

impl Sender {
    /// A sender to this collector.
    ///
    /// # Errors
    ///
    /// What is wrong with the target.
    pub(crate) fn new(
        target: &Target,
        outbox: Arc<Outbox>,
        service: String,
        boot: Uuid,
        counters: Counters,
    ) -> Result<Self, String> {
        let now = Instant::now();
        let nanos = |wait: Duration| u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        Ok(Self {
            client: Client::new(target)?,
            outbox,
            service,
            boot,
            counters,
            began: now,
            backoff: Backoff::new(nanos(RETRY_INITIAL), nanos(RETRY_MAX)),
            batch_bytes: BATCH_BYTES,
            batch_records: BATCH_RECORDS,
            acknowledged: Totals::default(),
            reported: now,
            warned: None,
            hastened: false,
        })
    }

    /// Starts the thread.
    pub(crate) fn start(self) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let outbox = Arc::clone(&self.outbox);
        thread::Builder::new().name("gatelog-sender".into()).spawn(move || {
            // However it ends: whoever waits for it is told.
            let _ended = Ended(outbox);
            // What the HTTP client says about sending must not be sent.
            let silent = tracing::subscriber::NoSubscriber::new();
            let _silence = tracing::subscriber::set_default(silent);
            runtime.block_on(self.run());
        })?;
        Ok(())
    }

    async fn run(mut self) {
        loop {
            let standing = self.outbox.standing();
            let now = Instant::now();
            if standing.closing.is_some() && !mem::replace(&mut self.hastened, true) {
                // The last chance does not wait for the end of an earlier failure's backoff.
                self.backoff.succeeded();
            }
            let backoff = Duration::from_nanos(self.backoff.wait_ns(self.nanos(now)));
            if let Some(deadline) = standing.closing {
                let done = standing.waiting_records == 0 && !self.has_news();
                if done || now >= deadline {
                    return;
                }
                if backoff.is_zero() {
                    self.send(Some(deadline)).await;
                } else {
                    tokio::time::sleep(backoff.min(deadline.saturating_duration_since(now))).await;
                }
                continue;
            }
            let full = standing.waiting_bytes >= self.batch_bytes || standing.hurry;
            if !backoff.is_zero() {
                self.pause(backoff).await;
            } else if standing.waiting_records > 0 {
                if !full {
                    self.pause(FLUSH_INTERVAL).await;
                }
                self.send(None).await;
            } else if self.has_news() && now.duration_since(self.reported) >= REPORT_INTERVAL {
                self.send(None).await;
            } else {
                self.pause(REPORT_INTERVAL).await;
            }
        }
    }

    /// Waits for something to change, this long at most.
    async fn pause(&self, longest: Duration) {
        let _ = timeout(longest, self.outbox.wake.notified()).await;
    }

    /// Whether the collector has not heard the latest totals.
    fn has_news(&self) -> bool {
        let counts = self.counters.read();
        (counts.records, self.counters.0.dropped().total()) != self.acknowledged
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }

    async fn send(&mut self, deadline: Option<Instant>) {
        let (header, entries) =
            self.outbox.take(&self.service, self.boot, self.batch_bytes, self.batch_records);
        let totals = (header.assigned, header.dropped.total());
        let mut body = Vec::new();
        header.encode(&mut body);
        for entry in &entries {
            body.extend_from_slice(&entry.line);
            body.push(b'\n');
        }
        self.reported = Instant::now();
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        let longest = left.map_or(ANSWER_TIME, |left| left.min(ANSWER_TIME));
        let asked = self.client.ask(Method::POST, PATH, Some(Bytes::from(body)));
        let answer = match timeout(longest, asked).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {longest:?}")),
        };
        let status = answer.as_ref().ok().map(|answer| answer.status.as_u16());
        match Disposition::of(status.map(u64::from)) {
            Disposition::Accepted => self.accepted(&entries, totals),
            Disposition::TooLarge => self.too_large(entries, totals),
            Disposition::Rejected => self.rejected(&entries, status, totals),
            Disposition::Retry => {
                let (at_least, what) = match answer {
                    Ok(answer) => {
                        (answer.retry_after, format!("status {}", answer.status.as_u16()))
                    }
                    Err(error) => (None, error),
                };
                self.retry(entries, at_least.unwrap_or_default(), &what);
            }
        }
    }

    fn accepted(&mut self, entries: &[Entry], totals: Totals) {
        count(&self.counters.0.delivered, entries.len() as u64);
        self.acknowledged = totals;
        self.outbox.settle(entries);
        if self.backoff.failures() > 0 && self.warned.take().is_some() {
            say(format_args!("the collector accepts batches again"));
        }
        self.backoff.succeeded();
        self.batch_bytes = grown(self.batch_bytes).min(BATCH_BYTES);
        self.batch_records = grown(self.batch_records).min(BATCH_RECORDS);
    }

    fn too_large(&mut self, entries: Vec<Entry>, totals: Totals) {
        match entries.len() {
            // A report that is refused is not repeated until there is something new.
            0 => self.acknowledged = totals,
            1 => {
                count(&self.counters.0.too_large, 1);
                self.outbox.settle(&entries);
                self.warn("a single record was too large for the collector");
            }
            // Halving ends with a single record soon; nothing is gained by waiting.
            records => {
                let bytes = entries.iter().map(|entry| entry.line.len());
                self.batch_bytes = (bytes.fold(0, usize::saturating_add) / 2).max(1);
                self.batch_records = (records / 2).max(1);
                return self.outbox.give_back(entries);
            }
        }
        // A collector that answers 413 to everything must not be flooded with single records.
        self.wait(Duration::ZERO);
    }

    fn rejected(&mut self, entries: &[Entry], status: Option<u16>, totals: Totals) {
        if entries.is_empty() {
            self.acknowledged = totals;
        }
        count(&self.counters.0.rejected, entries.len() as u64);
        self.outbox.settle(entries);
        let status = status.unwrap_or_default();
        self.warn(&format!("a batch was refused with status {status}, its records are dropped"));
        self.wait(Duration::ZERO);
    }

    fn retry(&mut self, entries: Vec<Entry>, at_least: Duration, what: &str) {
        count(&self.counters.0.retried, 1);
        self.outbox.give_back(entries);
        self.wait(at_least);
        self.warn(what);
    }

    fn wait(&mut self, at_least: Duration) {
        let at_least = u64::try_from(at_least.as_nanos()).unwrap_or(u64::MAX);
        let now = self.nanos(Instant::now());
        let [.., a, b, c, d] = *Uuid::now_v7().as_bytes();
        self.backoff.failed(now, at_least, u32::from_le_bytes([a, b, c, d]));
    }

    fn warn(&mut self, what: &str) {
        let due = self.warned.is_none_or(|at| at.elapsed() >= WARNING_INTERVAL);
        if due {
            self.warned = Some(Instant::now());
            let waiting = self.outbox.standing().waiting_records;
            let dropped = self.counters.0.dropped().total();
            let url = self.client.url();
            say(format_args!(
                "collector \"{url}\": {what}; {waiting} records waiting, {dropped} dropped so far"
            ));
        }
    }
}

/// Writes a line to standard error, which may be closed.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "gatelog-tracing: {line}");
}

/// Ends the outbox with the thread.
struct Ended(Arc<Outbox>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end();
    }
}

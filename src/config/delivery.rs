//! Reads the configuration of delivery.

use std::time::Duration;

use gatelog_delivery::queue::ENTRY_OVERHEAD;
use gatelog_record::units::show_duration;

use super::section::Section;
use super::{HOUR, MILLISECOND, SECOND};

/// How batches are sent. Times are in nanoseconds, sizes in bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Envoy's cluster of collectors.
    pub cluster: String,
    /// The `:authority` of the callout.
    pub authority: String,
    /// The `:path` of the callout.
    pub path: String,
    /// Sent as `authorization: Bearer …`.
    pub token: Option<String>,
    /// The tick's period.
    pub flush_interval_ns: u64,
    /// How long an answer may take.
    pub timeout_ns: u64,
    /// Maximum bytes of a batch's records.
    pub batch_max_bytes: usize,
    /// Maximum records of a batch.
    pub batch_max_records: usize,
    /// Maximum bytes of one worker's queue, records in flight included.
    pub queue_max_bytes: usize,
    /// Maximum batches in flight at once.
    pub max_in_flight: usize,
    /// The first wait after a failure.
    pub retry_initial_ns: u64,
    /// The longest wait between attempts, and the longest `Retry-After` that is honoured.
    pub retry_max_ns: u64,
    /// How long a replaced configuration may keep sending its queue.
    pub drain_timeout_ns: u64,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Leave out the token.
        f.debug_struct("Delivery")
            .field("cluster", &self.cluster)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

// Each default is next to its reason.
/// A record is in the collector within a quarter of a second; five callouts a second at most
/// while there is little to send.
const FLUSH_INTERVAL: u64 = 200 * MILLISECOND;
/// Ten times what a healthy collector takes under load.
const TIMEOUT: u64 = 2 * SECOND;
/// Some 300 records: far past where a callout's own cost matters.
const BATCH_BYTES: u64 = 256 * 1024;
/// What a collector accepts in one batch by default.
const BATCH_RECORDS: u64 = 5_000;
/// Some 10,000 records: a collector's restart at a thousand requests a second and worker.
const QUEUE_BYTES: u64 = 8 * 1024 * 1024;
/// Enough to hide the collector's fsync behind the next batch.
const IN_FLIGHT: u64 = 4;
const RETRY_INITIAL: u64 = 200 * MILLISECOND;
const RETRY_MAX: u64 = 10 * SECOND;
/// Within Envoy's customary grace for a replaced listener.
const DRAIN_TIMEOUT: u64 = 30 * SECOND;

const VISIBLE: &str = "be printable ASCII without spaces";

/// Whether the text may be used in a header of the callout unchanged.
fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `None` when `enabled` is false. `record_max_bytes` is the maximum size of one record.
pub(super) fn delivery(section: &Section<'_>, record_max_bytes: usize) -> Option<Delivery> {
    let enabled = section.bool("enabled", true);
    let retry = section.section("retry");
    let bytes = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let cluster = section.string_or("cluster", "gatelog_collector", 256);
    let delivery = Delivery {
        authority: section.string_or("authority", "gatelog-collector", 256),
        path: section.string_or("path", "/v1/records", 1024),
        token: section.secret("token").filter(|token| !token.is_empty()),
        flush_interval_ns: section.duration(
            "flush_interval",
            FLUSH_INTERVAL,
            50 * MILLISECOND..=60 * SECOND,
        ),
        timeout_ns: section.duration("timeout", TIMEOUT, 50 * MILLISECOND..=60 * SECOND),
        batch_max_bytes: bytes(section.size("batch_max_bytes", BATCH_BYTES, 1_024..=16 << 20)),
        batch_max_records: bytes(section.uint("batch_max_records", BATCH_RECORDS, 1..=100_000)),
        queue_max_bytes: bytes(section.size("queue_max_bytes", QUEUE_BYTES, 65_536..=1 << 30)),
        max_in_flight: bytes(section.uint("max_in_flight", IN_FLIGHT, 1..=64)),
        retry_initial_ns: retry.duration("initial", RETRY_INITIAL, 10 * MILLISECOND..=HOUR),
        retry_max_ns: retry.duration("max", RETRY_MAX, 10 * MILLISECOND..=HOUR),
        drain_timeout_ns: section.duration("drain_timeout", DRAIN_TIMEOUT, 0..=HOUR),
        cluster,
    };
    if !delivery.path.starts_with('/') || !is_visible(&delivery.path) {
        section.fault("path", format!("must begin with \"/\" and {VISIBLE}"));
    }
    if !is_visible(&delivery.authority) {
        section.fault("authority", format!("must {VISIBLE}"));
    }
    if delivery.token.as_deref().is_some_and(|token| !is_visible(token)) {
        section.fault_hidden("token", format!("must {VISIBLE}"));
    }
    if delivery.retry_max_ns < delivery.retry_initial_ns {
        let show = |nanos| show_duration(Duration::from_nanos(nanos));
        let initial = show(delivery.retry_initial_ns);
        let remedy = format!("must be at least delivery.retry.initial ({initial})");
        retry.fault_or_default("max", show(RETRY_MAX), remedy);
    }
    if delivery.queue_max_bytes < delivery.batch_max_bytes {
        let batch = delivery.batch_max_bytes;
        let remedy = format!("must be at least delivery.batch_max_bytes ({batch})");
        section.fault_or_default("queue_max_bytes", QUEUE_BYTES, remedy);
    }
    // Otherwise the longest records would be dropped even with an empty queue.
    let longest = record_max_bytes.saturating_add(ENTRY_OVERHEAD);
    if delivery.queue_max_bytes < longest {
        let remedy = format!(
            "must be at least {longest}, which is record.max_bytes ({record_max_bytes}) and \
             {ENTRY_OVERHEAD} bytes that each record takes in the queue"
        );
        section.fault_or_default("queue_max_bytes", QUEUE_BYTES, remedy);
    }
    retry.refuse_unknown();
    section.refuse_unknown();
    enabled.then_some(delivery)
}

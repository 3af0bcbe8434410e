//! What waits to be sent, of all workers and configurations; sent on the main thread.
//!
//! Queues belong to the process: Envoy destroys a replaced configuration without waiting, and cancels
//! its callouts. The queues it leaves are carried by another configuration, until their drain timeout.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};

use gatelog::config::Delivery;
use gatelog::delivery::outbox::{Outbox, Sender};
use gatelog::host::{Host, Severity};
use gatelog::identity::uuids::Uuids;
use gatelog::metrics::{Metric, Metrics};
use gatelog_record::DropReason;

use crate::abi::callbacks::log;
use crate::hand_over::HandingOver;
use crate::host::main_thread::MainThread;

/// Queues of destroyed configurations, one a worker; the one with the earliest deadline makes room
/// for one more, and its records are counted as abandoned.
const LEFT_MAX: usize = 64;

static DELIVERIES: Mutex<Deliveries> = Mutex::new(Deliveries {
    queues: Vec::new(),
    callouts: Vec::new(),
    last_token: 0,
    shared: None,
    leaving: false,
});

/// Queues of workers that have just started: workers do not wait for the main thread.
static STARTED: Mutex<Vec<WorkersQueue>> = Mutex::new(Vec::new());

thread_local! {
/// Whether this thread is at it: Envoy answers some callouts before they have begun.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// The queue of one worker.
#[derive(Debug)]
struct WorkersQueue {
    /// The configuration that it belongs to.
    owner: u64,
    /// The configuration that makes its callouts; `None` until one is found.
    carrier: Option<u64>,
    from: Arc<HandingOver>,
    outbox: Outbox,
    drain_timeout_ns: u64,
    /// Until when it may be sent, once its configuration is gone.
    until_ns: Option<u64>,
}

#[derive(Debug)]
struct Callout {
    carrier: u64,
    id: u64,
    token: u32,
}

#[derive(Debug)]
struct Shared {
    metrics: Metrics,
    random: Uuids,
}

#[derive(Debug)]
struct Deliveries {
    queues: Vec<WorkersQueue>,
    callouts: Vec<Callout>,
    last_token: u32,
    /// Made at the first tick, as it needs a host.
    shared: Option<Shared>,
    /// Whether Envoy ends: then all is sent at once.
    leaving: bool,
}

/// A worker has started. `carried` says whether its configuration can make callouts itself.
pub(crate) fn started(
    owner: u64,
    carried: bool,
    policy: Delivery,
    sender: Sender,
) -> Arc<HandingOver> {
    let from = Arc::new(HandingOver::new(owner, &policy));
    let queue = WorkersQueue {
        owner,
        carrier: carried.then_some(owner),
        from: Arc::clone(&from),
        drain_timeout_ns: policy.drain_timeout_ns,
        outbox: Outbox::new(policy, sender),
        until_ns: None,
    };
    STARTED.lock().unwrap_or_else(PoisonError::into_inner).push(queue);
    from
}

/// A configuration's tick: sends what it carries.
pub(crate) fn tick(carrier: u64, host: &MainThread<'_>) {
    with(|deliveries| deliveries.tick(carrier, host));
}

/// The answer to a callout.
pub(crate) fn answered(carrier: u64, id: u64, host: &MainThread<'_>) {
    with(|deliveries| deliveries.answered(carrier, id, host));
}

/// A configuration is gone, with its callouts.
pub(crate) fn destroyed(configuration: u64) {
    with(|deliveries| deliveries.destroyed(configuration));
}

/// Envoy ends: from now on each tick sends all it may.
pub(crate) fn leave() {
    with(|deliveries| deliveries.leaving = true);
}

/// How many records wait or are in flight.
pub(crate) fn left() -> usize {
    let mut left = 0;
    with(|deliveries| {
        let records = deliveries.queues.iter().map(|queue| {
            let waiting = queue.from.waiting();
            queue.outbox.records().saturating_add(waiting)
        });
        left = records.fold(0, usize::saturating_add);
    });
    left
}

/// Ends [`BUSY`], also when something panics.
struct Done;

impl Drop for Done {
    fn drop(&mut self) {
        BUSY.set(false);
    }
}

fn with(act: impl FnOnce(&mut Deliveries)) {
    if BUSY.replace(true) {
        return;
    }
    let _done = Done;
    let mut deliveries = DELIVERIES.lock().unwrap_or_else(PoisonError::into_inner);
    deliveries.queues.append(&mut STARTED.lock().unwrap_or_else(PoisonError::into_inner));
    act(&mut deliveries);
}

impl Deliveries {
    fn tick(&mut self, carrier: u64, host: &MainThread<'_>) {
        let now = host.monotonic_nanos();
        let Shared { metrics, random } = self
            .shared
            .get_or_insert_with(|| Shared { metrics: Metrics::define(host), random: Uuids::new() });
        host.tokens_after(self.last_token);
        let leaving = self.leaving;
        for queue in &mut self.queues {
            queue.take(metrics);
            if *queue.carrier.get_or_insert(carrier) == carrier {
                let all = leaving || queue.until_ns.is_some();
                queue.outbox.flush(host, now, random.bits(host), all, metrics);
            }
        }
        self.abandon_late(now);
        self.settle(carrier, host);
    }

    fn answered(&mut self, carrier: u64, id: u64, host: &MainThread<'_>) {
        let place = self.callouts.iter().position(|one| one.carrier == carrier && one.id == id);
        let Some(Callout { token, .. }) = place.map(|place| self.callouts.swap_remove(place))
        else {
            return;
        };
        let now = host.monotonic_nanos();
        let Some(Shared { metrics, random }) = &mut self.shared else { return };
        host.tokens_after(self.last_token);
        for queue in self.queues.iter_mut().filter(|queue| queue.carrier == Some(carrier)) {
            queue.outbox.answered(host, token, now, random.bits(host), metrics);
        }
        self.settle(carrier, host);
    }

    fn destroyed(&mut self, configuration: u64) {
        self.callouts.retain(|callout| callout.carrier != configuration);
        let now = crate::host::monotonic_nanos();
        for queue in &mut self.queues {
            if queue.carrier == Some(configuration) {
                queue.carrier = None;
                queue.outbox.recall();
            }
            if queue.owner == configuration {
                queue.until_ns = Some(now.saturating_add(queue.drain_timeout_ns));
            }
        }
        while self.queues.iter().filter(|queue| queue.until_ns.is_some()).count() > LEFT_MAX {
            let left = self.queues.iter().enumerate();
            let dated = left.filter_map(|(place, queue)| Some((queue.until_ns?, place)));
            let Some((_, place)) = dated.min() else { break };
            self.abandon(place);
        }
    }

    /// Takes note of the callouts that were made, and tells the stats.
    fn settle(&mut self, carrier: u64, host: &MainThread<'_>) {
        for (id, token) in host.made() {
            self.last_token = token;
            self.callouts.push(Callout { carrier, id, token });
        }
        // A queue whose configuration is gone, and that is empty, has told all it had to tell.
        self.queues.retain(|queue| queue.until_ns.is_none() || !queue.is_empty());
        let (mut bytes, mut records) = (0_usize, 0_usize);
        for queue in &self.queues {
            bytes = bytes.saturating_add(queue.outbox.bytes());
            records = records.saturating_add(queue.outbox.records());
        }
        if let Some(Shared { metrics, .. }) = &mut self.shared {
            metrics.set(Metric::QueueBytes, bytes);
            metrics.set(Metric::QueueRecords, records);
            metrics.hand_over(host);
        }
        host.tell_stats();
    }

    fn abandon_late(&mut self, now_ns: u64) {
        let late = |queue: &WorkersQueue| {
            queue.until_ns.is_some_and(|until| now_ns >= until) && !queue.is_empty()
        };
        while let Some(place) = self.queues.iter().position(late) {
            self.abandon(place);
        }
    }

    /// Gives up a queue of a configuration that is gone.
    fn abandon(&mut self, place: usize) {
        let mut queue = self.queues.swap_remove(place);
        let Some(Shared { metrics, .. }) = &mut self.shared else { return };
        queue.take(metrics);
        let left = queue.outbox.records();
        metrics.count(Metric::Abandoned, left as u64);
        if left > 0 {
            let line = format!(
                "gatelog: {left} records of a replaced configuration could not be sent in time; \
                 replay them from the journal"
            );
            log(Severity::Warn, &line);
        }
    }
}

impl WorkersQueue {
    /// Whether nothing waits, here or with the worker, and nothing is in flight.
    fn is_empty(&self) -> bool {
        self.outbox.is_empty() && self.from.waiting() == 0
    }

    /// Takes what the worker has handed over.
    fn take(&mut self, metrics: &mut Metrics) {
        let mut taken = self.from.take();
        self.outbox.note_assigned(taken.assigned);
        self.outbox.note_sampled(taken.sampled);
        self.outbox.note_dropped(DropReason::QueueFull, taken.shed, metrics);
        self.outbox.note_dropped(DropReason::TooLarge, taken.too_large, metrics);
        for entry in taken.queue.take(usize::MAX, usize::MAX) {
            self.outbox.push(entry, metrics);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ptr::null_mut;

    use gatelog::config::Config;
    use gatelog::delivery::hand_over::HandOver;
    use gatelog::envoy::headers::Headers;
    use gatelog_delivery::queue::Entry;
    use gatelog_record::{Level, Uuid};

    use super::*;
    use crate::abi::configuration::Configuration;
    use crate::hand_over::WorkersEnd;
    use crate::stats::Ids;

    /// A configuration with one record that its worker handed over last, and that is then destroyed.
    fn destroyed_with_a_record(owner: u64, drain_timeout: &str) {
        let json = format!(r#"{{"delivery": {{"drain_timeout": "{drain_timeout}"}}}}"#);
        let policy = Config::parse(json.as_bytes(), &|_| None).unwrap().delivery.unwrap();
        let sender = Sender { gateway: "g".to_owned(), boot: Uuid::nil() };
        let mut worker = WorkersEnd(started(owner, true, policy, sender));
        worker.record(Entry { seq: 1, level: Level::Info, line: b"{}".as_slice().into() });
        destroyed(owner);
    }

    /// How many records wait in the queues of a configuration; other tests have others.
    fn left_of(owner: u64) -> usize {
        let mut left = 0;
        with(|deliveries| {
            let own = deliveries.queues.iter().filter(|queue| queue.owner == owner);
            left = own.map(|queue| queue.outbox.records() + queue.from.waiting()).sum();
        });
        left
    }

    /// The callbacks of these tests know no cluster: nothing can be sent.
    #[test]
    fn what_was_handed_over_last_waits_for_another_configuration_until_its_drain_timeout() {
        let ids = Ids::default();
        let host = MainThread::of(Configuration::Filter(null_mut()), &ids, Headers::default());
        destroyed_with_a_record(1_001, "5m");
        answered(1_002, 1, &host);
        assert_eq!(left_of(1_001), 1);
        tick(1_002, &host);
        tick(1_002, &host);
        assert_eq!(left_of(1_001), 1, "it is tried again");
        destroyed_with_a_record(1_003, "0s");
        tick(1_002, &host);
        assert_eq!(left_of(1_003), 0, "its time was over");
        assert_eq!(left_of(1_001), 1);
    }
}

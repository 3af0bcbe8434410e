//! The records that wait for the collector, and what the sender is told.

use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use gatelog_delivery::queue::{Entry, Queue};
use gatelog_record::{BatchHeader, Level, Uuid};
use tokio::sync::Notify;

use crate::counters::{Counters, count};

/// Some 500 records: far past where a request's own cost matters.
pub(crate) const BATCH_BYTES: usize = 256 * 1024;

/// The queue that services push to and the sender takes from.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Tells the sender that something has changed.
    pub(crate) wake: Notify,
    /// Tells a flush that everything was settled, or that the sender has ended.
    settled: Condvar,
    counters: Counters,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    /// Somebody waits for everything to be settled.
    hurry: bool,
    /// Until when the sender may go on, once no more records come.
    closing: Option<Instant>,
    ended: bool,
}

/// What the sender should know before it waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) waiting_records: usize,
    pub(crate) waiting_bytes: usize,
    pub(crate) hurry: bool,
    pub(crate) closing: Option<Instant>,
}

impl Outbox {
    pub(crate) fn new(queue_bytes: usize, counters: Counters) -> Self {
        let queue = Queue::new(queue_bytes);
        Self {
            state: Mutex::new(State { queue, hurry: false, closing: None, ended: false }),
            wake: Notify::new(),
            settled: Condvar::new(),
            counters,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a record. At the bound, records of the lowest level are dropped and counted.
    pub(crate) fn push(&self, seq: u64, level: Level, line: &[u8]) {
        let entry = Entry { seq, level, line: line.into() };
        let mut state = self.state();
        if state.ended {
            drop(state);
            return count(&self.counters.0.abandoned, 1);
        }
        let before = state.queue.waiting_bytes();
        let dropped = state.queue.push(entry);
        let after = state.queue.waiting_bytes();
        drop(state);
        count(&self.counters.0.queue_full, dropped);
        // The sender sleeps while nothing waits, and until a batch is full.
        if before == 0 || (before < BATCH_BYTES && after >= BATCH_BYTES) {
            self.wake.notify_one();
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        let state = self.state();
        Standing {
            waiting_records: state.queue.waiting(),
            waiting_bytes: state.queue.waiting_bytes(),
            hurry: state.hurry,
            closing: state.closing,
        }
    }

    /// Takes the oldest records for a batch, and the header that goes with them.
    pub(crate) fn take(
        &self,
        service: &str,
        boot: Uuid,
        bytes: usize,
        records: usize,
    ) -> (BatchHeader, Vec<Entry>) {
        let entries = self.state().queue.take(bytes, records);
        // What is settled is read before what was assigned: a record that is being made counts as
        // queued, and the terms of the accounting add up at any time.
        let dropped = self.counters.0.dropped();
        let delivered = self.counters.0.delivered.load(Ordering::Acquire);
        let assigned = self.counters.0.records.load(Ordering::Acquire);
        let elsewhere =
            delivered.saturating_add(dropped.total()).saturating_add(entries.len() as u64);
        let header = BatchHeader {
            gateway: service.to_owned(),
            boot,
            assigned,
            queued: assigned.saturating_sub(elsewhere),
            dropped,
            sampled: 0,
        };
        (header, entries)
    }

    /// Releases records that were delivered or dropped.
    pub(crate) fn settle(&self, entries: &[Entry]) {
        let mut state = self.state();
        state.queue.settle(entries);
        if state.queue.records() == 0 {
            state.hurry = false;
            drop(state);
            self.settled.notify_all();
        }
    }

    /// Puts records back that could not be delivered.
    pub(crate) fn give_back(&self, entries: Vec<Entry>) {
        self.state().queue.give_back(entries);
    }

    /// Waits until every record so far is settled; returns whether that was before the deadline.
    pub(crate) fn flush(&self, deadline: Instant) -> bool {
        let mut state = self.state();
        loop {
            if state.queue.records() == 0 {
                return true;
            }
            if state.ended {
                return false;
            }
            if !state.hurry {
                state.hurry = true;
                self.wake.notify_one();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.settled.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Tells the sender to send what waits, until the deadline, and then to end.
    pub(crate) fn hasten(&self, deadline: Instant) {
        self.state().closing = Some(deadline);
        self.wake.notify_one();
    }

    /// After [`hasten`](Self::hasten): waits for the sender to end, until the deadline. No more records are
    /// taken from then on.
    pub(crate) fn close(&self, deadline: Instant) {
        let mut state = self.state();
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.settled.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.end();
    }

    /// The sender sends no more: what it leaves behind is counted.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        if !state.ended {
            state.ended = true;
            let left = u64::try_from(state.queue.records()).unwrap_or(u64::MAX);
            count(&self.counters.0.abandoned, left);
        }
        drop(state);
        self.settled.notify_all();
    }
}

//! From a worker to the main thread: records wait here until the next tick takes them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gatelog::config::Delivery;
use gatelog::delivery::hand_over::HandOver;
use gatelog_delivery::queue::{Entry, Queue};

use crate::clock;

/// How many batches wait at most until the main thread takes them: it is woken when there is one. At
/// the bound the queue sheds as it always does, and that is counted as `queue_full`.
const BATCHES: usize = 8;

/// What one worker has made since the main thread last looked.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The records.
    pub(crate) queue: Queue,
    /// The last `seq` that was assigned.
    pub(crate) assigned: u64,
    /// Records dropped at the bound.
    pub(crate) shed: u64,
    /// Records dropped for their size.
    pub(crate) too_large: u64,
    /// Requests that sampling left out.
    pub(crate) sampled: u64,
}

/// The place between one worker and the main thread.
#[derive(Debug)]
pub(crate) struct HandingOver {
    configuration: u64,
    /// Bytes that may wait here.
    max_bytes: usize,
    /// Bytes at which the main thread is woken.
    wake_bytes: usize,
    waiting: Mutex<Waiting>,
    woken: AtomicBool,
}

impl HandingOver {
    /// For a worker of a configuration.
    pub(crate) fn new(configuration: u64, delivery: &Delivery) -> Self {
        let wake_bytes = delivery.batch_max_bytes;
        let max_bytes = wake_bytes.saturating_mul(BATCHES).min(delivery.queue_max_bytes);
        let waiting = Mutex::new(Waiting::new(max_bytes));
        Self { configuration, max_bytes, wake_bytes, waiting, woken: AtomicBool::new(false) }
    }

    /// Takes all that waits. Only an exchange of pointers happens under the lock.
    pub(crate) fn take(&self) -> Waiting {
        let mut fresh = Waiting::new(self.max_bytes);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.woken.store(false, Ordering::Relaxed);
        fresh.assigned = waiting.assigned;
        std::mem::replace(&mut waiting, fresh)
    }

    /// How many records wait here.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).queue.waiting()
    }

    fn with(&self, change: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut waiting);
        let enough = waiting.queue.waiting_bytes() >= self.wake_bytes;
        drop(waiting);
        if enough && !self.woken.swap(true, Ordering::Relaxed) {
            clock::wake(self.configuration);
        }
    }
}

impl Waiting {
    fn new(max_bytes: usize) -> Self {
        Self { queue: Queue::new(max_bytes), assigned: 0, shed: 0, too_large: 0, sampled: 0 }
    }
}

/// A worker's end of it.
#[derive(Debug)]
pub(crate) struct WorkersEnd(pub(crate) Arc<HandingOver>);

impl HandOver for WorkersEnd {
    fn record(&mut self, entry: Entry) {
        self.0.with(|waiting| {
            waiting.assigned = waiting.assigned.max(entry.seq);
            let shed = waiting.queue.push(entry);
            waiting.shed = waiting.shed.saturating_add(shed);
        });
    }

    fn too_large(&mut self, seq: u64) {
        self.0.with(|waiting| {
            waiting.assigned = waiting.assigned.max(seq);
            waiting.too_large = waiting.too_large.saturating_add(1);
        });
    }

    fn sampled(&mut self) {
        self.0.with(|waiting| waiting.sampled = waiting.sampled.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatelog::config::Config;
    use gatelog_record::Level;

    fn handing_over() -> Arc<HandingOver> {
        let json = br#"{"delivery": {"batch_max_bytes": 1024, "queue_max_bytes": 1048576}}"#;
        let delivery = Config::parse(json, &|_| None).unwrap().delivery.unwrap();
        Arc::new(HandingOver::new(1, &delivery))
    }

    fn entry(seq: u64) -> Entry {
        Entry { seq, level: Level::Info, line: vec![b'x'; 448].into() }
    }

    #[test]
    fn what_was_handed_over_is_taken_once_with_its_counts() {
        let place = handing_over();
        let mut worker = WorkersEnd(Arc::clone(&place));
        worker.record(entry(1));
        worker.too_large(2);
        worker.sampled();
        let taken = place.take();
        assert_eq!((taken.queue.waiting(), taken.assigned), (1, 2));
        assert_eq!((taken.shed, taken.too_large, taken.sampled), (0, 1, 1));
        let taken = place.take();
        assert_eq!((taken.queue.waiting(), taken.assigned, taken.sampled), (0, 2, 0));
    }

    #[test]
    fn at_the_bound_the_oldest_are_shed_and_counted() {
        let place = handing_over();
        let mut worker = WorkersEnd(Arc::clone(&place));
        for seq in 1..=100 {
            worker.record(entry(seq));
        }
        let taken = place.take();
        assert_eq!(taken.queue.waiting(), 8 * 1024 / 512);
        assert_eq!(taken.shed, 100 - 16);
        assert_eq!(taken.assigned, 100);
    }
}

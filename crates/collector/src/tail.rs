//! Live records: each one that became durable, for every subscriber whose selection it matches.
//!
//! Ingest is never slowed: without a subscriber nothing is done, and with one the text of a batch is
//! copied and looked at on a thread of its own. What does not fit into a bound is skipped, counted,
//! and told to the subscriber.
//!
//! `http → copy → (durable) → publish → worker → subscription → http`

mod subscription;
mod worker;

use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use gatelog_record::DecodeLimits;
use gatelog_search::Selection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::metrics::Metrics;
use crate::spool::Append;
pub use subscription::Subscription;
use subscription::{KIB, Subscriber};
use worker::Batch;

/// Maximum subscribers at once; a further one gets 503.
pub const SUBSCRIBERS: usize = 16;
/// Maximum bytes of batches that wait to be looked at; the records of further ones are skipped.
pub const QUEUE_BYTES: usize = 8 << 20;
/// Maximum batches that wait.
const QUEUE_BATCHES: usize = 256;

/// The subscribers; clones share them.
#[derive(Clone)]
pub struct Tail {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    limits: DecodeLimits,
    room: Arc<Semaphore>,
    worker: OnceLock<SyncSender<Batch>>,
    stop: watch::Sender<bool>,
}

/// What the worker needs too.
struct Shared {
    subscribers: Mutex<Vec<Arc<Subscriber>>>,
    metrics: Metrics,
}

impl Shared {
    fn subscribers(&self) -> MutexGuard<'_, Vec<Arc<Subscriber>>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some records were not looked at.
    fn skip(&self, records: u64) {
        for subscriber in self.subscribers().iter() {
            subscriber.skip(records);
        }
    }
}

/// A batch that may become durable, for those who want to see it then.
pub struct Copied {
    records: u64,
    /// Its text, unless there was no room for it.
    text: Option<(Vec<u8>, OwnedSemaphorePermit)>,
}

impl Tail {
    /// Nobody subscribes yet. The limits are those of a line in the spool.
    pub fn new(limits: DecodeLimits, metrics: Metrics) -> Self {
        let shared = Arc::new(Shared { subscribers: Mutex::default(), metrics });
        let inner = Inner {
            shared,
            limits,
            room: Arc::new(Semaphore::new(QUEUE_BYTES / KIB)),
            worker: OnceLock::new(),
            stop: watch::Sender::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Subscribes to what this selection matches; `None` if there are too many subscribers, or the
    /// collector is stopping.
    pub fn subscribe(&self, selection: Selection) -> Option<Subscription> {
        let Inner { shared, limits, worker, stop, .. } = &*self.inner;
        if *stop.borrow() {
            return None;
        }
        if worker.get().is_none() {
            let started = worker::start(Arc::clone(shared), *limits).ok()?;
            // If two start at once, one of the workers ends for want of a sender.
            let _ = worker.set(started);
        }
        let mut subscribers = shared.subscribers();
        if subscribers.len() >= SUBSCRIBERS {
            return None;
        }
        let (subscriber, events) = Subscriber::new(selection, shared.metrics.clone());
        let subscriber = Arc::new(subscriber);
        subscribers.push(Arc::clone(&subscriber));
        shared.metrics.tail_subscribers(subscribers.len());
        drop(subscribers);
        Some(Subscription::new(Arc::clone(shared), subscriber, events, stop.subscribe()))
    }

    /// A copy of a batch, to be published once it is durable; `None` if nobody subscribes.
    pub fn copy(&self, batch: &Append) -> Option<Copied> {
        let Inner { shared, room, .. } = &*self.inner;
        if batch.records == 0 || shared.subscribers().is_empty() {
            return None;
        }
        let permits = u32::try_from(batch.body.len().div_ceil(KIB)).unwrap_or(u32::MAX);
        let permit = Arc::clone(room).try_acquire_many_owned(permits).ok();
        let text = permit.map(|permit| (batch.body.clone(), permit));
        Some(Copied { records: batch.records, text })
    }

    /// The batch is durable.
    pub fn publish(&self, copied: Option<Copied>) {
        let Some(Copied { records, text }) = copied else { return };
        let Inner { shared, worker, .. } = &*self.inner;
        let (Some((body, permit)), Some(worker)) = (text, worker.get()) else {
            return shared.skip(records);
        };
        match worker.try_send(Batch { body, _room: permit }) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => shared.skip(records),
        }
    }

    /// Ends all subscriptions.
    pub fn stop(&self) {
        self.inner.stop.send_replace(true);
    }
}

#[cfg(test)]
mod tests;

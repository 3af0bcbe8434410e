//! One subscriber: what it wants to see, and what waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatelog_record::Decoded;
use gatelog_search::Selection;
use hyper::body::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::Shared;
use crate::metrics::Metrics;

/// Bytes of a permit.
pub(super) const KIB: usize = 1 << 10;
/// Maximum records that wait for one subscriber; further ones are skipped.
pub(super) const WAITING_RECORDS: usize = 1_024;
/// Maximum bytes of them, exceeded by at most one record.
pub(super) const WAITING_BYTES: usize = 1 << 20;

/// A record that waits.
pub(super) struct Event {
    line: Bytes,
    _room: OwnedSemaphorePermit,
}

/// What the worker knows of a subscriber.
pub(super) struct Subscriber {
    selection: Selection,
    events: Sender<Event>,
    room: Arc<Semaphore>,
    /// Records that were skipped and not told yet.
    skipped: AtomicU64,
    metrics: Metrics,
}

impl Subscriber {
    pub(super) fn new(selection: Selection, metrics: Metrics) -> (Self, Receiver<Event>) {
        let (events, receiver) = channel(WAITING_RECORDS);
        let room = Arc::new(Semaphore::new(WAITING_BYTES / KIB));
        (Self { selection, events, room, skipped: AtomicU64::new(0), metrics }, receiver)
    }

    pub(super) fn matches(&self, record: &Decoded) -> bool {
        self.selection.matches(record)
    }

    /// A record that matches.
    pub(super) fn offer(&self, line: &Bytes) {
        let permits = line.len().div_ceil(KIB).min(WAITING_BYTES / KIB);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(permits);
        let sent = room.is_ok_and(|room| {
            self.events.try_send(Event { line: line.clone(), _room: room }).is_ok()
        });
        if sent {
            self.metrics.tailed("sent", 1);
        } else {
            self.skip(1);
        }
    }

    pub(super) fn skip(&self, records: u64) {
        self.metrics.tailed("skipped", records);
        self.skipped.fetch_add(records, Ordering::Relaxed);
    }
}

/// A subscription, until it is dropped.
pub struct Subscription {
    shared: Arc<Shared>,
    subscriber: Arc<Subscriber>,
    events: Receiver<Event>,
    stop: watch::Receiver<bool>,
}

impl Subscription {
    pub(super) fn new(
        shared: Arc<Shared>,
        subscriber: Arc<Subscriber>,
        events: Receiver<Event>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { shared, subscriber, events, stop }
    }

    /// The next record, as a line of JSON; `None` once the collector stops.
    pub async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            event = self.events.recv() => event.map(|event| event.line),
            _ = self.stop.wait_for(|stop| *stop) => None,
        }
    }

    /// A further record that already waits.
    pub fn waiting(&mut self) -> Option<Bytes> {
        self.events.try_recv().ok().map(|event| event.line)
    }

    /// How many records were skipped since the last call: they matched but did not fit, or were not
    /// looked at.
    pub fn skipped(&self) -> u64 {
        self.subscriber.skipped.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut subscribers = self.shared.subscribers();
        subscribers.retain(|other| !Arc::ptr_eq(other, &self.subscriber));
        self.shared.metrics.tail_subscribers(subscribers.len());
    }
}

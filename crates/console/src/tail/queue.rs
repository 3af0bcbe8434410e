//! What waits for one viewer: bounded, and what does not fit is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::Metrics;

/// Maximum records that wait for one viewer; further ones are skipped.
pub(super) const WAITING_RECORDS: usize = 1_024;
/// Maximum bytes of them, exceeded by at most one record.
pub(super) const WAITING_BYTES: usize = 1 << 20;
/// Bytes of a permit.
const KIB: usize = 1 << 10;

/// Something for the viewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A record, one line of JSON.
    Record(String),
    /// What is to be known about the tail.
    Notice(Notice),
}

/// What is to be known about a tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// These collectors are followed from now on, and no others.
    Collectors(Vec<String>),
    /// This collector answers.
    Following(String),
    /// This collector cannot be reached, and why.
    Lost(String, String),
    /// A collector left out as many records; nobody says how many if others' may be among them.
    Skipped(Option<u64>),
}

struct Waiting {
    item: Item,
    _room: Option<OwnedSemaphorePermit>,
}

/// Where the collectors' news go in. Clones go into the same queue.
#[derive(Clone)]
pub(super) struct Inlet {
    items: Sender<Waiting>,
    room: Arc<Semaphore>,
    skipped: Arc<AtomicU64>,
    metrics: Metrics,
}

/// Where they come out.
pub(super) struct Outlet {
    items: Receiver<Waiting>,
    skipped: Arc<AtomicU64>,
}

pub(super) fn queue(metrics: Metrics) -> (Inlet, Outlet) {
    let (items, receiver) = channel(WAITING_RECORDS);
    let room = Arc::new(Semaphore::new(WAITING_BYTES / KIB));
    let skipped = Arc::new(AtomicU64::new(0));
    let outlet = Outlet { items: receiver, skipped: Arc::clone(&skipped) };
    (Inlet { items, room, skipped, metrics }, outlet)
}

impl Inlet {
    /// A record, unless there is no room for it.
    pub(super) fn offer(&self, line: String) {
        let permits = line.len().div_ceil(KIB).min(WAITING_BYTES / KIB);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(permits);
        let sent = room.is_ok_and(|room| {
            let waiting = Waiting { item: Item::Record(line), _room: Some(room) };
            self.items.try_send(waiting).is_ok()
        });
        if sent {
            self.metrics.tailed("sent", 1);
        } else {
            self.metrics.tailed("skipped", 1);
            self.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Something else, which is never left out; returns whether anybody still reads.
    pub(super) async fn tell(&self, notice: Notice) -> bool {
        self.items.send(Waiting { item: Item::Notice(notice), _room: None }).await.is_ok()
    }

    /// A record that was not for this viewer.
    pub(super) fn withheld(&self) {
        self.metrics.tailed("withheld", 1);
    }

    /// A collector cannot be reached.
    pub(super) fn lost(&self) {
        self.metrics.tail_lost();
    }
}

impl Outlet {
    pub(super) async fn next(&mut self) -> Option<Item> {
        self.items.recv().await.map(|waiting| waiting.item)
    }

    pub(super) fn waiting(&mut self) -> Option<Item> {
        self.items.try_recv().ok().map(|waiting| waiting.item)
    }

    pub(super) fn skipped(&self) -> u64 {
        self.skipped.swap(0, Ordering::Relaxed)
    }
}

//! What the spool's users see: its health, what waits, and the committed accounts.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::Notify;

use super::letters::LetterCount;
use super::rollups::RollupCount;
use super::waiting::{Parked, Waiting};
use crate::accounting::{Edit, Ledger, Unnumbered};
use crate::metrics::Metrics;

/// Whether the spool accepts batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Good,
    /// Not now: the disk is full, read-only or in use. Checked every second.
    Refusing(String),
    /// Never again in this process: the state on disk is unknown.
    Broken(String),
}

pub(super) struct Shared {
    health: Mutex<Health>,
    /// Counts the files: incremented when a corrupt one is moved aside and replaced.
    generation: AtomicU64,
    /// The last row in the file when it was opened.
    found: AtomicI64,
    ledger: RwLock<Ledger>,
    /// Waiting whole batches.
    waiting: Mutex<Waiting>,
    parked: Mutex<Parked>,
    letters: Mutex<LetterCount>,
    unnumbered: Mutex<Unnumbered>,
    rollups: Mutex<RollupCount>,
    /// Notified after every commit.
    pub(super) committed: Notify,
    pub(super) metrics: Metrics,
}

impl Shared {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            health: Mutex::new(Health::Good),
            generation: AtomicU64::new(0),
            found: AtomicI64::new(0),
            ledger: RwLock::default(),
            waiting: Mutex::default(),
            parked: Mutex::default(),
            letters: Mutex::default(),
            unnumbered: Mutex::default(),
            rollups: Mutex::default(),
            committed: Notify::new(),
            metrics,
        }
    }

    pub(super) fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether the kind of health changed. A broken spool stays broken.
    pub(super) fn set_health(&self, new: Health) -> bool {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*health, Health::Broken(_)) {
            return false;
        }
        let changed = std::mem::discriminant(&*health) != std::mem::discriminant(&new);
        *health = new;
        changed
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    pub(super) fn next_generation(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn found(&self) -> i64 {
        self.found.load(Ordering::SeqCst)
    }

    pub(super) fn set_found(&self, row: i64) {
        self.found.store(row, Ordering::SeqCst);
    }

    pub(super) fn ledger(&self) -> RwLockReadGuard<'_, Ledger> {
        self.ledger.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that waits.
    pub(super) fn waiting(&self) -> Waiting {
        let parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.values().fold(self.whole(), Waiting::and)
    }

    /// The waiting whole batches.
    pub(super) fn whole(&self) -> Waiting {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is parked, by the collection it waits for.
    pub(super) fn parked(&self) -> Parked {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn letters(&self) -> LetterCount {
        *self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn unnumbered(&self) -> Unnumbered {
        *self.unnumbered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn rollups(&self) -> RollupCount {
        *self.rollups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_rollups(&self, count: RollupCount) {
        *self.rollups.lock().unwrap_or_else(PoisonError::into_inner) = count;
    }

    pub(super) fn set_unnumbered(&self, counts: Unnumbered) {
        *self.unnumbered.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }

    /// Makes a committed change visible.
    pub(super) fn publish(
        &self,
        edit: Edit,
        waiting: Waiting,
        parked: Parked,
        letters: LetterCount,
    ) {
        self.ledger.write().unwrap_or_else(PoisonError::into_inner).absorb(edit);
        self.set_counts(waiting, parked, letters);
    }

    /// Publishes the contents of a file.
    pub(super) fn load(
        &self,
        ledger: Ledger,
        waiting: Waiting,
        parked: Parked,
        letters: LetterCount,
    ) {
        *self.ledger.write().unwrap_or_else(PoisonError::into_inner) = ledger;
        self.set_counts(waiting, parked, letters);
    }

    fn set_counts(&self, waiting: Waiting, parked: Parked, letters: LetterCount) {
        // Locked in this order, as in `waiting`.
        let mut parked_now = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
        *parked_now = parked;
        drop(parked_now);
        *self.letters.lock().unwrap_or_else(PoisonError::into_inner) = letters;
    }
}

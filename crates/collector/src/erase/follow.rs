//! A collector follows the tombstones.
//!
//! Each round it first gives a sign of life, then reads the revision, and the tombstones if that has
//! changed. Inserts may begin for [`LEASE`] after the beginning of a round that succeeded. It confirms
//! a revision once all inserts that began with earlier tombstones have ended and its dead letters are
//! looked through.
//!
//! The order matters. Whoever writes a tombstone and then sees no sign of a collector for longer than
//! the lease and a call to the database may take knows that this collector inserts nothing until it
//! has given a sign, and after that has read the tombstone.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::letters;
use crate::clock::now_millis;
use crate::metrics::Metrics;
use crate::outage::Outage;
use crate::spool::{Spool, SpoolError};
use crate::store::tombstones::{ERASE_KEY, ERASED, Sign, Unreadable};
use crate::store::{Store, StoreError};
use crate::tombstone::{Draining, Gate, Tombstones};

/// How often the tombstones are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How soon again after they could not be read.
const AGAIN: Duration = Duration::from_secs(1);
/// How long inserts may begin after the tombstones were read.
pub const LEASE: Duration = Duration::from_mins(1);

/// Follows the tombstones for one collector.
pub struct Follower {
    spool: Spool,
    store: Store,
    gate: Gate,
    metrics: Metrics,
    sign: Sign,
    /// The revision whose tombstones inserts heed.
    heeded: Option<i64>,
    /// Inserts that began with earlier ones.
    draining: Vec<Draining>,
    /// The last dead letter that was looked at, in the file of this generation.
    letters: (u64, i64),
    /// Whether it may not say what it knows.
    mute: bool,
    /// Whether the index was asked for by which signs and tombstones expire.
    indexed: bool,
}

/// Why a round failed.
#[derive(Debug)]
pub enum FollowError {
    /// The tombstones cannot be known.
    Database(Unreadable),
    /// The dead letters cannot be looked through.
    Spool(SpoolError),
}

impl From<StoreError> for FollowError {
    fn from(error: StoreError) -> Self {
        FollowError::Database(error.into())
    }
}

impl From<Unreadable> for FollowError {
    fn from(error: Unreadable) -> Self {
        FollowError::Database(error)
    }
}

impl From<SpoolError> for FollowError {
    fn from(error: SpoolError) -> Self {
        FollowError::Spool(error)
    }
}

impl Follower {
    /// Knows nothing yet, and leaves the gate closed. `dir`: the spool's directory, by which people
    /// recognize the collector.
    /// `counts`: whether this collector counts in rollups.
    pub fn new(
        spool: Spool,
        store: Store,
        gate: Gate,
        metrics: Metrics,
        dir: &Path,
        counts: bool,
    ) -> Self {
        let silent = LEASE.saturating_add(store.operation_timeout());
        let sign = Sign {
            collector: spool.collector().hyphenated().to_string(),
            name: format!("{}:{}", host(), dir.display()),
            known: -1,
            silent_ms: i64::try_from(silent.as_millis()).unwrap_or(i64::MAX),
            stopped: false,
            letters: 0,
            counts,
            since: now_millis(),
            at: 0,
        };
        Self {
            spool,
            store,
            gate,
            metrics,
            sign,
            heeded: None,
            draining: Vec::new(),
            letters: (0, 0),
            mute: false,
            indexed: false,
        }
    }

    /// Gives a sign, reads what is new, and keeps the gate open.
    ///
    /// # Errors
    ///
    /// The database or the spool refuses. The call may be retried; the gate stays open until the lease
    /// of the last round that succeeded is over.
    pub async fn round(&mut self) -> Result<(), FollowError> {
        let (began, began_millis) = (Instant::now(), now_millis());
        self.tell().await?;
        let revision = self.store.erase_revision().await?;
        if self.heeded != Some(revision) {
            let tombstones = self.store.tombstones().await?;
            if self.heeded.is_some() || !tombstones.is_empty() {
                tracing::info!(tombstones = tombstones.len(), revision, "tombstones read");
            }
            self.metrics.tombstones(tombstones.len());
            self.draining.extend(self.gate.replace(tombstones));
            self.heeded = Some(revision);
            self.letters = (0, 0);
            self.sign.letters = 0;
        }
        self.gate.open_until(began, began_millis, LEASE);
        self.draining.retain_mut(|draining| !draining.is_over());
        let over = self.draining.is_empty();
        self.purge_letters().await?;
        if over && self.sign.known != revision {
            self.sign.known = revision;
            self.tell().await?;
        }
        if !std::mem::replace(&mut self.indexed, true)
            && let Err(error) = self.store.index_erased().await
        {
            // `erase` says what to do about it.
            tracing::debug!(%error, "{ERASED} has no index of this collector's");
        }
        Ok(())
    }

    /// Says that it has ended, unless an insert is under way.
    pub async fn ended(&mut self) -> Result<(), FollowError> {
        self.gate.close();
        self.draining.extend(self.gate.replace(Tombstones::default()));
        self.sign.stopped = self.draining.iter_mut().all(Draining::is_over);
        self.tell().await
    }

    /// Without the right to write it still heeds the tombstones; `erase` then names it.
    async fn tell(&mut self) -> Result<(), FollowError> {
        match self.store.tell_sign(&self.sign).await {
            Err(error) if error.lacks_a_right() => {
                if !std::mem::replace(&mut self.mute, true) {
                    tracing::warn!(%error, "this collector cannot say which tombstones it knows, so \
                        that `erase` will not go on while it runs: grant it update on {ERASED}");
                }
                Ok(())
            }
            result => {
                self.mute &= result.is_err();
                Ok(result?)
            }
        }
    }

    /// Deletes the dead letters that are covered, as far as they are new.
    async fn purge_letters(&mut self) -> Result<(), FollowError> {
        let (tombstones, generation) = (self.gate.tombstones(), self.spool.generation());
        if tombstones.is_empty() || self.spool.letters().letters == 0 {
            return Ok(());
        }
        let after = if self.letters.0 == generation { self.letters.1 } else { 0 };
        let covered = move |letter: &_| letters::covered(&tombstones, letter);
        let (last, removed) = self.spool.purge_letters(after, covered).await?;
        self.letters = (generation, last);
        if removed > 0 {
            self.metrics.erased_from_letters(removed);
            let removed_now = i64::try_from(removed).unwrap_or(i64::MAX);
            self.sign.letters = self.sign.letters.saturating_add(removed_now);
            tracing::info!(letters = removed, "dead letters deleted that tombstones cover");
        }
        Ok(())
    }
}

/// Follows until told to stop, and then says that it has ended.
pub async fn run(mut follower: Follower, outage: Outage, mut stop: watch::Receiver<bool>) {
    let mut writer = outage.writer();
    let mut failing = false;
    while !*stop.borrow() {
        let round = follower.round().await;
        follower.metrics.tombstones_known(!matches!(round, Err(FollowError::Database(_))));
        let pause = match round {
            Ok(()) => {
                failing = false;
                writer.passed();
                LOOK_EVERY
            }
            Err(FollowError::Database(Unreadable::Store(error))) if error.is_away() => {
                writer.failed(&error);
                AGAIN
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    announce(&error);
                }
                if let FollowError::Database(Unreadable::Store(error)) = &error {
                    writer.failed(error);
                }
                AGAIN
            }
        };
        let _ = tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await;
    }
    if let Err(FollowError::Database(error)) = follower.ended().await {
        tracing::debug!(%error, "not said that this collector has ended");
    }
}

fn announce(error: &FollowError) {
    match error {
        FollowError::Database(Unreadable::Store(error)) if error.lacks_a_right() => {
            tracing::error!(%error, "tombstones cannot be read: nothing is inserted until they can; \
                grant this collector's role find on {ERASED} and {ERASE_KEY} (docs/erase.md)");
        }
        FollowError::Database(error) => {
            tracing::error!(%error, "tombstones cannot be read: nothing is inserted until they can");
        }
        FollowError::Spool(error) => {
            tracing::error!(%error, "dead letters cannot be looked through: an erasure waits for it");
        }
    }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "?".to_owned() } else { name.to_owned() }
}

//! Brings the spool's rollups to the database, and puts away those whose period is over.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::time::Duration;

use gatelog_record::Uuid;
use mongodb::bson::Document;

use super::Value;
use crate::accounting::sharing::ShareError;
use crate::clock::now_millis;
use crate::metrics::Metrics;
use crate::spool::{RollupPage, RollupRow, Spool};
use crate::store::rollups::State;
use crate::store::{ROLLUPS, Store, StoreError, rollups};

/// How often values that have changed are written.
pub const PUSH_EVERY: Duration = Duration::from_secs(15);

/// A value is put away this long after its period has ended: most late records have come by then.
const SETTLED_AFTER: i64 = 10 * 60 * 1_000;

/// Maximum values in one update, and in memory at once: at most 15 KiB each. Half as many after an
/// update that took too long: the same number would take too long again.
const AT_ONCE: usize = 256;

/// How long a collector's own document is kept after its last sign of life.
const STATE_KEPT: i64 = 90 * 86_400_000;

/// Brings one collector's rollups to the database.
pub struct Pusher {
    spool: Spool,
    store: Store,
    metrics: Metrics,
    file: Option<Uuid>,
    /// A hash of what the database has, by a hash of the value's key.
    pushed: HashMap<u64, u64>,
    /// Keys of values that the database refused.
    refused: HashSet<u64>,
    /// Values in the next update.
    at_once: usize,
    indexed: bool,
    index_refused: bool,
}

impl Pusher {
    /// Starts with nothing known of the database: what the spool has is written again.
    pub fn new(spool: Spool, store: Store, metrics: Metrics) -> Self {
        Self {
            spool,
            store,
            metrics,
            file: None,
            pushed: HashMap::new(),
            refused: HashSet::new(),
            at_once: AT_ONCE,
            indexed: false,
            index_refused: false,
        }
    }

    /// Writes what has changed, and puts away what is over. `last`: no round follows, and nothing is
    /// accepted or stored any more.
    ///
    /// # Errors
    ///
    /// The database or the spool refuses. The call may be retried.
    pub async fn round(&mut self, last: bool) -> Result<(), ShareError> {
        let done = self.push(last).await;
        if let Err(ShareError::Store(error)) = &done {
            self.metrics.rollups_failed(error.kind());
        }
        done
    }

    async fn push(&mut self, last: bool) -> Result<(), ShareError> {
        // Rows that were settled before now are in the pages that are read from here on.
        let (now, oldest) = (now_millis(), self.spool.waiting().oldest);
        let counted_to = oldest.map_or(now, |oldest| oldest.min(now));
        self.index().await?;
        let (mut reached, mut held, mut present) = (None, None, HashSet::new());
        loop {
            let page = self.spool.rollups(reached, self.at_once).await?;
            if self.file.replace(page.file).is_some_and(|before| before != page.file) {
                self.pushed.clear();
                self.refused.clear();
            }
            reached = page.rows.last().cloned();
            if reached.is_none() {
                break;
            }
            self.write(&page).await?;
            let over = now_millis().saturating_sub(SETTLED_AFTER);
            let (mut settled, kept): (Vec<_>, Vec<_>) = page.rows.into_iter().partition(|row| {
                row.period.end().is_some_and(|end| end < over)
                    && self.pushed.get(&hash(&key(row))) == Some(&hash(&row.packed))
            });
            held = kept.iter().filter_map(|row| row.period.start()).chain(held).min();
            present.extend(kept.iter().map(|row| hash(&key(row))));
            if !settled.is_empty() {
                settled.shrink_to_fit();
                self.spool.put_away(page.generation, settled).await?;
            }
        }
        // What was put away, or deleted to keep the bound, is forgotten here too.
        self.pushed.retain(|key, _| present.contains(key));
        self.refused.retain(|key| present.contains(key));
        self.tell_state(held, counted_to, last).await
    }

    /// Writes the values of a page that the database does not have.
    async fn write(&mut self, page: &RollupPage) -> Result<(), ShareError> {
        let now = now_millis();
        let changed = page
            .rows
            .iter()
            .filter(|row| self.pushed.get(&hash(&key(row))) != Some(&hash(&row.packed)));
        let mut rows: Vec<&RollupRow> = Vec::new();
        let mut updates: Vec<Document> = Vec::new();
        for row in changed {
            // What cannot be read is left alone.
            let Some(value) = Value::unpack(&row.packed) else { continue };
            let document = rollups::encode(row, &value, now);
            updates.push(rollups::replacing(&rollups::id(page.file, row), document));
            rows.push(row);
        }
        if updates.is_empty() {
            return Ok(());
        }
        let answer = self.store.update_rollups(updates).await;
        self.at_once = match &answer {
            Ok(_) => self.at_once.saturating_add((self.at_once / 8).max(1)).min(AT_ONCE),
            Err(StoreError::Timeout { .. }) => (self.at_once / 2).max(1),
            Err(_) => self.at_once,
        };
        let refused: HashMap<_, _> = answer?.into_iter().collect();
        let mut written = 0_u64;
        for (position, row) in rows.into_iter().enumerate() {
            let key = hash(&key(row));
            match refused.get(&position) {
                None => {
                    self.pushed.insert(key, hash(&row.packed));
                    written = written.saturating_add(1);
                }
                Some(answer) => {
                    self.metrics.rollups_failed("refused");
                    if self.refused.insert(key) {
                        tracing::warn!(error = %answer, "a rollup cannot be written: it waits in \
                            the spool; see the server's error for the rule of {ROLLUPS} that it \
                            breaks");
                    }
                }
            }
        }
        self.metrics.rollups_pushed(written);
        Ok(())
    }

    /// Creates the index that removes what has expired; without it everything else works.
    async fn index(&mut self) -> Result<(), ShareError> {
        if self.indexed || self.index_refused {
            return Ok(());
        }
        match self.store.index_rollups().await {
            Ok(()) => self.indexed = true,
            Err(error @ (StoreError::Denied(_) | StoreError::Server(_))) if !error.is_away() => {
                self.index_refused = true;
                tracing::warn!(%error, "{ROLLUPS} has no index of this collector's, so that its \
                    documents do not expire: let its user create it (createIndex), or run \
                    db.{ROLLUPS}.createIndex({{expires_at: 1}}, {{expireAfterSeconds: 0}})");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Tells `recount` what this collector may still write, and readers what is counted.
    async fn tell_state(
        &self,
        held: Option<i64>,
        counted_to: i64,
        last: bool,
    ) -> Result<(), ShareError> {
        let Some(file) = self.file else { return Ok(()) };
        let waiting = self.spool.waiting().records;
        let whole = self.refused.is_empty();
        let state = State {
            file,
            waiting,
            held,
            counted_to: whole.then_some(counted_to),
            stopped: last && whole && waiting == 0,
            until: now_millis().saturating_add(STATE_KEPT),
        };
        self.store.update_rollups(vec![state.update()]).await?;
        Ok(())
    }
}

/// What identifies a value in its file.
fn key(row: &RollupRow) -> impl Hash + use<'_> {
    (row.period, &row.dimension, row.part)
}

fn hash(of: &impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(of)
}

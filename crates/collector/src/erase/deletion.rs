//! Counting and deleting what is stored, one collection after the other, in bounded steps.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use gatelog_record::Timestamp;
use tokio::time::Instant;

use crate::store::erase::{AT_ONCE, Id, Matching, took_too_long};
use crate::store::{LogCollection, Store, StoreError};

/// Documents in one stretch at first, and at most.
const STRETCH: u64 = 10_000;
/// At least: a server that does not read as many in time is not able to do this now.
const LEAST: u64 = 100;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Documents of one instant that are counted by an index.
const ONE_INSTANT: usize = 100_000;

/// How many documents of each collection match, or were deleted.
pub(crate) type Counts = BTreeMap<LogCollection, u64>;

/// Counts or deletes.
pub(crate) struct Deletion<'a> {
    pub(crate) store: &'a Store,
    pub(crate) which: &'a Matching,
    /// Only counts.
    pub(crate) dry: bool,
    told: Instant,
}

impl<'a> Deletion<'a> {
    pub(crate) fn new(store: &'a Store, which: &'a Matching, dry: bool) -> Self {
        Self { store, which, dry, told: Instant::now() }
    }

    /// Goes through all collections once. `tell` is called with a line of progress now and then.
    pub(crate) async fn pass(&mut self, mut tell: impl FnMut(&str)) -> Result<Counts, StoreError> {
        let mut counts = Counts::new();
        for collection in LogCollection::ALL {
            let index = match self.store.index_by(collection, self.which.field.path()).await {
                Ok(index) => index,
                // Without the right to see the indexes the collection is read.
                Err(error) if error.lacks_a_right() => None,
                Err(error) => return Err(error),
            };
            let count = match index {
                Some(index) => self.by_index(collection, &index, &mut tell).await?,
                None => self.by_stretches(collection, &mut tell).await?,
            };
            counts.insert(collection, count);
        }
        Ok(counts)
    }

    async fn by_index(
        &mut self,
        collection: LogCollection,
        index: &str,
        tell: &mut impl FnMut(&str),
    ) -> Result<u64, StoreError> {
        let (mut count, mut limit) = (0_u64, AT_ONCE);
        // What is only counted is there again in the next answer.
        let mut from: Option<Timestamp> = None;
        let mut seen: HashSet<Id> = HashSet::new();
        loop {
            let found = self.store.matching_by(index, collection, self.which, from, limit).await?;
            let full = found.len() >= limit;
            let last = found.last().map(|(at, _)| *at);
            let new: Vec<_> = found.iter().filter(|(_, id)| !seen.contains(id)).copied().collect();
            count =
                count.saturating_add(self.take(collection, new.iter().map(|(_, id)| *id)).await?);
            if found.is_empty() || (self.dry && !full) {
                return Ok(count);
            }
            if self.dry {
                if new.is_empty() && limit >= ONE_INSTANT {
                    return Err(StoreError::Driver(format!(
                        "{} has more than {ONE_INSTANT} documents of one instant: they cannot be \
                         counted, but deleted",
                        collection.as_str()
                    )));
                }
                limit = if new.is_empty() { limit.saturating_mul(10) } else { AT_ONCE };
                if from != last {
                    seen.clear();
                }
                seen.extend(found.iter().filter(|(at, _)| Some(*at) == last).map(|(_, id)| *id));
                from = last;
            }
            self.tell(tell, || format!("{}: {count} found by an index", collection.as_str()));
        }
    }

    async fn by_stretches(
        &mut self,
        collection: LogCollection,
        tell: &mut impl FnMut(&str),
    ) -> Result<u64, StoreError> {
        let all = self.store.estimate(collection).await?;
        let (mut count, mut read, mut size) = (0_u64, 0_u64, STRETCH);
        let mut after = None;
        loop {
            let found = match self.stretch(collection, after, size).await {
                Err(error) if took_too_long(&error) && size > LEAST => {
                    size = (size / 4).max(LEAST);
                    continue;
                }
                found => found?,
            };
            count = count.saturating_add(self.take(collection, found.1.into_iter()).await?);
            let Some(end) = found.0 else { return Ok(count) };
            after = Some(end);
            read = read.saturating_add(size);
            size = size.saturating_mul(2).min(STRETCH);
            self.tell(tell, || {
                format!("{}: {read} of about {all} read, {count} found", collection.as_str())
            });
        }
    }

    /// The end of a stretch, unless it is the last one, and what matches in it.
    async fn stretch(
        &self,
        collection: LogCollection,
        after: Option<Id>,
        size: u64,
    ) -> Result<(Option<Id>, Vec<Id>), StoreError> {
        let end = self.store.stretch_end(collection, after, size).await?;
        Ok((end, self.store.matching_in(collection, self.which, after, end).await?))
    }

    /// Deletes, or only counts.
    async fn take(
        &self,
        collection: LogCollection,
        found: impl ExactSizeIterator<Item = Id>,
    ) -> Result<u64, StoreError> {
        if self.dry {
            return Ok(u64::try_from(found.len()).unwrap_or(u64::MAX));
        }
        let ids: Vec<_> = found.collect();
        self.store.remove_documents(collection, &ids).await
    }

    fn tell(&mut self, tell: &mut impl FnMut(&str), line: impl FnOnce() -> String) {
        if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            tell(&line());
        }
    }
}

//! Which indexes the collections have. A search by an id must not use one that is not there: it
//! would read the whole collection.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gatelog_record::{Level, Timestamp};
use mongodb::IndexModel;
use mongodb::bson::Document;
use tokio::time::Instant;

use super::{FLOWS, SearchError, Searcher, collection_of};
use crate::limits::{INDEXES_FOR, WINDOW_TIME};

/// The index by which documents expire.
const EXPIRY: &str = "created_at_1";

/// The indexes of all collections.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    /// Their names, with their collections.
    names: HashSet<(&'static str, String)>,
    /// How long `trace_logs` keeps its documents.
    flows_kept: Option<Duration>,
}

impl Indexes {
    /// Whether a collection has the collector's index on this id and time.
    pub(super) fn has(&self, collection: &'static str, id: &str) -> bool {
        self.names.contains(&(collection, format!("{id}_1_timestamp_1")))
    }

    /// From when on `trace_logs` has its documents; `None` if it keeps them forever.
    pub(super) fn flows_from(&self) -> Option<Timestamp> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let from = now.checked_sub(self.flows_kept?)?;
        let millis = i64::try_from(from.as_millis()).unwrap_or(i64::MAX);
        Some(Timestamp::from_unix_micros(millis.saturating_mul(1_000)))
    }

    fn add(&mut self, collection: &'static str, index: IndexModel) {
        let Some(options) = index.options else { return };
        let Some(name) = options.name else { return };
        if collection == FLOWS && name == EXPIRY {
            self.flows_kept = options.expire_after;
        }
        self.names.insert((collection, name));
    }

    #[cfg(test)]
    pub(super) fn of(all: &[(&'static str, &str)]) -> Self {
        let names = all.iter().map(|(place, id)| (*place, format!("{id}_1_timestamp_1")));
        Self { names: names.collect(), flows_kept: None }
    }
}

impl Searcher {
    /// The indexes, as they were a moment ago. Of a collection that does not exist, or whose indexes
    /// this user may not list, none: searching by time needs none of them.
    pub(super) async fn indexes(&self) -> Result<Arc<Indexes>, SearchError> {
        let mut known = self.indexes.lock().await;
        if let Some((read, indexes)) = known.as_ref()
            && read.elapsed() < INDEXES_FOR
        {
            return Ok(Arc::clone(indexes));
        }
        let mut all = Indexes::default();
        for name in Level::ALL.map(collection_of).into_iter().chain([FLOWS]) {
            let target = self.database.collection::<Document>(name);
            let listed = self.call(async move {
                let mut cursor = target.list_indexes().max_time(WINDOW_TIME).await?;
                let mut indexes = Vec::new();
                while cursor.advance().await? {
                    indexes.push(cursor.deserialize_current()?);
                }
                Ok(indexes)
            });
            match listed.await {
                Ok(indexes) => indexes.into_iter().for_each(|index| all.add(name, index)),
                Err(error) if error.is_answer() => {}
                Err(error) => return Err(error),
            }
        }
        let indexes = Arc::new(all);
        *known = Some((Instant::now(), Arc::clone(&indexes)));
        Ok(indexes)
    }
}

//! Which records of some rows are counted with them.
//!
//! A record is counted when it leaves its row: stored, or refused by another of its collections. What
//! is parked is counted when it leaves the parked row, which has the mark of the original one.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use gatelog_record::{Decoded, Level, Uuid};

use crate::rollup::{Dimension, Observation};
use crate::store::LogCollection;

/// A document that a row has inserted: the row's index, and the record's id and level, which names
/// the collection. A batch may contain the same record several times; it has one document.
type Key = (usize, Uuid, Level);

/// What is counted so far.
#[derive(Debug, Default)]
pub(super) struct Counted {
    leaving: HashMap<Key, Observation>,
    /// What is parked, and for which collection.
    staying: HashMap<Key, LogCollection>,
    /// The dimensions of what is leaving, each once: a job may hold ten thousand records.
    dimensions: HashSet<Arc<[Dimension]>>,
}

impl Counted {
    /// A record whose document its row has inserted leaves the row.
    pub(super) fn leaves(
        &mut self,
        row: usize,
        record: &Decoded,
        observe: impl FnOnce() -> Option<Observation>,
    ) {
        let key = (row, record.id, record.level);
        if !self.leaving.contains_key(&key)
            && let Some(mut observation) = observe()
        {
            match self.dimensions.get(&observation.dimensions) {
                Some(known) => observation.dimensions = Arc::clone(known),
                None => {
                    self.dimensions.insert(Arc::clone(&observation.dimensions));
                }
            }
            self.leaving.insert(key, observation);
        }
    }

    /// A record is parked; returns for which collection. If its batch has it twice, that is the first
    /// one's for both: two parked rows would each find its document inserted by their common row, and
    /// count it.
    pub(super) fn stays(
        &mut self,
        row: usize,
        record: &Decoded,
        collection: LogCollection,
    ) -> LogCollection {
        match self.staying.entry((row, record.id, record.level)) {
            Entry::Occupied(parked) => *parked.get(),
            Entry::Vacant(place) => *place.insert(collection),
        }
    }

    /// Nothing of a row is parked after all.
    pub(super) fn none_stays(&mut self, row: usize) {
        self.staying.retain(|(of, ..), _| *of != row);
    }

    /// What the rows count, by the row's index. Where the same record leaves and stays, the parked
    /// one is counted: it will be found inserted by the row.
    pub(super) fn take(&mut self) -> Vec<(usize, Observation)> {
        let Self { leaving, staying, .. } = std::mem::take(self);
        let counted = leaving.into_iter().filter(|(key, _)| !staying.contains_key(key));
        counted.map(|((row, ..), observation)| (row, observation)).collect()
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::{DecodeLimits, decode_record};

    use super::*;
    use crate::rollup::Facts;

    fn record(id: u128, level: &str) -> Decoded {
        let line =
            format!(r#"{{"timestamp":"2026-01-26T02:11:57Z","level":"{level}","message":"m"}}"#);
        decode_record(line.as_bytes(), &DecodeLimits::default(), Uuid::from_u128(id)).unwrap()
    }

    fn leaves(counted: &mut Counted, row: usize, record: &Decoded) {
        counted.leaves(row, record, || Observation::of(&Facts::of(record), 1_769_393_700_000));
    }

    #[test]
    fn a_record_that_a_batch_has_twice_is_counted_once_and_each_of_two_levels_once() {
        let mut counted = Counted::default();
        for level in ["INFO", "INFO", "ERROR", "INFO"] {
            leaves(&mut counted, 0, &record(1, level));
        }
        leaves(&mut counted, 1, &record(1, "INFO"));
        let mut rows: Vec<_> = counted.take().into_iter().map(|(row, _)| row).collect();
        rows.sort_unstable();
        assert_eq!(rows, [0, 0, 1]);
        assert!(counted.take().is_empty());
    }

    #[test]
    fn a_record_that_is_parked_once_more_is_counted_with_the_parked_row() {
        let mut counted = Counted::default();
        let one = record(1, "INFO");
        leaves(&mut counted, 0, &one);
        assert_eq!(counted.stays(0, &one, LogCollection::Info), LogCollection::Info);
        leaves(&mut counted, 1, &one);
        assert_eq!(counted.take().into_iter().map(|(row, _)| row).collect::<Vec<_>>(), [1]);
        leaves(&mut counted, 0, &one);
        let again = counted.stays(0, &one, LogCollection::Audit);
        assert_eq!(again, LogCollection::Audit, "what was counted is forgotten");
        assert_eq!(counted.stays(0, &one, LogCollection::Info), again, "where the first one is");
        counted.none_stays(0);
        assert_eq!(counted.take().len(), 1);
    }
}

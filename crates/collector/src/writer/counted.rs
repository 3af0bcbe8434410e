//! Which records of some rows are counted with them.
//!
//! A record is counted when it leaves its row: stored, or refused by another of its collections. What
//! is parked is counted when it leaves the parked row, which has the mark of the original one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use gatelog_record::{Decoded, Level, Uuid};

use crate::rollup::{Facts, Measure, Seen, Tally, Value};
use crate::store::LogCollection;

/// A document that a row has inserted: the record's id and level, which names the collection, and the
/// row's index. A batch may contain the same record several times; it has one document.
type Key = (Uuid, Level, u32);

/// What records have in common that are counted alike: the place of their dimensions, and all that
/// they add but the time, which is 0 here if they have one.
type Kind = (u32, Measure);

/// What is counted so far. A job may hold ten thousand records: each takes 40 bytes here, and little
/// more if it is like another.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// For each record its kind, and its time in µs.
    leaving: HashMap<Key, (u32, u64)>,
    /// What is parked, and for which collection.
    staying: HashMap<Key, LogCollection>,
    seen: Seen,
    kinds: Vec<Kind>,
    /// Where each kind is.
    places: HashMap<Kind, u32>,
}

impl Counted {
    /// A record whose document its row has inserted leaves the row, whose batch arrived at `received`,
    /// in ms since 1970.
    pub(super) fn leaves(&mut self, row: usize, record: &Decoded, received: i64) {
        let Entry::Vacant(vacant) = self.leaving.entry(key(row, record)) else { return };
        let facts = Facts::of(record);
        let Some(mut measure) = Measure::of(&facts, received) else { return };
        let took = measure.took_us.as_mut().map_or(0, std::mem::take);
        let kind = (self.seen.place(&facts), measure);
        let next = u32::try_from(self.kinds.len()).unwrap_or(u32::MAX);
        let place = *self.places.entry(kind).or_insert_with(|| {
            self.kinds.push(kind);
            next
        });
        vacant.insert((place, took));
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
        match self.staying.entry(key(row, record)) {
            Entry::Occupied(parked) => *parked.get(),
            Entry::Vacant(place) => *place.insert(collection),
        }
    }

    /// Nothing of a row is parked after all.
    pub(super) fn none_stays(&mut self, row: usize) {
        let row = index(row);
        self.staying.retain(|(.., of), _| *of != row);
    }

    /// What the rows count, by the row's index. Where the same record leaves and stays, the parked
    /// one is counted: it will be found inserted by the row.
    pub(super) fn take(&mut self) -> HashMap<usize, Tally> {
        let Self { leaving, staying, seen, kinds, .. } = std::mem::take(self);
        let mut sums: HashMap<(u32, u32), Value> = HashMap::new();
        for (key @ (.., row), (place, took)) in leaving {
            let kind = usize::try_from(place).ok().and_then(|place| kinds.get(place));
            if let Some((_, measure)) = kind.filter(|_| !staying.contains_key(&key)) {
                let measure = Measure { took_us: measure.took_us.map(|_| took), ..*measure };
                sums.entry((row, place)).or_default().add(&measure);
            }
        }
        let mut tallies: HashMap<usize, Tally> = HashMap::new();
        for ((row, place), sum) in sums {
            let kind = usize::try_from(place).ok().and_then(|place| kinds.get(place));
            if let (Some((place, measure)), Ok(row)) = (kind, usize::try_from(row)) {
                let tally = tallies.entry(row).or_default();
                tally.add_sum(measure.slot, seen.get(*place), &sum);
            }
        }
        tallies
    }
}

fn key(row: usize, record: &Decoded) -> Key {
    (record.id, record.level, index(row))
}

/// A job has far fewer rows than this can name.
fn index(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use gatelog_record::{DecodeLimits, decode_record};

    use super::*;

    fn record(id: u128, level: &str) -> Decoded {
        let line =
            format!(r#"{{"timestamp":"2026-01-26T02:11:57Z","level":"{level}","message":"m"}}"#);
        decode_record(line.as_bytes(), &DecodeLimits::default(), Uuid::from_u128(id)).unwrap()
    }

    fn leaves(counted: &mut Counted, row: usize, record: &Decoded) {
        counted.leaves(row, record, 1_769_393_700_000);
    }

    /// How many records each row counts.
    fn records(counted: &mut Counted) -> Vec<(usize, u64)> {
        let records =
            |tally: &Tally| tally.iter().map(|(.., value)| value.records).max().unwrap_or(0);
        let tallies = counted.take();
        let mut rows: Vec<_> = tallies.iter().map(|(row, tally)| (*row, records(tally))).collect();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn a_record_that_a_batch_has_twice_is_counted_once_and_each_of_two_levels_once() {
        let mut counted = Counted::default();
        for level in ["INFO", "INFO", "ERROR", "INFO"] {
            leaves(&mut counted, 0, &record(1, level));
        }
        leaves(&mut counted, 1, &record(1, "INFO"));
        assert_eq!(counted.kinds.len(), 2, "one for each level");
        let tallies = counted.take();
        assert_eq!((tallies[&0].len(), tallies[&1].len()), (3, 1), "an error has two families");
        assert!(tallies.values().flat_map(Tally::iter).all(|(.., value)| value.records == 1));
        assert!(counted.take().is_empty());
    }

    #[test]
    fn a_record_that_is_parked_once_more_is_counted_with_the_parked_row() {
        let mut counted = Counted::default();
        let one = record(1, "INFO");
        leaves(&mut counted, 0, &one);
        assert_eq!(counted.stays(0, &one, LogCollection::Info), LogCollection::Info);
        leaves(&mut counted, 1, &one);
        assert_eq!(records(&mut counted), [(1, 1)]);
        leaves(&mut counted, 0, &one);
        let again = counted.stays(0, &one, LogCollection::Audit);
        assert_eq!(again, LogCollection::Audit, "what was counted is forgotten");
        assert_eq!(counted.stays(0, &one, LogCollection::Info), again, "where the first one is");
        counted.none_stays(0);
        assert_eq!(records(&mut counted), [(0, 1)]);
    }
}

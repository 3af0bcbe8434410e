//! Puts what several sources found into one order.

use super::Found;
use crate::key::Key;

/// Records in order, newest first, and how far down nothing is missing.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) records: Vec<Found>,
    pub(super) down_to: Key,
}

/// The newest of all, at most `most`. Below the highest place that any source was cut at, others may
/// still come in between.
pub(super) fn merged(sources: Vec<Records>, most: usize, since: Key) -> Records {
    let mut down_to = sources.iter().map(|source| source.down_to).max().unwrap_or(since);
    let all = sources.into_iter().flat_map(|source| source.records);
    let mut records: Vec<_> = all.filter(|record| record.key >= down_to).collect();
    records.sort_by_key(|record| std::cmp::Reverse(record.key));
    if records.len() > most {
        records.truncate(most);
        down_to = records.last().map_or(down_to, |record| record.key);
    }
    Records { records, down_to }
}

#[cfg(test)]
mod tests {
    use gatelog_record::{Level, Timestamp, Uuid};
    use mongodb::bson::RawDocumentBuf;

    use super::*;

    fn key(at: i64) -> Key {
        Key { at: Timestamp::from_unix_micros(at), id: Uuid::from_u128(1) }
    }

    fn source(keys: &[i64], down_to: i64) -> Records {
        let found =
            |at: &i64| Found { key: key(*at), level: Level::Info, document: RawDocumentBuf::new() };
        Records { records: keys.iter().map(found).collect(), down_to: key(down_to) }
    }

    fn told(records: &Records) -> (Vec<i64>, i64) {
        let keys = records.records.iter().map(|record| record.key.at.unix_micros());
        (keys.collect(), records.down_to.at.unix_micros())
    }

    #[test]
    fn nothing_is_shown_below_where_a_source_was_cut() {
        let sources = vec![source(&[9, 5, 2], 0), source(&[8, 4], 4), source(&[], 0)];
        assert_eq!(told(&merged(sources, 10, key(0))), (vec![9, 8, 5, 4], 4));
        let sources = vec![source(&[9, 5], 0), source(&[8, 4], 0)];
        assert_eq!(told(&merged(sources, 3, key(0))), (vec![9, 8, 5], 5));
        assert_eq!(told(&merged(vec![], 3, key(7))), (vec![], 7));
    }
}

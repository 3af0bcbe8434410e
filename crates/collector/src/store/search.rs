//! Searching `trace_logs`, newest first, and reading the full records of what was found.

use std::collections::HashMap;
use std::time::Duration;

use gatelog_record::{Level, Timestamp, Uuid};
use mongodb::bson::{Binary, Bson, Document, RawDocumentBuf, doc, spec::BinarySubtype};
use mongodb::error::Error;

use super::{Found, LogCollection, Lookup, Store, StoreError, classify};

/// What to search for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The ids that a record must have, all of them.
    pub ids: Vec<(Lookup, String)>,
    /// The least severe level.
    pub from_level: Level,
    /// The first instant, in whole milliseconds.
    pub since: Timestamp,
    /// The first instant that is too late, in whole milliseconds.
    pub until: Timestamp,
}

impl Search {
    /// The filter and the order. With an id, its index has the ids and the times as text; without
    /// one, the index for expiry has the times as dates.
    fn query(&self) -> (Document, Document) {
        let date = |time: Timestamp| mongodb::bson::DateTime::from_millis(time.unix_millis());
        let (mut filter, order) = if self.ids.is_empty() {
            let span = doc! { "$gte": date(self.since), "$lt": date(self.until) };
            (doc! { "created_at": span }, doc! { "created_at": -1 })
        } else {
            let span = doc! { "$gte": self.since.to_string(), "$lt": self.until.to_string() };
            let ids = self.ids.iter().map(|(lookup, id)| (lookup.key().to_owned(), id.into()));
            let mut filter: Document = ids.collect();
            filter.insert("timestamp", span);
            (filter, doc! { "timestamp": -1 })
        };
        if self.from_level > Level::Debug {
            let levels = Level::ALL.into_iter().filter(|level| *level >= self.from_level);
            let levels: Vec<_> = levels.map(Level::as_str).collect();
            filter.insert("level", doc! { "$in": levels });
        }
        (filter, order)
    }
}

impl Store {
    /// The newest documents of `trace_logs` that match, at most `most`. The server searches for at
    /// most `within`.
    ///
    /// # Errors
    ///
    /// The call fails, or takes longer.
    pub async fn newest(
        &self,
        search: &Search,
        most: usize,
        within: Duration,
    ) -> Result<Found, StoreError> {
        let (filter, order) = search.query();
        self.find(filter, order, most, Some(within)).await
    }

    /// The full records with these ids in the collection of `level`.
    ///
    /// # Errors
    ///
    /// The call fails, or takes longer than `within`.
    pub async fn whole(
        &self,
        level: Level,
        ids: &[Uuid],
        within: Duration,
    ) -> Result<HashMap<Uuid, RawDocumentBuf>, StoreError> {
        let ids: Vec<Bson> = ids.iter().map(|id| binary(*id)).collect();
        let target = self.collection(LogCollection::of(level));
        let found = self.call(async move {
            let filter = doc! { "_id": { "$in": ids } };
            let mut cursor = target.find(filter).max_time(within).await?;
            let mut found = HashMap::new();
            while cursor.advance().await? {
                let document = cursor.current();
                if let Ok(id) = document.get_binary("_id")
                    && let Ok(id) = Uuid::from_slice(id.bytes)
                {
                    found.insert(id, document.to_owned());
                }
            }
            Ok::<_, Error>(found)
        });
        found.await?.map_err(|error| classify::of_call(&error))
    }
}

fn binary(id: Uuid) -> Bson {
    let bytes = id.as_bytes().to_vec();
    Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_by_id_uses_times_as_text_and_one_without_uses_dates() {
        let time = |millis: i64| Timestamp::from_unix_micros(millis * 1_000);
        let mut search = Search {
            ids: vec![(Lookup::User, "17".into())],
            from_level: Level::Error,
            since: time(0),
            until: time(1_500),
        };
        let (filter, order) = search.query();
        let span = doc! { "$gte": "1970-01-01T00:00:00.000000+00:00",
        "$lt": "1970-01-01T00:00:01.500000+00:00" };
        let levels = doc! { "$in": ["ERROR", "CRITICAL"] };
        assert_eq!(filter, doc! { "context.user_id": "17", "timestamp": span, "level": levels });
        assert_eq!(order, doc! { "timestamp": -1 });
        search.ids.clear();
        search.from_level = Level::Debug;
        let (filter, order) = search.query();
        let date = mongodb::bson::DateTime::from_millis;
        assert_eq!(filter, doc! { "created_at": { "$gte": date(0), "$lt": date(1_500) } });
        assert_eq!(order, doc! { "created_at": -1 });
    }
}

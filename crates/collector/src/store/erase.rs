//! Finding and deleting the documents of an erasure.
//!
//! A collection with an index by the id is read by it. Any other is read whole, a stretch of `_id`s at
//! a time: that index is always there, covers every document, and makes each call short. What the
//! database finds is compared once more here: a collection's collation may take two values for one.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use gatelog_record::{Decoded, Timestamp};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{self, Binary, Bson, DateTime, Document, RawDocument, doc};
use mongodb::options::Hint;

use super::{LogCollection, Store, StoreError};
use crate::tombstone::Field;

/// How long the server may look through one stretch.
const STRETCH_TIME: Duration = Duration::from_secs(20);

/// Documents in one answer of a search by an index.
pub(crate) const AT_ONCE: usize = 1_000;

/// Documents in one deletion: few enough for a busy server to answer in time.
const DELETED_AT_ONCE: usize = 200;

/// The id of a document.
pub(crate) type Id = bson::Uuid;

/// Which documents are erased.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Matching {
    pub(crate) field: Field,
    pub(crate) value: String,
    pub(crate) until: Timestamp,
}

impl Matching {
    fn filter(&self) -> Document {
        // By the date: it is not compared as a text is. What is later within its millisecond is
        // sorted out below.
        let until = DateTime::from_millis(self.until.unix_millis());
        doc! { self.field.path(): &self.value, "created_at": { "$lte": until } }
    }

    /// The document's id, if it is one of them.
    fn id_of(&self, document: &RawDocument) -> Option<Id> {
        let value = document.get_document("context").ok()?.get_str(self.field.key()).ok()?;
        let timestamp = Timestamp::parse(document.get_str("timestamp").ok()?).ok()?;
        let id = document.get_binary("_id").ok()?;
        let bytes: [u8; 16] = id.bytes.try_into().ok()?;
        (value == self.value && timestamp <= self.until).then(|| Id::from_bytes(bytes))
    }

    fn keys(&self) -> Document {
        doc! { "_id": 1, "timestamp": 1, self.field.path(): 1 }
    }
}

impl Store {
    /// About how many documents a collection has.
    pub(crate) async fn estimate(&self, collection: LogCollection) -> Result<u64, StoreError> {
        let target = self.collection(collection);
        self.run(async move { target.estimated_document_count().await }).await
    }

    /// The id of the last document of a stretch that begins after an id; `None` if fewer are left.
    pub(crate) async fn stretch_end(
        &self,
        collection: LogCollection,
        after: Option<Id>,
        documents: u64,
    ) -> Result<Option<Id>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (target, filter) = (self.collection(collection), between(from, None));
        let found = self.run(async move {
            let one = target.find(filter).sort(doc! { "_id": 1 }).projection(doc! { "_id": 1 });
            let one = one.hint(by_id()).max_time(STRETCH_TIME);
            let mut cursor = one.skip(documents.saturating_sub(1)).limit(1).await?;
            let mut last = None;
            while cursor.advance().await? {
                last = Some(cursor.current().to_owned());
            }
            Ok(last)
        });
        Ok(found.await?.and_then(|last| {
            let bytes: [u8; 16] = last.get_binary("_id").ok()?.bytes.try_into().ok()?;
            Some(Id::from_bytes(bytes))
        }))
    }

    /// The documents of a stretch that are erased.
    pub(crate) async fn matching_in(
        &self,
        collection: LogCollection,
        which: &Matching,
        after: Option<Id>,
        to: Option<Id>,
    ) -> Result<Vec<Id>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut filter = between(from, to);
        filter.extend(which.filter());
        let (target, which) = (self.collection(collection), which.clone());
        self.run(async move {
            let search = target.find(filter).projection(which.keys());
            let mut cursor = search.hint(by_id()).max_time(STRETCH_TIME).await?;
            let mut found = Vec::new();
            while cursor.advance().await? {
                found.extend(which.id_of(cursor.current()));
            }
            Ok(found)
        })
        .await
    }

    /// Up to `limit` documents that are erased, found by an index, oldest first, from a time on,
    /// with their times.
    pub(crate) async fn matching_by(
        &self,
        index: &str,
        collection: LogCollection,
        which: &Matching,
        from: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, Id)>, StoreError> {
        let mut filter = which.filter();
        if let Some(from) = from {
            filter.insert("timestamp", doc! { "$gte": from.to_string() });
        }
        let (target, which) = (self.collection(collection), which.clone());
        let index = Hint::Name(index.to_owned());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.run(async move {
            let search = target.find(filter).projection(which.keys()).sort(doc! { "timestamp": 1 });
            let mut cursor = search.hint(index).limit(limit).max_time(STRETCH_TIME).await?;
            let mut found = Vec::new();
            while cursor.advance().await? {
                let document = cursor.current();
                let at = document.get_str("timestamp").ok().map(Timestamp::parse);
                if let (Some(Ok(at)), Some(id)) = (at, which.id_of(document)) {
                    found.push((at, id));
                }
            }
            Ok(found)
        })
        .await
    }

    /// Deletes documents by their ids; returns how many.
    pub(crate) async fn remove_documents(
        &self,
        collection: LogCollection,
        ids: &[Id],
    ) -> Result<u64, StoreError> {
        let mut removed = 0_u64;
        for some in ids.chunks(DELETED_AT_ONCE) {
            let target = self.collection(collection);
            let filter = doc! { "_id": { "$in": some } };
            let done = self.run(async move { target.delete_many(filter).await }).await?;
            removed = removed.saturating_add(done.deleted_count);
        }
        Ok(removed)
    }

    /// Deletes what may have been inserted of these records, in all their collections; returns how many
    /// documents.
    pub(crate) async fn remove_records(&self, records: &[&Decoded]) -> Result<u64, StoreError> {
        #[cfg(test)]
        if let Some(model) = &self.inner.model {
            return Ok(model.remove(records));
        }
        let mut collections: BTreeMap<LogCollection, Vec<Document>> = BTreeMap::new();
        for record in records {
            for collection in LogCollection::of_record(record) {
                collections.entry(collection).or_default().push(of_record(record));
            }
        }
        let mut removed = 0_u64;
        for (collection, filters) in collections {
            for some in filters.chunks(DELETED_AT_ONCE) {
                let (target, filter) = (self.collection(collection), doc! { "$or": some });
                let done = self.run(async move { target.delete_many(filter).await }).await?;
                removed = removed.saturating_add(done.deleted_count);
            }
        }
        Ok(removed)
    }
}

/// The document of this very record: another record's may have its id.
fn of_record(record: &Decoded) -> Document {
    let mut filter = doc! {
        "_id": Id::from_bytes(record.id.into_bytes()),
        "created_at": DateTime::from_millis(record.timestamp.unix_millis()),
    };
    for field in Field::ALL {
        if let Some(value) = field.of(record) {
            filter.insert(field.path(), value);
        }
    }
    filter
}

fn by_id() -> Hint {
    Hint::Keys(doc! { "_id": 1 })
}

/// Every document of a record has a UUID for its id.
fn between(from: Bound<Id>, to: Option<Id>) -> Document {
    let uuid = |bytes: [u8; 16]| {
        Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes: bytes.to_vec() })
    };
    let (key, from) = match from {
        Bound::Excluded(id) => ("$gt", uuid(id.bytes())),
        _ => ("$gte", uuid([0; 16])),
    };
    let to = uuid(to.map_or([0xff; 16], Id::bytes));
    doc! { "_id": { key: from, "$lte": to } }
}

/// Whether the server or the wait for it gave up: a shorter stretch may succeed.
pub(crate) fn took_too_long(error: &StoreError) -> bool {
    /// `MaxTimeMSExpired`.
    const EXPIRED: i32 = 50;
    match error {
        StoreError::Timeout { .. } => true,
        StoreError::Server(answer) => answer.code == EXPIRED,
        _ => false,
    }
}

//! The collections of erasures: `gatelog_erased`, and `gatelog_erase_key`.
//!
//! ```text
//! gatelog_erased:
//! {_id: "tombstone:<field>:<hash>", field, hash, until: "<timestamp>", key: "<id of the key>",
//!  at: Date, expires_at: Date}
//! {_id: "revision", revision, at: Date}
//! {_id: "collector:<id>", known, stopped, silent_ms, name, letters, pushed: Date, expires_at: Date}
//!
//! gatelog_erase_key:
//! {_id: "key", key: <32 bytes>}
//! ```
//!
//! A revision is counted up after each tombstone that is written. So who has read a revision and then
//! the tombstones knows all tombstones of this revision.

use gatelog_record::Timestamp;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, Document, doc};
use mongodb::options::{
    Acknowledgment, CollectionOptions, IndexOptions, ReadPreference, ReturnDocument,
    SelectionCriteria, WriteConcern,
};
use mongodb::{Collection, IndexModel};

use super::{Store, StoreError};
use crate::tombstone::{Field, Hash, Key, MAX_TOMBSTONES, Tombstone, Tombstones};

/// The collection of tombstones.
pub(crate) const ERASED: &str = "gatelog_erased";

/// The collection of the key by which values are hashed. Who can read it can test which value a hash
/// is of.
pub(crate) const ERASE_KEY: &str = "gatelog_erase_key";

const TOMBSTONE: &str = "tombstone:";
const COLLECTOR: &str = "collector:";
const REVISION: &str = "revision";
const KEY: &str = "key";

/// Tombstones read at most: several `erase` at once may exceed the bound a little.
const READ: usize = MAX_TOMBSTONES + 1_000;

/// Collectors read at most.
const SIGNS: usize = 10_000;

/// How long a collector's sign is kept after the last one, in ms.
const SIGN_KEPT: i64 = 90 * 86_400_000;

/// Why the tombstones cannot be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The call failed.
    Store(StoreError),
    /// A document is not one of a tombstone, or was made by a key that is not there.
    Content(String),
}

impl From<StoreError> for Unreadable {
    fn from(error: StoreError) -> Self {
        Unreadable::Store(error)
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unreadable::Store(error) => error.fmt(f),
            Unreadable::Content(text) => f.write_str(text),
        }
    }
}

/// What a collector says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    /// Its id in the shared accounting.
    pub(crate) collector: String,
    /// Where it runs, for people.
    pub(crate) name: String,
    /// The revision whose tombstones all of its inserts heed; -1 for none.
    pub(crate) known: i64,
    /// After so many ms without a sign none of its inserts is under way.
    pub(crate) silent_ms: i64,
    /// It has ended in order: none of its inserts is under way.
    pub(crate) stopped: bool,
    /// Dead letters that it has deleted for this revision.
    pub(crate) letters: i64,
    /// Whether it counts what it stores, in rollups.
    pub(crate) counts: bool,
    /// When it began, by its own clock, in ms since 1970.
    pub(crate) since: i64,
    /// When it said so, by the server's clock, in ms since 1970; of no matter in what is written.
    pub(crate) at: i64,
}

impl Store {
    fn shared(&self, name: &str) -> Collection<Document> {
        let durable = WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .w_timeout(self.inner.operation_timeout)
            .build();
        let options = CollectionOptions::builder()
            .write_concern(durable)
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .build();
        self.database().collection_with_options(name, options)
    }

    async fn one(&self, collection: &str, id: &str) -> Result<Option<Document>, StoreError> {
        let (collection, filter) = (self.shared(collection), doc! { "_id": id });
        self.run(async move { collection.find_one(filter).await }).await
    }

    async fn all(
        &self,
        collection: &str,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        // `;` comes after `:`, with which every prefix ends.
        let end = format!("{};", prefix.trim_end_matches(':'));
        let filter = doc! { "_id": { "$gte": prefix, "$lt": end } };
        let collection = self.shared(collection);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.run(async move {
            let mut cursor = collection.find(filter).limit(limit).await?;
            let mut found = Vec::new();
            while cursor.advance().await? {
                found.push(cursor.deserialize_current()?);
            }
            Ok(found)
        })
        .await
    }

    /// The current revision; 0 before the first erasure.
    pub(crate) async fn erase_revision(&self) -> Result<i64, StoreError> {
        let found = self.one(ERASED, REVISION).await?;
        Ok(found.as_ref().map_or(0, revision))
    }

    /// All tombstones.
    pub(crate) async fn tombstones(&self) -> Result<Tombstones, Unreadable> {
        let documents = self.all(ERASED, TOMBSTONE, READ.saturating_add(1)).await?;
        if documents.is_empty() {
            return Ok(Tombstones::default());
        }
        if documents.len() > READ {
            let text =
                format!("{ERASED} has more than {READ} tombstones: remove those that expired");
            return Err(Unreadable::Content(text));
        }
        let Some(key) = self.erase_key().await? else {
            let text = format!("{ERASE_KEY} has no key, but {ERASED} has tombstones: restore it");
            return Err(Unreadable::Content(text));
        };
        let id = key.id();
        let read = |document: &Document| tombstone(document, &id);
        let tombstones = documents.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Tombstones::new(key, tombstones))
    }

    /// How many tombstones there are.
    pub(crate) async fn tombstone_count(&self) -> Result<usize, StoreError> {
        Ok(self.all(ERASED, TOMBSTONE, READ).await?.len())
    }

    /// The key, if there is one.
    pub(crate) async fn erase_key(&self) -> Result<Option<Key>, StoreError> {
        let found = self.one(ERASE_KEY, KEY).await?;
        Ok(found.and_then(|found| Key::of(found.get_binary_generic("key").ok()?)))
    }

    /// The key; a new one if there is none.
    pub(crate) async fn erase_key_or_new(&self) -> Result<Key, StoreError> {
        if let Some(key) = self.erase_key().await? {
            return Ok(key);
        }
        let new = Key::generate().ok_or_else(|| StoreError::Driver("no random bits".into()))?;
        let bytes = Binary { subtype: BinarySubtype::Generic, bytes: new.bytes().to_vec() };
        let (collection, filter) = (self.shared(ERASE_KEY), doc! { "_id": KEY });
        // Of two that begin at once, one's key stays.
        let update = doc! { "$setOnInsert": { "key": bytes } };
        self.run(async move { collection.update_one(filter, update).upsert(true).await }).await?;
        let key = self.erase_key().await?;
        key.ok_or_else(|| StoreError::Driver(format!("{ERASE_KEY} has no usable key")))
    }

    /// Writes a tombstone. Where there is one already, the later time counts. Kept until
    /// `expires_at`, in ms since 1970.
    pub(crate) async fn write_tombstone(
        &self,
        tombstone: &Tombstone,
        key: &Key,
        expires_at: i64,
    ) -> Result<(), StoreError> {
        let Tombstone { field, hash, until } = tombstone;
        let id = format!("{TOMBSTONE}{}:{hash}", field.as_str());
        let update = doc! {
            "$set": { "field": field.as_str(), "hash": hash.to_string(), "key": key.id() },
            "$max": { "until": until.to_string(), "expires_at": DateTime::from_millis(expires_at) },
            "$currentDate": { "at": true },
        };
        let collection = self.shared(ERASED);
        let write =
            async move { collection.update_one(doc! { "_id": id }, update).upsert(true).await };
        self.run(write).await.map(drop)
    }

    /// Whether there is a tombstone of this value already.
    pub(crate) async fn has_tombstone(&self, field: Field, hash: Hash) -> Result<bool, StoreError> {
        let id = format!("{TOMBSTONE}{}:{hash}", field.as_str());
        Ok(self.one(ERASED, &id).await?.is_some())
    }

    /// Counts the revision up by `step`. Returns it, and the server's time in ms since 1970.
    pub(crate) async fn step_revision(&self, step: i64) -> Result<(i64, i64), StoreError> {
        let collection = self.shared(ERASED);
        let update = doc! { "$inc": { "revision": step }, "$currentDate": { "at": true } };
        let found = self.run(async move {
            let filter = doc! { "_id": REVISION };
            let change = collection.find_one_and_update(filter, update).upsert(true);
            change.return_document(ReturnDocument::After).await
        });
        let found = found.await?.unwrap_or_default();
        Ok((revision(&found), millis(&found, "at")))
    }

    /// Creates the index by which the server removes what has expired.
    pub(crate) async fn index_erased(&self) -> Result<(), StoreError> {
        let options = IndexOptions::builder().expire_after(std::time::Duration::ZERO).build();
        let index = IndexModel::builder().keys(doc! { "expires_at": 1 }).options(options).build();
        let collection = self.shared(ERASED);
        self.run(async move { collection.create_index(index).await }).await.map(drop)
    }

    /// Says what a collector knows.
    pub(crate) async fn tell_sign(&self, sign: &Sign) -> Result<(), StoreError> {
        let expires_at = crate::clock::now_millis().saturating_add(SIGN_KEPT);
        let update = doc! {
            "$set": {
                "known": sign.known,
                "stopped": sign.stopped,
                "silent_ms": sign.silent_ms,
                "name": &sign.name,
                "letters": sign.letters,
                "counts": sign.counts,
                "since": DateTime::from_millis(sign.since),
                "expires_at": DateTime::from_millis(expires_at),
            },
            "$currentDate": { "pushed": true },
        };
        let id = format!("{COLLECTOR}{}", sign.collector);
        let collection = self.shared(ERASED);
        let write =
            async move { collection.update_one(doc! { "_id": id }, update).upsert(true).await };
        self.run(write).await.map(drop)
    }

    /// What all collectors of the last 90 days said last.
    pub(crate) async fn signs(&self) -> Result<Vec<Sign>, StoreError> {
        let documents = self.all(ERASED, COLLECTOR, SIGNS).await?;
        let sign = |document: &Document| {
            Some(Sign {
                collector: document.get_str("_id").ok()?.strip_prefix(COLLECTOR)?.to_owned(),
                name: document.get_str("name").unwrap_or_default().to_owned(),
                known: document.get_i64("known").unwrap_or(-1),
                silent_ms: document.get_i64("silent_ms").unwrap_or(i64::MAX),
                stopped: document.get_bool("stopped").unwrap_or(false),
                letters: document.get_i64("letters").unwrap_or_default(),
                counts: document.get_bool("counts").unwrap_or(true),
                since: millis(document, "since"),
                at: millis(document, "pushed"),
            })
        };
        Ok(documents.iter().filter_map(sign).collect())
    }
    /// Collectors that said in the shared accounting that they are alive, by their ids, and when, in ms
    /// since 1970: also those of versions that know no tombstones.
    pub(crate) async fn signs_of_accounting(
        &self,
        collection: &str,
        prefix: &str,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let documents = self.all(collection, prefix, SIGNS).await?;
        let sign = |document: &Document| {
            let id = document.get_str("_id").ok()?.strip_prefix(prefix)?.to_owned();
            Some((id, millis(document, "pushed")))
        };
        Ok(documents.iter().filter_map(sign).collect())
    }
}

fn revision(document: &Document) -> i64 {
    // A server may return a small number as an int.
    let small = || document.get_i32(REVISION).map(i64::from);
    document.get_i64(REVISION).or_else(|_| small()).unwrap_or_default()
}

fn millis(document: &Document, key: &str) -> i64 {
    document.get_datetime(key).map_or(0, |date| date.timestamp_millis())
}

fn tombstone(document: &Document, key: &str) -> Result<Tombstone, Unreadable> {
    let id = document.get_str("_id").unwrap_or_default();
    let text = |name: &str| document.get_str(name).ok();
    if text("key") != Some(key) {
        let other = "was made by another key than the one in";
        return Err(Unreadable::Content(format!("{ERASED}: {id} {other} {ERASE_KEY}: restore it")));
    }
    let read = || {
        Some(Tombstone {
            field: Field::named(text("field")?)?,
            hash: Hash::parse(text("hash")?)?,
            until: Timestamp::parse(text("until")?).ok()?,
        })
    };
    read().ok_or_else(|| {
        let why = "is not a tombstone that this version can read: upgrade the collector";
        Unreadable::Content(format!("{ERASED}: {id} {why}"))
    })
}

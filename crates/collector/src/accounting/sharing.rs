//! The accounts that several collectors share, in the database they all write to.
//!
//! Collection `gatelog_accounting`, one document per collector and boot:
//!
//! ```text
//! {_id: "<collector>:<boot>:<gateway>", collector, boot, gateway, pushed: Date, account: BinData}
//! {_id: "alive:<collector>", pushed: Date}
//! ```
//!
//! Each collector writes only its own documents, about its own work, and reads the others'. What
//! another collector has *stored* or quarantined is final. What it has only *accepted* counts while
//! that collector is alive; if the collector is lost with its disk, it becomes missing.
//!
//! Both dates come from the database's clock, so the collectors' clocks do not matter.
//!
//! An account that cannot be shared, or an index that cannot be created, is logged once and does
//! not prevent the others from being shared.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use gatelog_record::Uuid;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc, spec::BinarySubtype};
use mongodb::error::Error;
use mongodb::options::IndexOptions;
use mongodb::{Collection, IndexModel};

use super::account::{Account, BootKey};
use super::ledger::Packed;
use super::legacy;
use super::peers::{Peers, fingerprint};
use crate::metrics::Metrics;
use crate::spool::{Spool, SpoolError};
use crate::store::{Store, StoreError};

/// The collection's name.
pub const COLLECTION: &str = "gatelog_accounting";
/// A collector silent for this long is gone; what it only accepted no longer counts.
pub const GONE_AFTER: Duration = Duration::from_mins(10);
/// Prefix of the ids of heartbeat documents; all other ids begin with a hexadecimal digit.
pub(crate) const ALIVE: &str = "alive:";
/// Documents that are not renewed expire after this time.
const KEPT: Duration = Duration::from_hours(24 * 90);
/// Each round starts reading this long before the last one: documents may become visible late.
const OVERLAP_MILLIS: i64 = 30_000;
/// Maximum documents in memory at once: at 16 KiB each, at most 2 MiB.
const PAGE: usize = 128;
/// Maximum pages per round; the next round reads the rest.
const PAGES: usize = 128;
/// Accounts examined at once.
const PUSH_AT_ONCE: usize = 256;
/// How long one round pushes, at most, before it reads what others pushed: otherwise a database
/// that takes a hundred accounts a second would keep a collector with ten thousand from reading for
/// minutes. The next rounds push the rest.
const PUSH_TIME: Duration = Duration::from_secs(2);
/// Maximum refused accounts remembered: above it they are retried at each change.
const MAX_REFUSED: usize = 1_000;

/// Why accounts could not be shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShareError {
    /// The database.
    Store(StoreError),
    /// This collector's spool.
    Spool(SpoolError),
}

impl std::fmt::Display for ShareError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ShareError::Store(error) => error.fmt(f),
            ShareError::Spool(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ShareError {}

impl From<StoreError> for ShareError {
    fn from(error: StoreError) -> Self {
        ShareError::Store(error)
    }
}

impl From<SpoolError> for ShareError {
    fn from(error: SpoolError) -> Self {
        ShareError::Spool(error)
    }
}

/// A pass over all accounts, in one round or several.
#[derive(Default)]
struct Pass {
    /// The last account examined.
    last: Option<BootKey>,
    /// Accounts that need no push until they change, as in [`Sharing::pushed`].
    known: HashMap<u64, u64>,
}

/// Shares the accounts of one collector.
pub struct Sharing {
    spool: Spool,
    store: Store,
    peers: Peers,
    metrics: Metrics,
    /// What was pushed last, by boot: a hash of the account's content.
    pushed: HashMap<u64, u64>,
    /// The progress of the current pass over all accounts.
    pass: Pass,
    /// Boots whose account was refused.
    refused: HashSet<u64>,
    /// The newest document read.
    newest: Option<DateTime>,
    /// Where the last round stopped, if there was more than one round reads.
    resume: Option<Position>,
    indexed: bool,
    index_refused: bool,
}

/// Where reading continues: after this document.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Position {
    pushed: DateTime,
    id: String,
}

impl Sharing {
    /// Starts with nothing pushed and nothing read.
    pub fn new(spool: Spool, store: Store, peers: Peers, metrics: Metrics) -> Self {
        Self {
            spool,
            store,
            peers,
            metrics,
            pushed: HashMap::new(),
            pass: Pass::default(),
            refused: HashSet::new(),
            newest: None,
            resume: None,
            indexed: false,
            index_refused: false,
        }
    }

    /// Pushes what changed here, and reads what changed elsewhere.
    ///
    /// # Errors
    ///
    /// The database or the spool refuses. The call may be retried.
    pub async fn round(&mut self) -> Result<(), ShareError> {
        self.index().await?;
        self.push().await?;
        let seen = self.signs_of_life().await?;
        self.read().await?;
        self.judge_signs(&seen);
        Ok(())
    }

    fn collection(&self) -> Collection<Document> {
        self.store.database().collection(COLLECTION)
    }

    fn own(&self) -> String {
        self.spool.collector().hyphenated().to_string()
    }

    /// Creates the index used for reading and for removing documents that are no longer renewed.
    /// Without it both cost more, but the results are the same.
    async fn index(&mut self) -> Result<(), ShareError> {
        if self.indexed || self.index_refused {
            return Ok(());
        }
        let collection = self.collection();
        let options = IndexOptions::builder().expire_after(KEPT).build();
        let index = IndexModel::builder().keys(doc! {"pushed": 1}).options(options).build();
        let made = self.call(async move { collection.create_index(index).await.map(drop) }).await;
        match made {
            Ok(()) => self.indexed = true,
            Err(ShareError::Store(error)) if refuses_index(&error) => {
                self.index_refused = true;
                let seconds = KEPT.as_secs();
                tracing::warn!(
                    %error,
                    "{COLLECTION} has no index of this collector's: accounts are shared without it. \
                     Let its user create it (createIndex on {COLLECTION}), or run \
                     db.{COLLECTION}.createIndex({{pushed: 1}}, {{expireAfterSeconds: {seconds}}}); \
                     where there is one with another time, run db.runCommand({{collMod: \
                     \"{COLLECTION}\", index: {{keyPattern: {{pushed: 1}}, expireAfterSeconds: \
                     {seconds}}}}})"
                );
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn push(&mut self) -> Result<(), ShareError> {
        let began = Instant::now();
        loop {
            let some = self.spool.ledger().after(self.pass.last.as_ref(), PUSH_AT_ONCE);
            for (key, packed) in &some {
                let (boot, content) = (fingerprint(key), content(packed));
                if self.pushed.get(&boot) == Some(&content) || self.push_one(key, packed).await? {
                    self.pass.known.insert(boot, content);
                    self.pushed.insert(boot, content);
                }
            }
            match some.last() {
                Some((key, _)) => self.pass.last = Some((**key).clone()),
                None => break,
            }
            // The next round continues from here.
            if began.elapsed() > PUSH_TIME {
                return Ok(());
            }
        }
        // Boots forgotten here are forgotten there too.
        self.pushed = std::mem::take(&mut self.pass).known;
        Ok(())
    }

    /// Returns whether the account needs no further attempt until it changes.
    async fn push_one(&mut self, key: &BootKey, packed: &Packed) -> Result<bool, ShareError> {
        let (collection, own) = (self.collection(), self.own());
        let id = format!("{own}:{}:{}", key.boot.hyphenated(), key.gateway);
        let update = doc! {
            "$set": encode(&own, key, packed),
            "$unset": {"totals": "", "accepted": "", "stored": "", "quarantined": ""},
            "$currentDate": {"pushed": true},
        };
        let call = async move {
            collection.update_one(doc! {"_id": id}, update).upsert(true).await.map(drop)
        };
        match self.call(call).await {
            Ok(()) => {
                self.refused.remove(&fingerprint(key));
                Ok(true)
            }
            Err(ShareError::Store(error)) if about_document(&error) => {
                if self.refused.len() < MAX_REFUSED && self.refused.insert(fingerprint(key)) {
                    tracing::warn!(gateway = key.gateway, boot = %key.boot.hyphenated(), %error,
                        "the account of one boot cannot be shared: other collectors may take its \
                         records for missing; see the server's error for the rule of {COLLECTION} \
                         that it breaks");
                }
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes this collector's heartbeat and reads all heartbeats: the time of the last one, by
    /// collector.
    async fn signs_of_life(&self) -> Result<HashMap<String, DateTime>, ShareError> {
        let (collection, own) = (self.collection(), self.own());
        self.call(async move {
            let update = doc! {"$currentDate": {"pushed": true}};
            let id = format!("{ALIVE}{own}");
            collection.update_one(doc! {"_id": id}, update).upsert(true).await?;
            // Selects this range of the `_id` index.
            let signs = doc! {"_id": {"$gte": ALIVE, "$lt": "alive;"}};
            let mut found = collection.find(signs).await?;
            let mut seen = HashMap::new();
            while found.advance().await? {
                let document = found.deserialize_current()?;
                let id = document.get_str("_id").ok().and_then(|id| id.strip_prefix(ALIVE));
                if let (Some(id), Ok(at)) = (id, document.get_datetime("pushed")) {
                    seen.insert(id.to_owned(), *at);
                }
            }
            Ok(seen)
        })
        .await
    }

    /// Reads what was pushed since the last round, a page at a time. However many documents were
    /// pushed in one millisecond, a page starts after the last document of the previous one.
    async fn read(&mut self) -> Result<(), ShareError> {
        let from = self.newest.map_or(0, DateTime::timestamp_millis).saturating_sub(OVERLAP_MILLIS);
        let pushed = DateTime::from_millis(from.max(0));
        let from = Position { pushed, id: String::new() };
        let mut position = self.resume.take().unwrap_or(from);
        for _ in 0..PAGES {
            let documents = self.page(&position).await?;
            let full = documents.len() == PAGE;
            for document in documents {
                let place = Position::of(&document);
                if let Some((collector, key, account)) = decode(&document) {
                    let evicted = self.peers.put(&collector, &key, &account, &self.spool.ledger());
                    self.metrics.boots_forgotten(evicted);
                }
                let Some(place) = place else { continue };
                self.newest = Some(self.newest.map_or(place.pushed, |at| at.max(place.pushed)));
                position = place;
            }
            if !full {
                return Ok(());
            }
        }
        self.resume = Some(position);
        Ok(())
    }

    async fn page(&self, after: &Position) -> Result<Vec<Document>, ShareError> {
        let (collection, own) = (self.collection(), self.own());
        let query = doc! {
            "pushed": {"$gte": after.pushed},
            "$or": [
                {"pushed": {"$gt": after.pushed}},
                {"pushed": after.pushed, "_id": {"$gt": &after.id}},
            ],
            "collector": {"$gt": "", "$ne": own},
        };
        self.call(async move {
            let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
            let mut found =
                collection.find(query).sort(doc! {"pushed": 1, "_id": 1}).limit(limit).await?;
            let mut documents = Vec::new();
            while found.advance().await? {
                documents.push(found.deserialize_current()?);
            }
            Ok(documents)
        })
        .await
    }

    fn judge_signs(&self, seen: &HashMap<String, DateTime>) {
        let gone_after = i64::try_from(GONE_AFTER.as_millis()).unwrap_or(i64::MAX);
        let now = seen.get(&self.own()).map_or(i64::MIN, |at| at.timestamp_millis());
        let since = now.saturating_sub(gone_after);
        self.peers.set_gone(|collector| {
            seen.get(collector).is_none_or(|at| at.timestamp_millis() < since)
        });
    }

    async fn call<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, ShareError> {
        Ok(self.store.run(call).await?)
    }
}

impl Position {
    fn of(document: &Document) -> Option<Self> {
        let pushed = *document.get_datetime("pushed").ok()?;
        Some(Self { pushed, id: document.get_str("_id").ok()?.to_owned() })
    }
}

/// Whether a retry may succeed later without intervention.
fn passes(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Lookup(_)
            | StoreError::Away(_)
            | StoreError::Timeout { .. }
            | StoreError::NotDurable(_)
            | StoreError::Stopped
    )
}

/// Whether the index itself is refused. A server that does not know the user refuses everything, and
/// that is told elsewhere.
fn refuses_index(error: &StoreError) -> bool {
    !passes(error) && !error.is_away()
}

/// Whether a refused update is due to this one document: it is too large, or violates the
/// collection's validator or an administrator's index.
fn about_document(error: &StoreError) -> bool {
    const CODES: [i32; 8] = [2, 9, 116, 121, 10_334, 11_000, 17_280, 17_419];
    match error {
        StoreError::Server(answer) => CODES.contains(&answer.code),
        StoreError::Driver(_) => true,
        _ => false,
    }
}

/// A hash of an account's content.
fn content(packed: &[u8]) -> u64 {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    BuildHasherDefault::<DefaultHasher>::default().hash_one(packed)
}

fn encode(collector: &str, key: &BootKey, packed: &Packed) -> Document {
    doc! {
        "collector": collector,
        "gateway": &key.gateway,
        "boot": key.boot.hyphenated().to_string(),
        "account": Binary { subtype: BinarySubtype::Generic, bytes: packed.to_vec() },
    }
}

/// `None` if it is not what [`encode`] or an older collector wrote.
pub(super) fn decode(document: &Document) -> Option<(String, BootKey, Account)> {
    let binary = |name| document.get_binary_generic(name).ok().map(Vec::as_slice);
    let key = BootKey {
        gateway: document.get_str("gateway").ok()?.to_owned(),
        boot: Uuid::try_parse(document.get_str("boot").ok()?).ok()?,
    };
    let account = match document.get("account") {
        Some(Bson::Binary(binary)) => Account::unpack(&binary.bytes)?,
        _ => {
            let sets = [binary("accepted")?, binary("stored")?, binary("quarantined")?];
            legacy::account(document.get_str("totals").ok()?, sets)?
        }
    };
    Some((document.get_str("collector").ok()?.to_owned(), key, account))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::{Told, Totals};

    fn key() -> BootKey {
        BootKey { gateway: "edge 7".into(), boot: Uuid::from_u128(7) }
    }

    #[test]
    fn an_account_reads_back_from_its_document() {
        let totals = Totals { assigned: 9, queued: 1, at: 5, ..Totals::default() };
        let mut account = Account { totals, ..Account::default() };
        account.totals.dropped.insert("queue_full".into(), 3);
        account.numbers.accept(1..=6);
        account.numbers.settle(1..=4, Told::New);
        account.numbers.settle(5..=5, Told::Refused);
        let mut document = encode("me", &key(), &account.pack().into());
        assert_eq!(Position::of(&document), None, "never pushed");
        assert_eq!(decode(&document).unwrap(), ("me".to_owned(), key(), account));
        document.insert("account", "junk");
        assert_eq!(decode(&document), None);
    }

    #[test]
    fn an_older_collectors_document_is_understood() {
        // Sets of 1–6, 1–4 and 5, as older versions wrote them: floor, folded, then each range.
        let binary =
            |bytes: &[u8]| Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() };
        let document = doc! {
            "collector": "old", "gateway": "edge 7", "boot": key().boot.to_string(),
            "totals": r#"[9,1,5,{"sampled":1}]"#, "accepted": binary(&[0, 0, 1, 5]),
            "stored": binary(&[0, 0, 1, 3]), "quarantined": binary(&[0, 0, 5, 0]),
        };
        let (_, _, account) = decode(&document).unwrap();
        let statement = account.statement(0);
        assert_eq!((statement.stored, statement.quarantined, statement.spooled), (4, 1, 1));
        assert_eq!((statement.dropped, statement.queued, statement.missing), (1, 1, 1));
    }

    #[test]
    fn what_an_older_collector_had_folded_is_unknown_and_not_missing() {
        // Accepted: 900 of 1,000; stored: 700 of 800; each folded at its own floor.
        let totals = "[1000,0,5,{}]";
        let sets = [&[232, 7, 132, 7][..], &[160, 6, 188, 5], &[0, 0]];
        let statement = legacy::account(totals, sets).unwrap().statement(0);
        assert_eq!((statement.stored, statement.unknown, statement.missing), (700, 300, 0));
    }
}

//! The accounts that several collectors share, in the database they all write to.
//!
//! Collection `gatelog_accounting`, one document a collector and boot:
//!
//! ```text
//! {_id: "<collector>:<boot>:<gateway>", collector, boot, gateway, pushed: Date,
//!  totals: "[assigned, queued, at, {reason: count}]", accepted, stored, quarantined: BinData}
//! {_id: "alive:<collector>", pushed: Date}
//! ```
//!
//! Each collector writes only its own documents, and reads the others'. What another one has
//! *stored* or put to its dead letters is final: it is taken into the own account too, so that
//! the own sets stay whole ranges although a load balancer deals the batches out. What another
//! one has only *accepted* counts as long as that collector shows signs of life; of one that is
//! gone with its disk, it becomes missing.
//!
//! Both dates are the database's clock, so the collectors' own do not matter.

use std::collections::HashMap;
use std::time::Duration;

use gatelog_record::Uuid;
use mongodb::bson::{Binary, DateTime, Document, doc, spec::BinarySubtype};
use mongodb::error::Error;
use mongodb::options::IndexOptions;
use mongodb::{Collection, IndexModel};

use super::account::{Account, BootKey, Totals};
use super::intervals::Intervals;
use super::ledger::MAX_BOOTS;
use super::peers::Peers;
use crate::spool::{Spool, SpoolError};
use crate::store::{Store, StoreError};

/// The collection's name.
pub const COLLECTION: &str = "gatelog_accounting";
/// A collector that gave no sign of life for so long is gone; what it accepted counts no more.
pub const GONE_AFTER: Duration = Duration::from_mins(10);
/// What the ids of signs of life begin with; the others begin with a hexadecimal digit.
const ALIVE: &str = "alive:";
/// Documents that nobody renewed go after so long.
const KEPT: Duration = Duration::from_hours(24 * 90);
/// Each reading begins this long before the last one: documents may become visible late.
const OVERLAP_MILLIS: i64 = 30_000;
/// Most documents of one reading; the rest comes with the next.
const READ_AT_ONCE: i64 = 1_000;
/// Most accounts of others that are kept.
const MAX_FOREIGN: usize = 4 * MAX_BOOTS;

/// Why accounts were not shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShareError {
    /// The database.
    Store(StoreError),
    /// The own spool.
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

/// Shares the accounts of one collector.
pub struct Sharing {
    spool: Spool,
    store: Store,
    peers: Peers,
    /// What was pushed last, by boot: `touched` of the account.
    pushed: HashMap<BootKey, i64>,
    foreign: HashMap<(String, BootKey), Account>,
    /// Where the next reading begins.
    read_from: Option<DateTime>,
    indexed: bool,
}

impl Sharing {
    /// Begins with nothing pushed and nothing read.
    pub fn new(spool: Spool, store: Store, peers: Peers) -> Self {
        Self {
            spool,
            store,
            peers,
            pushed: HashMap::new(),
            foreign: HashMap::new(),
            read_from: None,
            indexed: false,
        }
    }

    /// Pushes what changed here, and reads what changed elsewhere.
    ///
    /// # Errors
    ///
    /// The database or the spool refuses. The same may be tried again.
    pub async fn round(&mut self) -> Result<(), ShareError> {
        if !self.indexed {
            self.index().await?;
            self.indexed = true;
        }
        self.push().await?;
        let seen = self.signs_of_life().await?;
        self.read().await?;
        self.adopt().await?;
        self.publish(&seen);
        Ok(())
    }

    fn collection(&self) -> Collection<Document> {
        self.store.database().collection(COLLECTION)
    }

    fn own(&self) -> String {
        self.spool.collector().hyphenated().to_string()
    }

    async fn index(&self) -> Result<(), ShareError> {
        let collection = self.collection();
        let options = IndexOptions::builder().expire_after(KEPT).build();
        let index = IndexModel::builder().keys(doc! {"pushed": 1}).options(options).build();
        self.call(async move { collection.create_index(index).await.map(drop) }).await
    }

    async fn push(&mut self) -> Result<(), ShareError> {
        let changed: Vec<_> = self
            .spool
            .ledger()
            .iter()
            .filter(|(key, account)| self.pushed.get(*key) != Some(&account.touched))
            .map(|(key, account)| (key.clone(), account.clone()))
            .collect();
        for (key, account) in changed {
            let collection = self.collection();
            let own = self.own();
            let id = format!("{own}:{}:{}", key.boot.hyphenated(), key.gateway);
            let update =
                doc! {"$set": encode(&own, &key, &account), "$currentDate": {"pushed": true}};
            self.call(async move {
                collection.update_one(doc! {"_id": id}, update).upsert(true).await.map(drop)
            })
            .await?;
            self.pushed.insert(key, account.touched);
        }
        if self.pushed.len() > MAX_BOOTS {
            let ledger = self.spool.ledger();
            self.pushed.retain(|key, _| ledger.get(key).is_some());
        }
        Ok(())
    }

    /// Gives one, and reads all: by collector, when it gave its last one.
    async fn signs_of_life(&self) -> Result<HashMap<String, DateTime>, ShareError> {
        let (collection, own) = (self.collection(), self.own());
        self.call(async move {
            let update = doc! {"$currentDate": {"pushed": true}};
            let id = format!("{ALIVE}{own}");
            collection.update_one(doc! {"_id": id}, update).upsert(true).await?;
            // Of the index on `_id`, the range of these.
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

    async fn read(&mut self) -> Result<(), ShareError> {
        let (collection, own) = (self.collection(), self.own());
        let from = self.read_from.unwrap_or(DateTime::from_millis(0));
        let documents = self
            .call(async move {
                let query = doc! {"pushed": {"$gte": from}, "collector": {"$gt": "", "$ne": own}};
                let mut found =
                    collection.find(query).sort(doc! {"pushed": 1}).limit(READ_AT_ONCE).await?;
                let mut documents = Vec::new();
                while found.advance().await? {
                    documents.push(found.deserialize_current()?);
                }
                Ok(documents)
            })
            .await?;
        for document in documents {
            let Some((collector, key, account, pushed)) = decode(&document) else { continue };
            if self.foreign.len() < MAX_FOREIGN {
                self.foreign.insert((collector, key), account);
            }
            let from = pushed.timestamp_millis().saturating_sub(OVERLAP_MILLIS);
            let from = DateTime::from_millis(from);
            self.read_from = Some(self.read_from.map_or(from, |known| known.max(from)));
        }
        Ok(())
    }

    /// Takes what is final elsewhere into the own accounts, of boots that are known here.
    async fn adopt(&self) -> Result<(), ShareError> {
        let mut news: Vec<(BootKey, Account)> = Vec::new();
        {
            let ledger = self.spool.ledger();
            for ((_, key), account) in &self.foreign {
                let Some(own) = ledger.get(key) else { continue };
                let mut united = own.clone();
                take_final(&mut united, account);
                if united != *own {
                    news.push((key.clone(), account.clone()));
                }
            }
        }
        if news.is_empty() {
            return Ok(());
        }
        let edit = move |edit: &mut super::Edit, ledger: &super::Ledger| {
            for (key, account) in &news {
                take_final(edit.account(ledger, key, crate::clock::now_millis()), account);
            }
        };
        Ok(self.spool.account(edit).await?)
    }

    fn publish(&self, seen: &HashMap<String, DateTime>) {
        let gone_after = i64::try_from(GONE_AFTER.as_millis()).unwrap_or(i64::MAX);
        let now = seen.get(&self.own()).map_or(i64::MIN, |at| at.timestamp_millis());
        let lives = |collector: &str| {
            seen.get(collector)
                .is_some_and(|at| at.timestamp_millis() >= now.saturating_sub(gone_after))
        };
        let mut united: HashMap<BootKey, Account> = HashMap::new();
        for ((collector, key), account) in &self.foreign {
            let mut account = account.clone();
            if !lives(collector) {
                account.accepted = account.stored.clone();
                account.accepted.union(&account.quarantined);
            }
            united.entry(key.clone()).or_default().union(&account);
        }
        self.peers.replace(united);
    }

    async fn call<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, ShareError> {
        Ok(self.store.run(call).await?)
    }
}

fn take_final(account: &mut Account, other: &Account) {
    account.totals.advance(&other.totals);
    for set in [&other.stored, &other.quarantined] {
        account.accepted.union(set);
    }
    account.stored.union(&other.stored);
    account.quarantined.union(&other.quarantined);
}

fn encode(collector: &str, key: &BootKey, account: &Account) -> Document {
    let binary = |set: &Intervals| Binary { subtype: BinarySubtype::Generic, bytes: set.encode() };
    doc! {
        "collector": collector,
        "gateway": &key.gateway,
        "boot": key.boot.hyphenated().to_string(),
        "totals": account.totals.encode(),
        "accepted": binary(&account.accepted),
        "stored": binary(&account.stored),
        "quarantined": binary(&account.quarantined),
    }
}

/// Nothing, when it is not what [`encode`] wrote.
fn decode(document: &Document) -> Option<(String, BootKey, Account, DateTime)> {
    let set = |name| Intervals::decode(document.get_binary_generic(name).ok()?);
    let key = BootKey {
        gateway: document.get_str("gateway").ok()?.to_owned(),
        boot: Uuid::try_parse(document.get_str("boot").ok()?).ok()?,
    };
    let account = Account {
        totals: Totals::decode(document.get_str("totals").ok()?),
        accepted: set("accepted")?,
        stored: set("stored")?,
        quarantined: set("quarantined")?,
        ..Account::default()
    };
    let collector = document.get_str("collector").ok()?.to_owned();
    Some((collector, key, account, *document.get_datetime("pushed").ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_reads_back_from_its_document() {
        let key = BootKey { gateway: "edge 7".into(), boot: Uuid::from_u128(7) };
        let totals = Totals { assigned: 9, queued: 1, at: 5, ..Totals::default() };
        let mut account = Account { totals, ..Account::default() };
        account.totals.dropped.insert("sampled".into(), 3);
        account.accepted.insert(1..=6);
        account.stored.insert(1..=4);
        account.quarantined.insert(5..=5);
        let mut document = encode("me", &key, &account);
        assert_eq!(decode(&document), None, "never pushed");
        document.insert("pushed", DateTime::from_millis(77));
        let read = decode(&document).unwrap();
        assert_eq!(read, ("me".to_owned(), key, account, DateTime::from_millis(77)));
        document.insert("stored", "junk");
        assert_eq!(decode(&document), None);
    }
}

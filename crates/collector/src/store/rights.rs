//! Determines the user's rights by exercising them, with the commands that `serve` sends.
//!
//! A command that would change something is sent in an impossible form (creating an index of an
//! unknown type, or dropping an index that does not exist): a server reports that error only to a
//! user who has the right. Inserting cannot be tested that way: it inserts one small document,
//! dated so that it expires within a minute, and removes it immediately if the user may.

use std::collections::BTreeSet;

use mongodb::bson::{Bson, DateTime, Document, doc};

use super::tombstones::{ERASE_KEY, ERASED};
use super::{LogCollection, Store, StoreError};

/// The id of the inserted document, and the name of the requested index.
const PROBE: &str = "gatelog-check";
/// `AtlasError`: Atlas returns this when a user lacks a right.
const ATLAS: i32 = 8_000;
/// `CommandNotSupportedOnView`.
const VIEW: i32 = 166;
/// `DuplicateKey`: the document is left over from an earlier check. `DocumentValidationFailure`:
/// validators are the administrator's responsibility.
const INSERTED_ALL_THE_SAME: [i32; 2] = [11_000, 121];

/// The rights that the user lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// The user and its authentication database as the server knows them; `None` without a login.
    pub user: Option<(String, String)>,
    /// MongoDB's names for the missing rights.
    pub missing: BTreeSet<&'static str>,
    /// The collections on which they are missing.
    pub collections: BTreeSet<&'static str>,
}

impl Rights {
    /// What an administrator can run to grant all missing rights in this database.
    pub fn grant(&self, database: &str) -> Option<String> {
        let (user, of) = self.user.as_ref()?;
        let role = |role: &str| format!("{{role: {role:?}, db: {database:?}}}");
        let mut roles = Vec::new();
        if self.missing.iter().any(|right| *right != "collMod") {
            roles.push(role("readWrite"));
        }
        if self.missing.contains("collMod") {
            roles.push(role("dbAdmin"));
        }
        let roles = roles.join(", ");
        Some(format!("db.getSiblingDB({of:?}).grantRolesToUser({user:?}, [{roles}])"))
    }
}

impl Store {
    /// Tests every right that `serve` needs, on every record collection and on those that the
    /// collectors share.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, rejects the login, or refuses to write for a reason other than
    /// a missing right.
    pub async fn rights(&self, others: &[&'static str]) -> Result<Rights, StoreError> {
        let records =
            LogCollection::ALL.map(LogCollection::as_str).map(|name| (name, records(name)));
        let others = others.iter().map(|name| (*name, shared(name)));
        let tombstones = [
            (ERASED, vec![Probe::asking("find", find(ERASED)), update(ERASED)]),
            (ERASE_KEY, vec![Probe::asking("find", find(ERASE_KEY))]),
        ];
        self.exercise(records.into_iter().chain(others).chain(tombstones)).await
    }

    /// Tests every right that `erase` needs: to write only if it may remove what it writes.
    ///
    /// # Errors
    ///
    /// As [`rights`](Self::rights).
    pub(crate) async fn rights_to_erase(&self) -> Result<Rights, StoreError> {
        let records = LogCollection::ALL.map(LogCollection::as_str);
        let own = [ERASED, ERASE_KEY];
        let looking = |name| (name, vec![Probe::asking("find", find(name)), remove(name)]);
        let rights = self.exercise(records.into_iter().chain(own).map(looking)).await?;
        if !rights.missing.is_empty() {
            return Ok(rights);
        }
        let audit = [LogCollection::Info, LogCollection::Audit].map(LogCollection::as_str);
        let written = audit.map(|name| (name, vec![insert(name)]));
        let updated = own.map(|name| (name, vec![update(name)]));
        self.exercise(written.into_iter().chain(updated)).await
    }

    async fn exercise(
        &self,
        all: impl Iterator<Item = (&'static str, Vec<Probe>)>,
    ) -> Result<Rights, StoreError> {
        let mut rights = Rights { user: self.user().await?, ..Rights::default() };
        for (collection, probes) in all {
            for Probe { right, command, writes } in probes {
                if !self.may(command, writes).await? {
                    rights.missing.insert(right);
                    rights.collections.insert(collection);
                }
            }
            // Only if the user may; otherwise expiry removes it.
            self.may(remove(collection).command, false).await?;
        }
        Ok(rights)
    }

    /// The logged-in user.
    async fn user(&self) -> Result<Option<(String, String)>, StoreError> {
        let answer = match self.answer(doc! { "connectionStatus": 1 }).await {
            Ok(answer) => answer,
            // Some servers report this only to logged-in users.
            Err(error) if error.lacks_a_right() => return Ok(None),
            Err(error) => return Err(error),
        };
        let users =
            answer.get_document("authInfo").and_then(|info| info.get_array("authenticatedUsers"));
        let user = users.ok().and_then(|users| users.first()).and_then(Bson::as_document);
        Ok(user.and_then(|user| {
            Some((user.get_str("user").ok()?.to_owned(), user.get_str("db").ok()?.to_owned()))
        }))
    }

    /// Whether the server lets the user run this. Other errors matter only for writes.
    async fn may(&self, command: Document, writes: bool) -> Result<bool, StoreError> {
        match self.answer(command).await {
            Ok(answer) if writes => written(&answer).map(|()| true),
            Ok(_) => Ok(true),
            Err(error) if error.lacks_a_right() => Ok(false),
            Err(StoreError::Server(answer)) if answer.code == ATLAS => Ok(false),
            Err(StoreError::Server(answer)) if !writes || answer.code == VIEW => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn answer(&self, command: Document) -> Result<Document, StoreError> {
        let database = self.database().clone();
        self.run(async move { database.run_command(command).await }).await
    }
}

struct Probe {
    right: &'static str,
    command: Document,
    writes: bool,
}

impl Probe {
    fn asking(right: &'static str, command: Document) -> Self {
        Self { right, command, writes: false }
    }

    fn writing(right: &'static str, mut command: Document) -> Self {
        command.insert("writeConcern", doc! { "w": "majority", "j": true });
        Self { right, command, writes: true }
    }
}

/// The probes for a record collection.
fn records(collection: &str) -> Vec<Probe> {
    vec![
        Probe::asking("find", find(collection)),
        insert(collection),
        Probe::asking("listIndexes", doc! { "listIndexes": collection }),
        Probe::asking("createIndex", create_index(collection)),
        Probe::asking("dropIndex", doc! { "dropIndexes": collection, "index": PROBE }),
        Probe::asking("collMod", doc! { "collMod": collection }),
    ]
}

/// The probes for a collection that the collectors share.
fn shared(collection: &str) -> Vec<Probe> {
    vec![
        Probe::asking("find", find(collection)),
        update(collection),
        Probe::asking("createIndex", create_index(collection)),
    ]
}

fn insert(collection: &str) -> Probe {
    let document = doc! { "_id": PROBE, "created_at": DateTime::from_millis(0) };
    Probe::writing("insert", doc! { "insert": collection, "documents": [document] })
}

fn update(collection: &str) -> Probe {
    let dated = doc! { "expires_at": DateTime::from_millis(0) };
    let write = doc! { "$currentDate": { "pushed": true }, "$set": dated };
    let update = doc! { "q": { "_id": PROBE }, "u": write, "upsert": true };
    Probe::writing("update", doc! { "update": collection, "updates": [update] })
}

/// Deletes what a probe has written.
fn remove(collection: &str) -> Probe {
    let tidy = doc! { "q": { "_id": PROBE }, "limit": 1 };
    Probe::asking("remove", doc! { "delete": collection, "deletes": [tidy] })
}

fn find(collection: &str) -> Document {
    doc! { "find": collection, "filter": { "_id": PROBE }, "limit": 1 }
}

fn create_index(collection: &str) -> Document {
    doc! { "createIndexes": collection, "indexes": [{ "key": { PROBE: PROBE }, "name": PROBE }] }
}

/// Whether the write succeeded.
fn written(answer: &Document) -> Result<(), StoreError> {
    let fault = |error: &Document| super::Answer {
        code: error.get_i32("code").unwrap_or_default(),
        name: error.get_str("codeName").unwrap_or_default().to_owned(),
        message: error.get_str("errmsg").unwrap_or_default().to_owned(),
    };
    if let Ok(error) = answer.get_document("writeConcernError") {
        return Err(StoreError::NotDurable(fault(error)));
    }
    let errors = answer.get_array("writeErrors").ok();
    match errors.and_then(|errors| errors.first()).and_then(Bson::as_document).map(fault) {
        Some(answer) if !INSERTED_ALL_THE_SAME.contains(&answer.code) => {
            Err(StoreError::Server(answer))
        }
        _ => Ok(()),
    }
}

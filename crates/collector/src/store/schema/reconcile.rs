//! Brings the indexes of new and existing collections into their intended state, and reports every
//! change.
//!
//! Safe to repeat, and for several collectors at once. Each collection and each index is handled
//! separately: a problem with one does not prevent the others from being set. An index that serves
//! the same queries is left as it is; a conflicting one is reported, never removed. Only what this
//! program created is changed or removed (see [`plan`]): its expiry index, whose removal only
//! delays expiry until the new one is built, indexes that a newer one has replaced, and those of
//! look-ups that are switched off.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};

use super::change::{Action, Change};
use super::found::Found;
use super::indexes::{self, Index};
use super::plan::{Step, finds_all, is_exactly, plan};
use super::retention::Period;
use crate::store::{LogCollection, Store, StoreError, classify};

/// How long to wait for an index on a large collection. The server continues to build it
/// afterwards, and the next reconciliation joins in.
const BUILD_WAIT: Duration = Duration::from_hours(1);

const NAMESPACE_NOT_FOUND: i32 = 26;
const INDEX_NOT_FOUND: i32 = 27;
const COMMAND_NOT_SUPPORTED_ON_VIEW: i32 = 166;

/// Error codes of `createIndexes` and `collMod` that indicate a conflict: `IllegalOperation`,
/// `CannotCreateIndex`, `InvalidOptions`, `IndexOptionsConflict`, `IndexKeySpecsConflict`,
/// `InvalidIndexSpecificationOption`.
const IN_THE_WAY: [i32; 6] = [20, 67, 72, 85, 86, 197];

impl Store {
    /// Creates what the collections lack and changes what differs, one by one.
    pub async fn reconcile(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for collection in LogCollection::ALL {
            changes.extend(self.reconcile_collection(collection).await);
        }
        changes
    }

    /// Creates what one collection lacks and changes what differs. The changes also list what could
    /// not be done, and why.
    pub async fn reconcile_collection(&self, collection: LogCollection) -> Vec<Change> {
        let wanted = self.wanted(collection);
        let whole = |action| vec![Change { collection, index: None, action }];
        let existing = match self.list_indexes(collection).await {
            Ok(existing) => existing,
            Err(error) if error.lacks_a_right() => {
                let command = mongosh(&create(collection, &wanted));
                return whole(Action::Denied { right: "listIndexes", command });
            }
            Err(StoreError::Server(answer)) if answer.code == COMMAND_NOT_SUPPORTED_ON_VIEW => {
                return whole(view(collection));
            }
            Err(error) => return whole(Action::Failed(error)),
        };
        let mut changes = Vec::new();
        for index in &wanted {
            let action = self.settle(collection, index, &existing).await;
            let settled = matches!(action, None | Some(Action::Created));
            let named = |name: String, action| Change { collection, index: Some(name), action };
            changes.extend(action.map(|action| named(index.name(), action)));
            let retired = index.retired().filter(|_| settled);
            if let Some(old) = retired.filter(|old| existing.iter().any(|it| is_exactly(old, it))) {
                let done = Action::Removed { replaced_by: index.name() };
                let action = match self.remove(collection, &old.name()).await {
                    Ok(()) => done,
                    Err(refused) => refused,
                };
                changes.push(named(old.name(), action));
            }
        }
        changes.extend(self.drop_switched_off(collection, &existing).await);
        changes
    }

    /// Drops the indexes of look-ups that are switched off: they would still cost every insert.
    async fn drop_switched_off(
        &self,
        collection: LogCollection,
        existing: &[Found],
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for index in indexes::switched_off(collection, &self.inner.lookups) {
            if existing.iter().any(|found| is_exactly(&index, found)) {
                let name = index.name();
                let removed = self.remove(collection, &name).await;
                let action = removed.map_or_else(|refused| refused, |()| Action::SwitchedOff);
                changes.push(Change { collection, index: Some(name), action });
            }
        }
        changes
    }

    /// Reports what prevents one collection from getting its indexes, without changing anything:
    /// the same obstacles that [`reconcile`](Self::reconcile) would encounter.
    ///
    /// # Errors
    ///
    /// The indexes cannot be listed.
    pub async fn obstacles(&self, collection: LogCollection) -> Result<Vec<Change>, StoreError> {
        let existing = match self.list_indexes(collection).await {
            Ok(existing) => existing,
            Err(StoreError::Server(answer)) if answer.code == COMMAND_NOT_SUPPORTED_ON_VIEW => {
                return Ok(vec![Change { collection, index: None, action: view(collection) }]);
            }
            Err(error) => return Err(error),
        };
        let wanted = self.wanted(collection);
        let taken = wanted.iter().filter(|index| plan(index, &existing) == Step::Taken);
        Ok(taken
            .map(|index| Change {
                collection,
                index: Some(index.name()),
                action: taken_by(collection, &index.name()),
            })
            .collect())
    }

    /// The name of the index that finds a collection's documents by an id, if it has one.
    pub(crate) async fn index_by(
        &self,
        collection: LogCollection,
        id: &str,
    ) -> Result<Option<String>, StoreError> {
        let by_id = Index::by_id(id);
        let found = self.list_indexes(collection).await?;
        Ok(found.into_iter().find(|found| finds_all(&by_id, found)).map(|found| found.name))
    }

    async fn list_indexes(&self, collection: LogCollection) -> Result<Vec<Found>, StoreError> {
        let database = self.database().clone();
        let listed = self.call(async move {
            let command = doc! { "listIndexes": collection.as_str() };
            let mut cursor = database.run_cursor_command(command).await?;
            let mut indexes = Vec::new();
            while cursor.advance().await? {
                // Converted directly, not through serde: that way no content of an index is
                // unreadable.
                indexes.push(Found::read(&Document::try_from(cursor.current())?));
            }
            Ok::<_, Error>(indexes)
        });
        match listed.await? {
            Ok(indexes) => Ok(indexes),
            Err(error) if code(&error) == Some(NAMESPACE_NOT_FOUND) => Ok(Vec::new()),
            Err(error) => Err(classify::of_call(&error)),
        }
    }

    /// Compares one index with what exists, and acts on the difference.
    async fn settle(
        &self,
        collection: LogCollection,
        wanted: &Index,
        existing: &[Found],
    ) -> Option<Action> {
        let name = wanted.name();
        let done = match plan(wanted, existing) {
            Step::Nothing => return None,
            Step::Taken => Ok(taken_by(collection, &name)),
            Step::Make { beside } => self
                .make(collection, wanted, beside.as_deref().unwrap_or(&name))
                .await
                .map(|()| Action::Created),
            Step::Period { from, to } => {
                let command = modify(collection, &name, to);
                self.administer("collMod", command, collection, &name)
                    .await
                    .map(|()| Action::Retention { from, to })
            }
            Step::Remake { period } => match self.remove(collection, &name).await {
                Ok(()) => {
                    self.make(collection, wanted, &name).await.map(|()| Action::Rebuilt { period })
                }
                Err(refused) => Err(refused),
            },
        };
        Some(done.unwrap_or_else(|refused| refused))
    }

    /// `rival` is the index to remove if the server cannot create this one.
    async fn make(
        &self,
        collection: LogCollection,
        wanted: &Index,
        rival: &str,
    ) -> Result<(), Action> {
        let command = create(collection, std::slice::from_ref(wanted));
        self.administer("createIndex", command, collection, rival).await
    }

    async fn remove(&self, collection: LogCollection, index: &str) -> Result<(), Action> {
        let command = remove(collection, index);
        match self.administer("dropIndex", command, collection, index).await {
            // Another collector was faster.
            Err(Action::Failed(StoreError::Server(answer))) if answer.code == INDEX_NOT_FOUND => {
                Ok(())
            }
            done => done,
        }
    }

    /// Runs a command that needs `right`. A refusal is returned as what to report: the command for
    /// an administrator, or `rival` as the conflicting index.
    async fn administer(
        &self,
        right: &'static str,
        command: Document,
        collection: LogCollection,
        rival: &str,
    ) -> Result<(), Action> {
        let (database, sent) = (self.database().clone(), command.clone());
        let answer = self.call_within(BUILD_WAIT, async move { database.run_command(sent).await });
        let error = match answer.await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => classify::of_call(&error),
            Err(error) => error,
        };
        Err(match error {
            error if error.lacks_a_right() => Action::Denied { right, command: mongosh(&command) },
            StoreError::Server(answer) if answer.code == COMMAND_NOT_SUPPORTED_ON_VIEW => {
                view(collection)
            }
            StoreError::Server(answer) if IN_THE_WAY.contains(&answer.code) => Action::Clash {
                found: format!("\"{rival}\" conflicts with it: {answer}"),
                command: mongosh(&remove(collection, rival)),
            },
            error => Action::Failed(error),
        })
    }

    fn wanted(&self, collection: LogCollection) -> Vec<Index> {
        indexes::wanted(collection, &self.inner.retention, &self.inner.lookups)
    }
}

fn code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

fn taken_by(collection: LogCollection, name: &str) -> Action {
    Action::Clash {
        found: format!("\"{name}\" exists with other keys or options"),
        command: mongosh(&remove(collection, name)),
    }
}

fn view(collection: LogCollection) -> Action {
    Action::Clash {
        found: "a view with the collection's name exists, and accepts no records".into(),
        command: mongosh(&doc! { "drop": collection.as_str() }),
    }
}

fn create(collection: LogCollection, wanted: &[Index]) -> Document {
    let specs: Vec<_> = wanted.iter().map(Index::spec).collect();
    doc! { "createIndexes": collection.as_str(), "indexes": specs }
}

fn modify(collection: LogCollection, index: &str, to: Period) -> Document {
    let seconds = i32::try_from(to.seconds()).unwrap_or(i32::MAX);
    doc! {
        "collMod": collection.as_str(),
        "index": { "name": index, "expireAfterSeconds": seconds },
    }
}

fn remove(collection: LogCollection, index: &str) -> Document {
    doc! { "dropIndexes": collection.as_str(), "index": index }
}

/// A command as typed in `mongosh`.
fn mongosh(command: &Document) -> String {
    format!("db.runCommand({command})")
}

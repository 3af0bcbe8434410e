//! Brings the indexes of new and of existing collections to what they should be, and tells every
//! change.
//!
//! Safe to repeat, and for several collectors at once. An index that serves the same queries is
//! left as it is; one that is in the way is reported, never removed, except the index for expiry,
//! which is this program's own: removing it only puts expiry off until the new one is built.

use std::fmt;
use std::time::Duration;

use mongodb::IndexModel;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};

use super::indexes::{self, Index};
use super::retention::{Period, Retention};
use crate::store::{LogCollection, Store, StoreError, classify};

/// How long to wait for an index on a large collection. The server goes on building it after,
/// and the next reconciliation joins in.
const BUILD_WAIT: Duration = Duration::from_hours(1);

/// What was changed about an index, or could not be.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where.
    pub collection: LogCollection,
    /// The index's name.
    pub index: String,
    /// What.
    pub action: Action,
}

/// The kind of a [`Change`].
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The index was made.
    Created,
    /// Records are kept for another period from now on, those that are there included.
    Retention {
        /// The period until now; none when there was no expiry.
        from: Option<Period>,
        /// The period from now on.
        to: Period,
    },
    /// The index for expiry was made anew with other options.
    Rebuilt {
        /// How long after the index's date records are kept.
        period: Period,
    },
    /// An index with other options, or the collection itself, is in the way.
    Clash {
        /// What is in the way.
        found: String,
        /// What an administrator can run to make room.
        command: String,
    },
    /// The user may not do it.
    Denied {
        /// What an administrator can run instead.
        command: String,
    },
}

impl Change {
    /// Whether somebody has to do something about it.
    pub const fn needs_action(&self) -> bool {
        matches!(self.action, Action::Clash { .. } | Action::Denied { .. })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (collection, index) = (self.collection.as_str(), &self.index);
        match &self.action {
            Action::Created => write!(f, "{collection}: index {index} created"),
            Action::Retention { from: Some(from), to } => {
                write!(f, "{collection}: records are kept for {to}, until now {from}")
            }
            Action::Retention { from: None, to } => {
                write!(f, "{collection}: records are kept for {to}, until now without end")
            }
            Action::Rebuilt { period } if period.seconds() == 0 => {
                write!(f, "{collection}: index {index} made anew")
            }
            Action::Rebuilt { period } => write!(
                f,
                "{collection}: index {index} made anew, records are kept for {period}, those with \
                 a date of their own until then"
            ),
            Action::Clash { found, command } => write!(
                f,
                "{collection}: index {index} cannot be made, {found}; to make room run {command}"
            ),
            Action::Denied { command } => write!(
                f,
                "{collection}: index {index} cannot be set, the user lacks the right; \
                 as an administrator run {command}"
            ),
        }
    }
}

impl Store {
    /// Makes what is missing and mends what differs. What cannot be done for want of rights, or
    /// because something is in the way, stands among the changes; an error means that the rest
    /// was not looked at, and to try again.
    pub async fn reconcile(&self) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::new();
        for collection in LogCollection::ALL {
            let existing = self.list_indexes(collection).await;
            for wanted in indexes::wanted(collection, self.retention()) {
                let action = match &existing {
                    Ok(existing) => self.settle(collection, &wanted, existing).await,
                    Err(error) => Err(error.clone()),
                };
                let action = match action {
                    Ok(action) => action,
                    Err(StoreError::Denied(_)) => {
                        Some(Action::Denied { command: mongosh(&create(collection, &wanted)) })
                    }
                    Err(error) => return Err(error),
                };
                changes.extend(action.map(|action| Change {
                    collection,
                    index: wanted.name(),
                    action,
                }));
            }
        }
        Ok(changes)
    }

    async fn list_indexes(&self, collection: LogCollection) -> Result<Vec<IndexModel>, StoreError> {
        let target = self.collection(collection);
        let listed = self.call(async move {
            let mut cursor = target.list_indexes().await?;
            let mut indexes = Vec::new();
            while cursor.advance().await? {
                indexes.push(cursor.deserialize_current()?);
            }
            Ok::<_, Error>(indexes)
        });
        match listed.await? {
            Ok(indexes) => Ok(indexes),
            Err(error) if code(&error) == Some(NAMESPACE_NOT_FOUND) => Ok(Vec::new()),
            Err(error) => Err(classify::of_call(&error)),
        }
    }

    /// Compares one index with what is there, and acts on the difference.
    async fn settle(
        &self,
        collection: LogCollection,
        wanted: &Index,
        existing: &[IndexModel],
    ) -> Result<Option<Action>, StoreError> {
        let same_keys = |found: &&IndexModel| keys_equal(&found.keys, &wanted.keys);
        let Some(found) = existing.iter().find(same_keys) else {
            return self.make(collection, wanted, Action::Created).await.map(Some);
        };
        let name = found.options.as_ref().and_then(|options| options.name.clone());
        let name = name.unwrap_or_else(|| wanted.name());
        match compare(wanted, found) {
            Difference::None => Ok(None),
            Difference::Period { from, to } => {
                let command = modify(collection, &name, to);
                let answer = self.administer(command.clone(), BUILD_WAIT).await;
                match answer {
                    Ok(()) => Ok(Some(Action::Retention { from, to })),
                    Err(StoreError::Denied(_)) => {
                        Ok(Some(Action::Denied { command: mongosh(&command) }))
                    }
                    Err(error) => Err(error),
                }
            }
            Difference::Expiry { period } => {
                match self.administer(remove(collection, &name), BUILD_WAIT).await {
                    Ok(()) => {}
                    Err(StoreError::Server(answer)) if answer.code == INDEX_NOT_FOUND => {}
                    Err(error) => return Err(error),
                }
                self.make(collection, wanted, Action::Rebuilt { period }).await.map(Some)
            }
            Difference::Options => Ok(Some(Action::Clash {
                found: format!("\"{name}\" has the same keys and other options"),
                command: mongosh(&remove(collection, &name)),
            })),
        }
    }

    async fn make(
        &self,
        collection: LogCollection,
        wanted: &Index,
        made: Action,
    ) -> Result<Action, StoreError> {
        match self.administer(create(collection, wanted), BUILD_WAIT).await {
            Ok(()) => Ok(made),
            Err(StoreError::Server(answer)) if IN_THE_WAY.contains(&answer.code) => {
                Ok(Action::Clash {
                    found: answer.to_string(),
                    command: mongosh(&remove(collection, &wanted.name())),
                })
            }
            Err(error) => Err(error),
        }
    }

    async fn administer(&self, command: Document, wait: Duration) -> Result<(), StoreError> {
        let database = self.database().clone();
        let answer = self.call_within(wait, async move { database.run_command(command).await });
        answer.await?.map(drop).map_err(|error| classify::of_call(&error))
    }

    fn retention(&self) -> &Retention {
        &self.inner.retention
    }
}

const NAMESPACE_NOT_FOUND: i32 = 26;
const INDEX_NOT_FOUND: i32 = 27;

/// What `createIndexes` answers when something is in the way: `IllegalOperation`,
/// `CannotCreateIndex`, `InvalidOptions`, `IndexOptionsConflict`, `IndexKeySpecsConflict`,
/// `CommandNotSupportedOnView`, `InvalidIndexSpecificationOption`.
const IN_THE_WAY: [i32; 7] = [20, 67, 72, 85, 86, 166, 197];

fn code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

/// How an index that is there differs from the one wanted.
#[derive(Debug, PartialEq)]
enum Difference {
    None,
    Period {
        from: Option<Period>,
        to: Period,
    },
    /// Other options than a period, of an index for expiry.
    Expiry {
        period: Period,
    },
    Options,
}

fn compare(wanted: &Index, found: &IndexModel) -> Difference {
    let options = found.options.clone().unwrap_or_default();
    let unusable = options.hidden == Some(true)
        || options.collation.is_some()
        || options.sparse.unwrap_or(false) != wanted.sparse;
    // For looking up, an index of all records serves where one of some is wanted. For expiry, one
    // that spares the records with a date of their own serves where none need be spared.
    let narrower = match (&wanted.filter, &options.partial_filter_expression) {
        (_, None) => wanted.expire_after.is_some() && wanted.filter.is_some(),
        (None, Some(found)) => {
            wanted.expire_after.is_none() || *found != doc! { "expires_at": Bson::Null }
        }
        (Some(wanted), Some(found)) => wanted != found,
    };
    let from = options.expire_after.and_then(|found| u32::try_from(found.as_secs()).ok());
    let from = from.map(Period::from_seconds);
    match wanted.expire_after.map(Period::from_seconds) {
        Some(period) if unusable || narrower => Difference::Expiry { period },
        None if unusable || narrower => Difference::Options,
        Some(to) if from != Some(to) => Difference::Period { from, to },
        _ => Difference::None,
    }
}

/// Keys and directions alike, whatever type of number a direction was written as.
fn keys_equal(one: &Document, other: &Document) -> bool {
    let direction = |value: &Bson| match value {
        Bson::Int32(value) => Some(f64::from(*value)),
        #[expect(clippy::cast_precision_loss, reason = "a direction is 1 or -1")]
        Bson::Int64(value) => Some(*value as f64),
        Bson::Double(value) => Some(*value),
        _ => None,
    };
    one.len() == other.len()
        && one.iter().zip(other).all(|((a, x), (b, y))| a == b && direction(x) == direction(y))
}

fn create(collection: LogCollection, wanted: &Index) -> Document {
    doc! { "createIndexes": collection.as_str(), "indexes": [wanted.spec()] }
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

/// A command as it is typed in `mongosh`.
fn mongosh(command: &Document) -> String {
    format!("db.runCommand({command})")
}

//! The indexes that every collection should have.
//!
//! Each costs every insert, so there is one for expiry, and one for every documented query.
//! Those that only some records are looked up by hold only these: a partial index takes no
//! entry of a record that lies outside its filter.

use mongodb::bson::{Bson, Document, doc};

use super::retention::Retention;
use crate::store::LogCollection;

/// Operations faster than this, in milliseconds, are not in the index of slow ones.
pub(super) const SLOW_INDEX_FROM_MS: f64 = 100.0;

/// An index as it should be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Index {
    pub(super) keys: Document,
    /// Seconds after the date that a document is removed.
    pub(super) expire_after: Option<u32>,
    pub(super) filter: Option<Document>,
    pub(super) sparse: bool,
    /// The keys that earlier versions gave it: such an index is removed once this one is there.
    pub(super) replaces: Option<Document>,
}

impl Index {
    pub(super) const fn of(keys: Document) -> Self {
        Self { keys, expire_after: None, filter: None, sparse: false, replaces: None }
    }

    /// What it was in earlier versions.
    pub(super) fn retired(&self) -> Option<Self> {
        let keys = self.replaces.clone()?;
        Some(Self { keys, replaces: None, ..self.clone() })
    }

    /// The filter of an index for expiry that leaves records with a date of their own alone.
    pub(super) fn spares_dated() -> Document {
        doc! { "expires_at": Bson::Null }
    }

    /// The name that MongoDB itself would give it: `created_at_1`.
    pub(super) fn name(&self) -> String {
        let parts = self.keys.iter().map(|(key, direction)| format!("{key}_{direction}"));
        parts.collect::<Vec<_>>().join("_")
    }

    /// An entry of the command `createIndexes`.
    pub(super) fn spec(&self) -> Document {
        let mut spec = doc! { "key": self.keys.clone(), "name": self.name() };
        if let Some(seconds) = self.expire_after {
            spec.insert("expireAfterSeconds", i32::try_from(seconds).unwrap_or(i32::MAX));
        }
        if let Some(filter) = &self.filter {
            spec.insert("partialFilterExpression", filter.clone());
        }
        if self.sparse {
            spec.insert("sparse", true);
        }
        spec
    }
}

/// The indexes of one collection, the one for expiry first.
pub(super) fn wanted(collection: LogCollection, retention: &Retention) -> Vec<Index> {
    let mut indexes = vec![expiry(collection, retention)];
    if retention.has_own(collection) {
        // The records of organizations with their own period carry the date itself.
        indexes.push(Index {
            expire_after: Some(0),
            sparse: true,
            ..Index::of(doc! { "expires_at": 1 })
        });
    }
    indexes.extend(match collection {
        LogCollection::Debug => vec![],
        LogCollection::Info => vec![
            known("context.conversation_id"),
            Index {
                filter: Some(doc! { "trace.execution_time_ms": { "$gte": SLOW_INDEX_FROM_MS } }),
                ..Index::of(doc! { "trace.execution_time_ms": 1 })
            },
        ],
        LogCollection::Warning | LogCollection::Audit => vec![organization()],
        LogCollection::Error | LogCollection::Critical => vec![organization(), latest()],
        LogCollection::Trace => {
            vec![Index::of(doc! { "context.correlation_id": 1, "timestamp": 1 })]
        }
    });
    indexes
}

/// Counts from `created_at`. Where an organization keeps its records for longer, those with a
/// date of their own must be left alone.
fn expiry(collection: LogCollection, retention: &Retention) -> Index {
    Index {
        expire_after: Some(retention.of(collection).seconds()),
        filter: retention.has_longer(collection).then(Index::spares_dated),
        ..Index::of(doc! { "created_at": 1 })
    }
}

// Ascending all of them: an index is read in both directions, and one implementation answers a
// range on a descending one wrongly. Earlier versions made two of them descending.

fn organization() -> Index {
    let replaces = Some(doc! { "context.organization_id": 1, "timestamp": -1 });
    Index { replaces, ..known("context.organization_id") }
}

fn latest() -> Index {
    Index { replaces: Some(doc! { "timestamp": -1 }), ..Index::of(doc! { "timestamp": 1 }) }
}

/// By an id, then by time; only the records whose id is known.
fn known(id: &str) -> Index {
    // No id is empty, and text compares with text only: so this says "is known", in a form that
    // the planner sees any search for one id to fall under.
    let filter = Some(doc! { id: { "$gt": "" } });
    Index { filter, ..Index::of(doc! { id: 1, "timestamp": 1 }) }
}

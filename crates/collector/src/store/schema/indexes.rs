//! The indexes that every collection should have.
//!
//! Each index slows down every insert, so there is one for expiry, and one for every documented
//! query. Indexes that are used to look up only some records contain only those: a partial index
//! has no entry for a record that does not match its filter.

use mongodb::bson::{Bson, Document, doc};

use super::retention::Retention;
use crate::store::{LogCollection, Lookup, Lookups};

/// Operations faster than this, in milliseconds, are not in the index of slow operations.
pub(super) const SLOW_INDEX_FROM_MS: f64 = 100.0;

/// The intended definition of an index.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Index {
    pub(super) keys: Document,
    /// How many seconds after the date a document is removed.
    pub(super) expire_after: Option<u32>,
    pub(super) filter: Option<Document>,
    pub(super) sparse: bool,
    /// The keys that earlier versions used: such an index is removed once this one exists.
    pub(super) replaces: Option<Document>,
}

impl Index {
    pub(super) const fn of(keys: Document) -> Self {
        Self { keys, expire_after: None, filter: None, sparse: false, replaces: None }
    }

    /// Its definition in earlier versions.
    pub(super) fn retired(&self) -> Option<Self> {
        let keys = self.replaces.clone()?;
        Some(Self { keys, replaces: None, ..self.clone() })
    }

    /// By an id, then by time; only records that have the id.
    pub(super) fn by_id(id: &str) -> Self {
        // No id is empty, and strings compare only with strings. So this means "has the id", in a form
        // that lets the planner use the index for any search by a single id.
        let filter = Some(doc! { id: { "$gt": "" } });
        Self { filter, ..Self::of(doc! { id: 1, "timestamp": 1 }) }
    }

    /// The filter of an expiry index that excludes records with their own expiry date.
    pub(super) fn spares_dated() -> Document {
        doc! { "expires_at": Bson::Null }
    }

    /// MongoDB's default name for it: `created_at_1`.
    pub(super) fn name(&self) -> String {
        let parts = self.keys.iter().map(|(key, direction)| format!("{key}_{direction}"));
        parts.collect::<Vec<_>>().join("_")
    }

    /// Its entry in a `createIndexes` command.
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

/// The indexes of one collection, with the expiry index first.
pub(super) fn wanted(
    collection: LogCollection,
    retention: &Retention,
    lookups: &Lookups,
) -> Vec<Index> {
    let mut indexes = vec![expiry(collection, retention)];
    if retention.has_own(collection) {
        // Records of organizations with their own period carry the expiry date themselves.
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
            let flow = Index::of(doc! { "context.correlation_id": 1, "timestamp": 1 });
            let on = Lookup::ALL.into_iter().filter(|lookup| lookups.has(*lookup));
            [flow].into_iter().chain(on.map(for_lookup)).collect()
        }
    });
    indexes
}

/// The indexes of look-ups that are switched off.
pub(super) fn switched_off(collection: LogCollection, lookups: &Lookups) -> Vec<Index> {
    let off = Lookup::ALL.into_iter().filter(|lookup| !lookups.has(*lookup));
    if collection == LogCollection::Trace { off.map(for_lookup).collect() } else { Vec::new() }
}

fn for_lookup(lookup: Lookup) -> Index {
    match lookup {
        // Nearly every record has one, so a filter would save nothing.
        Lookup::Request => Index::of(doc! { lookup.key(): 1, "timestamp": 1 }),
        Lookup::User | Lookup::Organization | Lookup::Conversation => known(lookup.key()),
    }
}

/// Expires records relative to `created_at`. If an organization keeps its records longer, records
/// with their own date must be excluded.
fn expiry(collection: LogCollection, retention: &Retention) -> Index {
    Index {
        expire_after: Some(retention.of(collection).seconds()),
        filter: retention.has_longer(collection).then(Index::spares_dated),
        ..Index::of(doc! { "created_at": 1 })
    }
}

// All of them ascending: an index can be read in both directions, and one implementation returns
// wrong results for a range on a descending index. Earlier versions made two of them descending.

fn organization() -> Index {
    let replaces = Some(doc! { "context.organization_id": 1, "timestamp": -1 });
    Index { replaces, ..known("context.organization_id") }
}

fn latest() -> Index {
    Index { replaces: Some(doc! { "timestamp": -1 }), ..Index::of(doc! { "timestamp": 1 }) }
}

fn known(id: &str) -> Index {
    Index::by_id(id)
}

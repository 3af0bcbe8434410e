//! The key of a document that an index orders by time.

use gatelog_record::Timestamp;
use mongodb::bson::{Bson, DateTime, Document, doc};

use crate::key::Key;
use crate::select::uuid;

/// By which of its two times a collection is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    /// The date, in milliseconds: the index for expiry, which every collection has.
    Date,
    /// The text, in microseconds: an index that begins with an id.
    Text,
}

/// The order of places, newest first.
pub(super) fn newest_first() -> Document {
    doc! { "timestamp": -1, "_id": -1 }
}

/// In front of a place.
pub(super) fn before(key: Key) -> Document {
    let at = key.at.to_string();
    doc! { "$or": [
        { "timestamp": { "$lt": &at } },
        { "timestamp": &at, "_id": { "$lt": uuid(key.id) } },
    ] }
}

impl Axis {
    const fn name(self) -> &'static str {
        match self {
            Axis::Date => "created_at",
            Axis::Text => "timestamp",
        }
    }

    /// The first instant with the same value on this axis.
    pub(super) fn floor(self, at: Timestamp) -> Timestamp {
        match self {
            Axis::Date => Timestamp::from_unix_micros(at.unix_millis().saturating_mul(1_000)),
            Axis::Text => at,
        }
    }

    fn value(self, at: Timestamp) -> Bson {
        match self {
            Axis::Date => DateTime::from_millis(at.unix_millis()).into(),
            Axis::Text => at.to_string().into(),
        }
    }

    /// Documents of this very instant. As a range: there are servers that search an index of two keys by a range of
    /// the second, but not by its value.
    pub(super) fn at(self, at: Timestamp) -> Document {
        doc! { self.name(): { "$gte": self.value(at), "$lte": self.value(at) } }
    }

    /// Documents of a time, without its end.
    pub(super) fn within(self, since: Timestamp, until: Timestamp) -> Document {
        doc! { self.name(): { "$gte": self.value(since), "$lt": self.value(until) } }
    }

    /// The order that the index has, newest first.
    pub(super) fn order(self) -> Document {
        doc! { self.name(): -1 }
    }
}

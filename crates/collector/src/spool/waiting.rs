//! Counts of what waits in the spool.

use std::collections::BTreeMap;

/// What waits in the spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Rows.
    pub rows: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes that count against the bound.
    pub bytes: u64,
    /// When the oldest row was accepted, in milliseconds since the epoch.
    pub oldest: Option<i64>,
}

/// What is parked, by the collection it waits for.
pub type Parked = BTreeMap<String, Waiting>;

impl Waiting {
    pub(super) fn add(&mut self, row: Counted) {
        self.rows += 1;
        self.records = self.records.saturating_add(row.records);
        self.bytes = self.bytes.saturating_add(row.bytes);
    }

    pub(super) fn remove(&mut self, row: Counted) {
        self.rows = self.rows.saturating_sub(1);
        self.records = self.records.saturating_sub(row.records);
        self.bytes = self.bytes.saturating_sub(row.bytes);
    }

    /// Adds what waits elsewhere.
    pub(super) fn and(self, other: &Self) -> Self {
        Self {
            rows: self.rows.saturating_add(other.rows),
            records: self.records.saturating_add(other.records),
            bytes: self.bytes.saturating_add(other.bytes),
            oldest: self.oldest.into_iter().chain(other.oldest).min(),
        }
    }
}

/// How much one row adds to the waiting counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) records: u64,
    pub(super) bytes: u64,
}

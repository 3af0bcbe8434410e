//! Batches in the spool: accepted, waiting as rows, settled or parked.

use gatelog_record::Uuid;

use super::letters::DeadLetter;
use crate::accounting::{BootKey, Seqs, Totals, Unnumbered};
use crate::rollup::Tally;

/// An accepted batch as stored in the spool, or the rest of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The batch's number: rows are read in this order, and a number is never reused.
    pub id: i64,
    /// The collection that these records wait for, if the batch's other records are settled.
    pub parked: Option<String>,
    /// When it was accepted, in milliseconds since the epoch.
    pub received: i64,
    /// The number of lines in its body.
    pub records: u64,
    /// The boots and sequence numbers of the numbered records.
    pub seqs: Seqs,
    /// Whether the body matches its checksum.
    pub intact: bool,
    /// Records, one per line.
    pub body: Vec<u8>,
}

/// A batch to be made durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Append {
    /// Records that can be decoded and have an id, one per line.
    pub body: Vec<u8>,
    /// The number of lines in the body.
    pub records: u64,
    /// Their sequence numbers.
    pub seqs: Seqs,
    /// Lines that are not valid records.
    pub letters: Vec<DeadLetter>,
    /// Sequence numbers of those lines, as far as they could be read.
    pub quarantined: Seqs,
    /// How many records and lines have no sequence number.
    pub unnumbered: Unnumbered,
    /// The sender's own totals.
    pub totals: Option<(BootKey, Totals)>,
}

/// A finished row, except for its rests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettledRow {
    /// The batch's number.
    pub id: i64,
    /// The collection that the row was parked for; none for a whole batch.
    pub parked: Option<String>,
    /// Whether its body differs from what was written. If so, its numbers are missing from now on,
    /// whatever else is reported about it: its letter is there for inspection, and a replay
    /// recovers its records.
    pub damaged: bool,
    /// Records that the database refused permanently.
    pub letters: Vec<DeadLetter>,
    /// Their sequence numbers. A number that is neither here, nor stored, nor in a rest is missing
    /// from now on.
    pub quarantined: Seqs,
    /// Records that keep waiting, at most one rest per collection. When the row is deleted, each
    /// becomes a separate row that its collection [reads](super::Spool::read_parked).
    pub rests: Vec<Rest>,
    /// What is counted with the row: records that leave it, and whose document it inserted.
    pub tally: Tally,
}

impl SettledRow {
    /// The row, with nothing refused and nothing left over.
    pub fn of(row: &Row) -> Self {
        Self { id: row.id, parked: row.parked.clone(), damaged: !row.intact, ..Self::default() }
    }
}

/// The rest of a row: records whose collection is not accepting them at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// The collection's name.
    pub collection: String,
    /// How many records.
    pub records: u64,
    /// Their sequence numbers.
    pub seqs: Seqs,
    /// Their lines as in the row, one per line.
    pub body: Vec<u8>,
}

/// The outcome of some rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The file from which they were read.
    pub generation: u64,
    /// The rows: each of their records is in the database, among the row's letters or in its rests.
    pub rows: Vec<SettledRow>,
    /// Sequence numbers of records that the database has stored.
    pub stored: Seqs,
    /// Of records that it already had and that this collector may have sent before.
    pub again: Seqs,
    /// Of records that it already had from another collector.
    pub elsewhere: Seqs,
}

/// Rows as read, and the file they are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// To be passed back when they are settled.
    pub generation: u64,
    /// The file's id.
    pub file: Uuid,
    /// The rows, in order.
    pub rows: Vec<Row>,
}

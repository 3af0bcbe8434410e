//! How many records go into one insert.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::spool::Row;

/// Maximum bytes of lines in one insert.
pub const CHUNK_BYTES: usize = 1 << 20;

/// Maximum memory for the decoded records of one insert, approximate, in bytes.
pub const CHUNK_MEMORY: usize = 4 << 20;

/// Approximate memory that a value takes in addition to its text: most values have a key.
const VALUE_BYTES: usize = 128;

/// Number of records in the first insert. A collector that is killed repeatedly leaves the database
/// with running inserts that no client waits for, and sends the same records again: small first
/// inserts keep these from piling up.
const FIRST_RECORDS: usize = 100;

/// The number of records that the database can insert in time: small at first, halved when an
/// insert was too slow, increased by an eighth when one succeeded.
pub(super) struct Pace {
    records: AtomicUsize,
    most: usize,
}

impl Pace {
    pub(super) fn new(most: usize) -> Self {
        Self { records: AtomicUsize::new(FIRST_RECORDS.min(most)), most }
    }

    pub(super) fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    pub(super) fn slower(&self) {
        self.records.store((self.records() / 2).max(1), Ordering::Relaxed);
    }

    pub(super) fn faster(&self) {
        let now = self.records();
        let more = now.saturating_add((now / 8).max(1)).min(self.most);
        self.records.store(more, Ordering::Relaxed);
    }
}

/// A line's location: its row, and its position in the row's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    row: usize,
    bytes: Range<usize>,
    values: usize,
}

impl Line {
    /// Its text, without the line feed.
    pub fn of<'a>(&self, rows: &'a [Row]) -> &'a [u8] {
        rows.get(self.row).and_then(|row| row.body.get(self.bytes.clone())).unwrap_or_default()
    }

    /// The index of its row.
    pub fn row(&self) -> usize {
        self.row
    }

    /// Approximate memory that its decoded record takes, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes.len().saturating_add(self.values.saturating_mul(VALUE_BYTES))
    }
}

/// The maximum number of values in a line: commas in strings count too.
fn values(line: &[u8]) -> usize {
    line.iter().filter(|byte| matches!(byte, b',' | b'{' | b'[')).count()
}

/// The locations of the rows' lines; rows with a damaged body have none.
pub fn lines(rows: &[Row]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, row) in rows.iter().enumerate().filter(|(_, row)| row.intact) {
        let mut start = 0_usize;
        for line in row.body.split_inclusive(|byte| *byte == b'\n') {
            let end = start.saturating_add(line.len());
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            if !text.is_empty() {
                let bytes = start..start.saturating_add(text.len());
                lines.push(Line { row: index, bytes, values: values(text) });
            }
            start = end;
        }
    }
    lines
}

/// How many of the lines go into the next insert: at most `records`, and at least one.
pub fn take(lines: &[Line], records: usize) -> usize {
    let (mut bytes, mut memory) = (0_usize, 0_usize);
    let fits = |line: &&Line| {
        bytes = bytes.saturating_add(line.bytes.len());
        memory = memory.saturating_add(line.memory());
        bytes <= CHUNK_BYTES && memory <= CHUNK_MEMORY
    };
    lines.iter().take(records).take_while(fits).count().max(1).min(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::Seqs;

    fn row(body: &str, intact: bool) -> Row {
        let body = body.as_bytes().to_vec();
        Row { id: 1, parked: None, received: 0, records: 0, seqs: Seqs::default(), intact, body }
    }

    #[test]
    fn lines_are_found_in_every_sound_row() {
        let rows = [row("one\ntwo\n", true), row("damaged\n", false), row("three", true)];
        let lines = lines(&rows);
        let found: Vec<_> = lines.iter().map(|line| line.of(&rows)).collect();
        assert_eq!(found, [&b"one"[..], b"two", b"three"]);
    }

    #[test]
    fn an_insert_keeps_its_bounds_but_takes_at_least_one_line() {
        let big = "x".repeat(CHUNK_BYTES / 2 + 1);
        let rows = [row(&format!("{big}\n{big}\na\nb\n"), true)];
        let lines = lines(&rows);
        assert_eq!(take(&lines, 10), 1);
        assert_eq!(take(&lines[2..], 1), 1);
        assert_eq!(take(&lines[2..], 10), 2);
        assert_eq!(take(&[], 10), 0);
    }

    #[test]
    fn records_of_many_values_are_inserted_in_smaller_numbers() {
        let of_values = "0,".repeat(CHUNK_MEMORY / VALUE_BYTES / 10);
        let rows = [row(&format!("{of_values}\n").repeat(20), true)];
        let lines = lines(&rows);
        assert!(rows[0].body.len() < CHUNK_BYTES);
        assert_eq!((lines.len(), take(&lines, 1_000)), (20, 9));
    }

    #[test]
    fn the_pace_halves_and_grows_within_its_bounds() {
        let pace = Pace::new(1_000);
        assert_eq!(pace.records(), 100);
        assert_eq!(Pace::new(7).records(), 7);
        pace.slower();
        assert_eq!(pace.records(), 50);
        for _ in 0..20 {
            pace.slower();
        }
        assert_eq!(pace.records(), 1);
        for _ in 0..100 {
            pace.faster();
        }
        assert_eq!(pace.records(), 1_000);
    }
}

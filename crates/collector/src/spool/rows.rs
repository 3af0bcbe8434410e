//! Reading rows, past those that the disk cannot read.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::batch::Row;
use super::database;
use super::error::{SpoolError, SpoolErrorKind};
use super::letters::unsigned;
use crate::accounting::Seqs;

/// What is read, and in which order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// Whole batches, by their numbers.
    Whole,
    /// What is parked for a collection, by the numbers of the batches.
    Parked(&'a str),
    /// All that is parked, as it lies.
    EveryParked,
}

impl<'a> Source<'a> {
    /// Table and key.
    fn table(self) -> (&'static str, &'static str) {
        match self {
            Source::Whole => ("batch", "id"),
            Source::Parked(_) => ("parked", "batch"),
            Source::EveryParked => ("parked", "id"),
        }
    }

    /// Number and collection of its rows.
    fn names(self) -> &'static str {
        match self {
            Source::Whole => "id, NULL",
            Source::Parked(_) | Source::EveryParked => "batch, collection",
        }
    }

    pub(super) fn collection(self) -> Option<&'a str> {
        match self {
            Source::Parked(collection) => Some(collection),
            Source::Whole | Source::EveryParked => None,
        }
    }

    /// `?1` is a key, `?2` the collection.
    fn only(self) -> &'static str {
        match self.collection() {
            Some(_) => "collection = ?2",
            None => "?2 IS NULL",
        }
    }
}

/// Which rows to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// Of what.
    pub(super) source: Source<'a>,
    /// Only those after this key.
    pub(super) after: i64,
    /// Until they have so many bytes of bodies, but at least one.
    pub(super) bytes: usize,
    /// No more than these.
    pub(super) rows: usize,
}

/// What was found of the wanted rows.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In order.
    pub(super) rows: Vec<Row>,
    /// Keys that were passed over: first and last of each stretch.
    pub(super) unreadable: Vec<(i64, i64)>,
    /// The last key that was read or passed over.
    pub(super) last: i64,
}

/// A connection that reads.
pub(super) struct RowReader {
    db: Connection,
    /// Of which faults a row is passed over.
    pass_over: fn(SpoolErrorKind) -> bool,
    /// What a test makes unreadable: rows, and stretches of rows whose numbers cannot be found.
    #[cfg(test)]
    pub(super) broken: (Vec<i64>, Vec<std::ops::RangeInclusive<i64>>),
}

impl RowReader {
    /// Of a spool in service: what the disk cannot read waits, and the others go on.
    pub(super) fn open(path: &Path) -> Result<Self, SpoolError> {
        Self::new(path, |fault| fault == SpoolErrorKind::Unreadable)
    }

    /// Of a file that is not sound: all that can be read of it.
    pub(super) fn of_damaged(path: &Path) -> Result<Self, SpoolError> {
        Self::new(path, |_| true)
    }

    fn new(path: &Path, pass_over: fn(SpoolErrorKind) -> bool) -> Result<Self, SpoolError> {
        Ok(Self {
            db: database::open_reader(path)?,
            pass_over,
            #[cfg(test)]
            broken: Default::default(),
        })
    }

    pub(super) fn db(&self) -> &Connection {
        &self.db
    }

    /// The wanted rows, in order.
    ///
    /// # Errors
    ///
    /// Nothing can be read.
    pub(super) fn read(&self, wanted: Wanted<'_>) -> Result<Found, SpoolError> {
        let mut found = Found { last: wanted.after, ..Found::default() };
        let mut bytes = 0_usize;
        while bytes < wanted.bytes.max(1) && found.rows.len() < wanted.rows {
            let key = match self.next(wanted.source, found.last) {
                // A damaged file may lead backwards.
                Ok(Some(key)) if key > found.last => key,
                Ok(_) => break,
                Err(error) if (self.pass_over)(error.kind()) => {
                    let Some(past) = self.past(wanted.source, found.last) else {
                        return if found.rows.is_empty() { Err(error) } else { Ok(found) };
                    };
                    found.unreadable.push((found.last.saturating_add(1), past));
                    found.last = past;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match self.row(wanted.source, key) {
                Ok(Some(row)) => {
                    // A row without a body is one all the same.
                    bytes = bytes.saturating_add(row.body.len().max(1));
                    found.rows.push(row);
                }
                Ok(None) => {}
                Err(error) if (self.pass_over)(error.kind()) => found.unreadable.push((key, key)),
                Err(error) => return Err(error),
            }
            found.last = key;
        }
        Ok(found)
    }

    /// The key of the next row.
    fn next(&self, source: Source<'_>, after: i64) -> Result<Option<i64>, SpoolError> {
        #[cfg(test)]
        if self.broken.1.iter().any(|range| range.contains(&after.saturating_add(1))) {
            return Err(unreadable());
        }
        let ((table, key), only) = (source.table(), source.only());
        let sql =
            format!("SELECT {key} FROM {table} WHERE {key} > ?1 AND {only} ORDER BY {key} LIMIT 1");
        let mut statement = self.db.prepare_cached(&sql)?;
        Ok(statement.query_row(params![after, source.collection()], |row| row.get(0)).optional()?)
    }

    /// A key after `after` past which the next row can be found again: the lowest, where one
    /// stretch is unreadable.
    fn past(&self, source: Source<'_>, after: i64) -> Option<i64> {
        let found = |past| self.next(source, past).is_ok_and(|next| next.is_some());
        let (mut bad, mut good) = (after, None);
        for power in 0..i64::BITS.saturating_sub(1) {
            let past = after.checked_add(1_i64.checked_shl(power)?)?;
            if found(past) {
                good = Some(past);
                break;
            }
            bad = past;
        }
        let mut good = good?;
        while good.saturating_sub(bad) > 1 {
            let middle = bad.midpoint(good);
            if found(middle) { good = middle } else { bad = middle }
        }
        Some(good)
    }

    fn row(&self, source: Source<'_>, key: i64) -> Result<Option<Row>, SpoolError> {
        #[cfg(test)]
        if self.broken.0.contains(&key) {
            return Err(unreadable());
        }
        get(&self.db, source, key)
    }
}

/// One row, by its key.
pub(super) fn get(
    db: &Connection,
    source: Source<'_>,
    key: i64,
) -> Result<Option<Row>, SpoolError> {
    let ((table, column), names, only) = (source.table(), source.names(), source.only());
    let sql = format!(
        "SELECT {names}, received, records, seqs, crc, body FROM {table}
         WHERE {column} = ?1 AND {only}"
    );
    let mut statement = db.prepare_cached(&sql)?;
    Ok(statement.query_row(params![key, source.collection()], read_row).optional()?)
}

fn read_row(row: &rusqlite::Row<'_>) -> Result<Row, rusqlite::Error> {
    let (crc, body): (i64, Vec<u8>) = (row.get(5)?, row.get(6)?);
    Ok(Row {
        id: row.get(0)?,
        parked: row.get(1)?,
        received: row.get(2)?,
        records: unsigned(row.get(3)?),
        seqs: Seqs::decode(&row.get::<_, String>(4)?),
        intact: crc == database::checksum(&body),
        body,
    })
}

/// What SQLite says of a page that the disk cannot read.
#[cfg(test)]
fn unreadable() -> SpoolError {
    let code = rusqlite::ffi::SQLITE_IOERR_READ;
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None).into()
}

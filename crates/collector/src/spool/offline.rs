//! The dead letters as the commands see them, with or without a running collector.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::error::{SpoolError, SpoolErrorKind};
use super::letters::{self, LetterCount, LetterFilter, StoredLetter};
use super::room::Room;
use super::schema::{self, VERSION};
use super::{FILE, database};
use crate::accounting::Seqs;
use crate::clock::now_millis;

/// Maximum letters moved in one transaction: a running collector waits at most that long.
const AT_ONCE: usize = 256;

/// A line that is a record now: as it goes into the spool, and its sequence number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    /// The line, with an id.
    pub line: Vec<u8>,
    /// Its sequence number, if it has one.
    pub seqs: Seqs,
}

/// The dead letters of a spool's directory.
pub struct LetterBox {
    db: Connection,
    dir: PathBuf,
}

impl LetterBox {
    /// Opens the spool's file in `dir`.
    ///
    /// # Errors
    ///
    /// There is none, it cannot be opened, or it has another version: a running collector
    /// may have that version too.
    pub fn open(dir: &Path) -> Result<Self, SpoolError> {
        let path = dir.join(FILE);
        let db = match database::open_existing(&path) {
            Err(error) if error.kind() == SpoolErrorKind::Full => {
                Room::new(dir, 0).give_up();
                database::open_existing(&path)?
            }
            opened => opened?,
        };
        let found = schema::version(&db)?;
        if found != VERSION {
            return Err(SpoolError::Version { found, known: VERSION });
        }
        Ok(Self { db, dir: dir.to_owned() })
    }

    /// How many there are.
    pub fn count(&self) -> Result<LetterCount, SpoolError> {
        letters::count(&self.db)
    }

    /// The numbers of the letters that match the filter, oldest first.
    pub fn ids(&self, filter: &LetterFilter) -> Result<Vec<i64>, SpoolError> {
        letters::ids(&self.db, filter)
    }

    /// One letter; `None` if it no longer exists.
    pub fn get(&self, id: i64) -> Result<Option<StoredLetter>, SpoolError> {
        letters::get(&self.db, id)
    }

    /// Deletes letters and returns how many. On a full disk it uses the reserve.
    pub fn purge(&mut self, filter: &LetterFilter) -> Result<usize, SpoolError> {
        match self.remove(filter) {
            Err(error) if error.kind() == SpoolErrorKind::Full => {
                Room::new(&self.dir, 0).give_up();
                self.remove(filter)
            }
            result => result,
        }
    }

    /// Deletes the letters after a number that match, at most 256 of them in a transaction,
    /// and overwrites what they leave in the file. Returns the last number looked at, and how many
    /// were deleted.
    pub fn purge_matching(
        &mut self,
        after: i64,
        matches: impl Fn(&StoredLetter) -> bool,
    ) -> Result<(i64, usize), SpoolError> {
        match self.remove_matching(after, &matches) {
            Err(error) if error.kind() == SpoolErrorKind::Full => {
                Room::new(&self.dir, 0).give_up();
                self.remove_matching(after, &matches)
            }
            result => result,
        }
    }

    fn remove_matching(
        &mut self,
        mut after: i64,
        matches: impl Fn(&StoredLetter) -> bool,
    ) -> Result<(i64, usize), SpoolError> {
        self.db.pragma_update(None, "secure_delete", true)?;
        let mut removed = 0_usize;
        loop {
            let page = letters::page(&self.db, after, AT_ONCE)?;
            let Some(last) = page.last() else { return Ok((after, removed)) };
            after = *last;
            let mut found = Vec::new();
            for id in page {
                if letters::get(&self.db, id)?.is_some_and(|letter| matches(&letter)) {
                    found.push(id);
                }
            }
            if !found.is_empty() {
                let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
                letters::delete(&tx, &found)?;
                tx.commit()?;
                removed = removed.saturating_add(found.len());
            }
        }
    }

    fn remove(&mut self, filter: &LetterFilter) -> Result<usize, SpoolError> {
        let ids = self.ids(filter)?;
        for some in ids.chunks(AT_ONCE) {
            let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            letters::delete(&tx, some)?;
            tx.commit()?;
        }
        Ok(ids.len())
    }

    /// Puts letters back into the spool if `accept` turns the line into a record; those that
    /// it refuses stay. Returns how many were moved and how many stayed.
    pub fn retry(
        &mut self,
        filter: &LetterFilter,
        mut accept: impl FnMut(&StoredLetter) -> Option<Retried>,
    ) -> Result<(usize, usize), SpoolError> {
        let (mut went, mut stayed) = (0_usize, 0_usize);
        for some in self.ids(filter)?.chunks(AT_ONCE) {
            let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut moved = 0_usize;
            for id in some {
                let Some(letter) = letters::get(&tx, *id)? else { continue };
                let Some(retried) = accept(&letter) else {
                    stayed += 1;
                    continue;
                };
                database::insert_row(&tx, None, now_millis(), 1, &retried.seqs, &retried.line)?;
                letters::delete(&tx, &[*id])?;
                moved += 1;
            }
            tx.commit()?;
            went = went.saturating_add(moved);
        }
        Ok((went, stayed))
    }
}

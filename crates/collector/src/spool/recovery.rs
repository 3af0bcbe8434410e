//! Opening the spool whatever its file looks like.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction};

use super::Rest;
use super::database::{self, PARKED, Row, WHOLE};
use super::error::{Fault, SpoolError};
use super::letters::{self, LetterFilter};
use crate::accounting::Seqs;
use crate::clock::now_millis;

/// The file's name in the spool's directory.
pub const FILE: &str = "spool.db";

/// The spool as opened.
pub(super) struct Opened {
    pub(super) db: Connection,
    pub(super) moved: Option<Moved>,
}

/// A file that was no sound database, and what was saved from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where it lies now.
    pub aside: PathBuf,
    /// What was wrong with it.
    pub reason: String,
    /// Batches that could still be read, and are in the new file.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
}

impl Moved {
    pub(super) fn announce(&self) {
        tracing::error!(
            critical = true,
            aside = %self.aside.display(),
            reason = %self.reason,
            batches_saved = self.batches,
            records_saved = self.records,
            "spool file corrupt: moved aside, a new one is in its place"
        );
    }
}

/// Opens the file in `dir`; a corrupt one is moved aside and a new one takes its place.
pub(super) fn open(dir: &Path) -> Result<Opened, SpoolError> {
    let path = dir.join(FILE);
    let fresh = fresh_path(dir);
    if path.exists() {
        remove(&fresh)?;
    } else if fresh.exists() {
        // A rescue that was cut short between its two renames: the new file is complete.
        fs::rename(&fresh, &path)?;
    }
    match database::open(&path).and_then(|db| read_through(&db).map(|()| db)) {
        Ok(db) => Ok(Opened { db, moved: None }),
        Err(error) if error.fault() == Fault::Corrupt => replace(dir, &error.to_string()),
        Err(error) => Err(error),
    }
}

/// Moves the corrupt file aside and puts a new one with what could be read in its place.
///
/// The new file is complete and on disk under another name before the old one is touched, so a
/// crash at any point leaves either the old file, or the new one, or both.
pub(super) fn replace(dir: &Path, reason: &str) -> Result<Opened, SpoolError> {
    let (path, fresh) = (dir.join(FILE), fresh_path(dir));
    let aside = dir.join(format!("{FILE}.corrupt-{}", now_millis()));
    remove(&fresh)?;
    let mut db = database::open(&fresh)?;
    let (batches, records) = rescue(&path, &mut db)?;
    database::checkpoint(&db, "TRUNCATE")?;
    drop(db);
    for suffix in ["-wal", "-shm"] {
        let from = with_suffix(&path, suffix);
        if from.exists() {
            fs::rename(&from, with_suffix(&aside, suffix))?;
        }
    }
    fs::rename(&path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        remove_file(&with_suffix(&fresh, suffix))?;
    }
    fs::rename(&fresh, &path)?;
    fs::File::open(dir)?.sync_all()?;
    let db = database::open(&path)?;
    let moved = Moved { aside, reason: reason.to_owned(), batches, records };
    Ok(Opened { db, moved: Some(moved) })
}

/// Walks the tables that must be sound to go on; damage shows as an error.
fn read_through(db: &Connection) -> Result<(), SpoolError> {
    database::waiting(db)?;
    database::parked(db)?;
    letters::count(db)?;
    database::accounts(db)?;
    database::collector(db)?;
    Ok(())
}

/// Copies the batches whose checksum is right, the dead letters and the accounts, as far as they
/// can be read: forwards from the first row, then backwards from the last.
fn rescue(from: &Path, into: &mut Connection) -> Result<(u64, u64), SpoolError> {
    let Ok(old) = database::open_reader(from) else {
        return Ok((0, 0));
    };
    let tx = into.transaction()?;
    let mut saved = BTreeSet::new();
    let mut records = 0_u64;
    let mut waiting = Seqs::default();
    for select in [WHOLE, PARKED] {
        // An earlier version's file has none that are parked.
        for order in ["ASC", "DESC"] {
            let Ok(mut statement) = old.prepare(&format!("{select} ORDER BY id {order}")) else {
                continue;
            };
            let Ok(mut rows) = statement.query([]) else { continue };
            while let Ok(Some(row)) = rows.next() {
                let Ok(row) = database::read_row(row) else { break };
                if row.intact && saved.insert((row.id, row.parked.clone())) {
                    waiting.merge(&row.seqs);
                    records = records.saturating_add(row.records);
                    save(&tx, row)?;
                }
            }
        }
    }
    for id in letters::ids(&old, &LetterFilter::default()).unwrap_or_default() {
        if let Ok(Some(letter)) = letters::get(&old, id) {
            letters::insert(&tx, letter.at, &letter.letter)?;
        }
    }
    for (key, mut account) in database::accounts(&old).unwrap_or_default() {
        // What was accepted and is neither settled nor saved is lost here: it becomes missing.
        account.accepted = waiting.get(&key).cloned().unwrap_or_default();
        account.accepted.union(&account.stored);
        account.accepted.union(&account.quarantined);
        database::write_account(&tx, &key, &account)?;
    }
    tx.commit()?;
    Ok((u64::try_from(saved.len()).unwrap_or(u64::MAX), records))
}

/// Puts a row into the new file, under its old number.
fn save(tx: &Transaction<'_>, row: Row) -> Result<(), SpoolError> {
    let Row { id, parked, received, records, seqs, body, .. } = row;
    match parked {
        None => database::insert_row(tx, Some(id), received, records, &seqs, &body)?,
        Some(collection) => {
            let rest = Rest { collection, records, seqs, body };
            database::insert_parked(tx, id, received, &rest)?
        }
    };
    Ok(())
}

fn fresh_path(dir: &Path) -> PathBuf {
    dir.join(format!("{FILE}.new"))
}

fn remove(path: &Path) -> Result<(), SpoolError> {
    for suffix in ["", "-wal", "-shm"] {
        remove_file(&with_suffix(path, suffix))?;
    }
    Ok(())
}

fn remove_file(path: &Path) -> Result<(), SpoolError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

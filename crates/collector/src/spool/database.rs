//! The spool's SQLite file: schema, statements, and nothing that decides.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use gatelog_record::Uuid;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};

use super::error::SpoolError;
use super::letters::unsigned;
use crate::accounting::{Account, BootKey, Gap, Intervals, Seqs, Totals};

/// The schema version that this program writes.
pub(super) const VERSION: i64 = 1;

/// How long to wait for another process that holds the write lock (a `dead-letters` command).
const BUSY: Duration = Duration::from_secs(5);

/// What a row costs beside its body, counted against the bound: keys, header, page overhead.
pub(super) const ROW_BYTES: u64 = 64;

const SCHEMA: &str = "
CREATE TABLE batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received INTEGER NOT NULL,
    records INTEGER NOT NULL,
    seqs TEXT NOT NULL,
    crc INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    whole INTEGER NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    line BLOB NOT NULL
) STRICT;
CREATE TABLE account (
    gateway TEXT NOT NULL,
    boot BLOB NOT NULL,
    totals TEXT NOT NULL,
    accepted BLOB NOT NULL,
    stored BLOB NOT NULL,
    quarantined BLOB NOT NULL,
    touched INTEGER NOT NULL,
    gap_since INTEGER,
    gap_entry BLOB,
    PRIMARY KEY (gateway, boot)
) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
";

/// One accepted batch as it lies in the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number: rows are read in this order, and a number is never used twice.
    pub id: i64,
    /// When it was accepted, in milliseconds since the epoch.
    pub received: i64,
    /// How many lines its body has.
    pub records: u64,
    /// Which records of which boots these are, as far as they are numbered.
    pub seqs: Seqs,
    /// Whether the body is what was written.
    pub intact: bool,
    /// Records, one a line.
    pub body: Vec<u8>,
}

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

impl Waiting {
    pub(super) fn add(&mut self, records: u64, body: usize) {
        self.rows = self.rows.saturating_add(1);
        self.records = self.records.saturating_add(records);
        self.bytes = self.bytes.saturating_add(row_bytes(body));
    }

    pub(super) fn remove(&mut self, records: u64, body: usize) {
        self.rows = self.rows.saturating_sub(1);
        self.records = self.records.saturating_sub(records);
        self.bytes = self.bytes.saturating_sub(row_bytes(body));
    }
}

/// What a row with this body counts against the bound.
pub(super) fn row_bytes(body: usize) -> u64 {
    u64::try_from(body).unwrap_or(u64::MAX).saturating_add(ROW_BYTES)
}

/// Opens the file, or makes it.
pub(super) fn open(path: &Path) -> Result<Connection, SpoolError> {
    let db = Connection::open(path)?;
    match configure(&db).map_err(SpoolError::at_opening)? {
        0 => {
            db.execute_batch(&format!(
                "BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT"
            ))?;
            db.execute("INSERT INTO meta VALUES ('collector', ?)", [Uuid::new_v4().as_bytes()])?;
        }
        VERSION => {}
        found => return Err(SpoolError::Version { found, known: VERSION }),
    }
    Ok(db)
}

/// Sets what writing needs; returns the schema's version.
fn configure(db: &Connection) -> rusqlite::Result<i64> {
    prepare(db)?;
    // Incremental: a spool that was large once gives its disk back.
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // Checkpoints are made by hand, so that a failed one is seen: the automatic one's result
    // is thrown away, and a second try after a failed fsync would appear to work.
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Opens an existing file for reading only.
pub(super) fn open_reader(path: &Path) -> Result<Connection, SpoolError> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    prepare(&db)?;
    Ok(db)
}

fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY)?;
    // Closing writes nothing: after a failed fsync that would be the second try.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Bounded memory: 2 MiB of pages, a negative number is in KiB.
    db.pragma_update(None, "cache_size", -2_048)?;
    Ok(())
}

/// Who this collector is in the accounting that several share.
pub(super) fn collector(db: &Connection) -> Result<Uuid, SpoolError> {
    let id: [u8; 16] =
        db.query_row("SELECT value FROM meta WHERE key = 'collector'", [], |row| row.get(0))?;
    Ok(Uuid::from_bytes(id))
}

/// Changes whenever another process has written.
pub(super) fn data_version(db: &Connection) -> Result<i64, SpoolError> {
    Ok(db.pragma_query_value(None, "data_version", |row| row.get(0))?)
}

pub(super) fn waiting(db: &Connection) -> Result<Waiting, SpoolError> {
    let sql =
        "SELECT count(*), ifnull(sum(records), 0), ifnull(sum(length(body)), 0), min(received)
               FROM batch";
    Ok(db.query_row(sql, [], |row| {
        let rows = unsigned(row.get(0)?);
        Ok(Waiting {
            rows,
            records: unsigned(row.get(1)?),
            bytes: unsigned(row.get(2)?).saturating_add(rows.saturating_mul(ROW_BYTES)),
            oldest: row.get(3)?,
        })
    })?)
}

pub(super) fn oldest(db: &Connection) -> Result<Option<i64>, SpoolError> {
    let sql = "SELECT received FROM batch ORDER BY id LIMIT 1";
    Ok(db.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?)
}

pub(super) fn insert_row(
    tx: &Transaction<'_>,
    id: Option<i64>,
    received: i64,
    records: u64,
    seqs: &Seqs,
    body: &[u8],
) -> Result<(), SpoolError> {
    tx.prepare_cached("INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?)")?.execute(params![
        id,
        received,
        i64::try_from(records).unwrap_or(i64::MAX),
        seqs.encode(),
        i64::from(crc32fast::hash(body)),
        body
    ])?;
    Ok(())
}

/// Deletes the row; says whether it was there.
pub(super) fn delete_row(tx: &Transaction<'_>, id: i64) -> Result<bool, SpoolError> {
    Ok(tx.prepare_cached("DELETE FROM batch WHERE id = ?")?.execute([id])? > 0)
}

/// Writes something small that means nothing, to see whether the disk takes it.
pub(super) fn probe(db: &Connection, now: i64) -> Result<(), SpoolError> {
    db.execute("INSERT OR REPLACE INTO meta VALUES ('probe', ?)", [now.to_le_bytes()])?;
    Ok(())
}

/// The rows after a number, in order, until they have `bytes` or `rows`; at least one if any.
pub(super) fn read_rows(
    db: &Connection,
    after: i64,
    bytes: usize,
    rows: usize,
) -> Result<Vec<Row>, SpoolError> {
    let mut found = Vec::new();
    let mut total = 0_usize;
    let sql = "SELECT * FROM batch WHERE id > ? ORDER BY id";
    let mut statement = db.prepare_cached(sql)?;
    let mut cursor = statement.query([after])?;
    while let Some(row) = cursor.next()? {
        let row = read_row(row)?;
        total = total.saturating_add(row.body.len());
        found.push(row);
        if total >= bytes || found.len() >= rows {
            break;
        }
    }
    Ok(found)
}

pub(super) fn read_row(row: &rusqlite::Row<'_>) -> Result<Row, rusqlite::Error> {
    let (crc, body): (i64, Vec<u8>) = (row.get(4)?, row.get(5)?);
    Ok(Row {
        id: row.get(0)?,
        received: row.get(1)?,
        records: unsigned(row.get(2)?),
        seqs: Seqs::decode(&row.get::<_, String>(3)?),
        intact: crc == i64::from(crc32fast::hash(&body)),
        body,
    })
}

pub(super) fn accounts(db: &Connection) -> Result<HashMap<BootKey, Account>, SpoolError> {
    let mut statement = db.prepare(
        "SELECT gateway, boot, totals, accepted, stored, quarantined, touched, gap_since, gap_entry
         FROM account",
    )?;
    let rows = statement.query_map([], |row| {
        let set =
            |index| Ok::<_, rusqlite::Error>(Intervals::decode(&row.get::<_, Vec<u8>>(index)?));
        let key = BootKey { gateway: row.get(0)?, boot: Uuid::from_bytes(row.get(1)?) };
        let account = Account {
            totals: Totals::decode(&row.get::<_, String>(2)?),
            accepted: set(3)?.unwrap_or_default(),
            stored: set(4)?.unwrap_or_default(),
            quarantined: set(5)?.unwrap_or_default(),
            touched: row.get(6)?,
            gap: Gap {
                since: row.get(7)?,
                entry: row.get::<_, Option<[u8; 16]>>(8)?.map(Uuid::from_bytes),
            },
        };
        Ok((key, account))
    })?;
    rows.map(|row| Ok(row?)).collect()
}

pub(super) fn write_account(
    tx: &Transaction<'_>,
    key: &BootKey,
    account: &Account,
) -> Result<(), SpoolError> {
    tx.prepare_cached("INSERT OR REPLACE INTO account VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            key.gateway,
            key.boot.as_bytes(),
            account.totals.encode(),
            account.accepted.encode(),
            account.stored.encode(),
            account.quarantined.encode(),
            account.touched,
            account.gap.since,
            account.gap.entry.as_ref().map(Uuid::as_bytes),
        ])?;
    Ok(())
}

pub(super) fn delete_account(tx: &Transaction<'_>, key: &BootKey) -> Result<(), SpoolError> {
    tx.execute(
        "DELETE FROM account WHERE gateway = ? AND boot = ?",
        params![key.gateway, key.boot.as_bytes()],
    )?;
    Ok(())
}

/// Copies what the log holds into the file. An error here is an error of the disk.
pub(super) fn checkpoint(db: &Connection, mode: &str) -> Result<(), SpoolError> {
    db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))?;
    Ok(())
}

/// Free pages that a file keeps for what comes next: 16 MiB.
const SPARE_PAGES: i64 = 4_096;

/// Gives free pages back to the disk, when there are many; says whether it did. The file is shorter
/// after the next checkpoint.
pub(super) fn shrink(db: &Connection) -> Result<bool, SpoolError> {
    let free: i64 = db.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    let many = free > SPARE_PAGES;
    if many {
        vacuum(db)?;
    }
    Ok(many)
}

/// Gives free pages back to the disk; a bounded number at once.
pub(super) fn vacuum(db: &Connection) -> Result<(), SpoolError> {
    let mut statement = db.prepare_cached("PRAGMA incremental_vacuum(1024)")?;
    let mut freed = statement.query([])?;
    // One page is given back for every row that is asked for.
    while freed.next()?.is_some() {}
    Ok(())
}

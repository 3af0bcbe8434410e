//! The spool's SQLite file: statements only, no decisions.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gatelog_record::Uuid;
use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};

use super::batch::Rest;
use super::error::SpoolError;
use super::letters::unsigned;
use super::schema;
use super::waiting::{Counted, Parked, Waiting};
use crate::accounting::Seqs;

/// How long to wait for another process that holds the write lock (a `dead-letters` command).
const BUSY: Duration = Duration::from_secs(5);

/// The log is copied into the file once it reaches this size: it never exceeds this plus one
/// transaction.
pub(super) const LOG_BYTES: u64 = 8 << 20;

/// Overhead of a row in addition to its body, counted against the bound: keys, header, page
/// overhead.
pub(super) const ROW_BYTES: u64 = 64;

/// How much a row with this body and these numbers counts against the bound.
pub(super) fn row_bytes(body: &[u8], seqs: &Seqs) -> u64 {
    count(0, &seqs.encode(), body).bytes
}

/// Opens the file, creating it if needed.
pub(super) fn open(path: &Path) -> Result<Connection, SpoolError> {
    let mut db = Connection::open(path)?;
    configure(&db).map_err(SpoolError::at_opening)?;
    schema::migrate(&mut db)?;
    Ok(db)
}

/// Opens an existing file for reading and writing, without changing it.
pub(super) fn open_existing(path: &Path) -> Result<Connection, SpoolError> {
    std::fs::metadata(path)?;
    let db = Connection::open(path)?;
    configure(&db).map_err(SpoolError::at_opening)?;
    Ok(db)
}

/// Sets the options needed for writing.
fn configure(db: &Connection) -> rusqlite::Result<()> {
    prepare(db)?;
    // Incremental: a spool that was once large returns its space to the disk.
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // Checkpoints are run explicitly, so that failures are noticed: SQLite discards the result of
    // an automatic one, and a second attempt after a failed fsync would appear to work.
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    // A log that was once long is truncated when it restarts.
    db.pragma_update(None, "journal_size_limit", signed(LOG_BYTES))
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
    // Closing writes nothing: after a failed fsync that would be the second attempt.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Bounded memory: 2 MiB of pages; a negative number is in KiB.
    db.pragma_update(None, "cache_size", -2_048)?;
    Ok(())
}

/// This collector's id in the shared accounting.
pub(super) fn collector(db: &Connection) -> Result<Uuid, SpoolError> {
    let id: [u8; 16] =
        db.query_row("SELECT value FROM meta WHERE key = 'collector'", [], |row| row.get(0))?;
    Ok(Uuid::from_bytes(id))
}

/// Changes whenever another process has written to the file.
pub(super) fn data_version(db: &Connection) -> Result<i64, SpoolError> {
    Ok(db.pragma_query_value(None, "data_version", |row| row.get(0))?)
}

/// The waiting whole batches.
pub(super) fn waiting(db: &Connection) -> Result<Waiting, SpoolError> {
    let sql = "SELECT count(*), ifnull(sum(records), 0),
                      ifnull(sum(octet_length(seqs) + length(body)), 0), min(received)
               FROM batch";
    Ok(db.query_row(sql, [], |row| read_waiting(row, 0))?)
}

/// What is parked, by the collection it waits for.
pub(super) fn parked(db: &Connection) -> Result<Parked, SpoolError> {
    let sql = "SELECT collection, count(*), sum(records),
                      sum(octet_length(seqs) + length(body)), min(received)
               FROM parked GROUP BY collection";
    let mut statement = db.prepare(sql)?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, read_waiting(row, 1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Reads a count of rows, their records, bytes and oldest arrival, from this column on.
fn read_waiting(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<Waiting> {
    let column = |index: usize| Ok::<_, rusqlite::Error>(unsigned(row.get(index)?));
    let rows = column(from)?;
    Ok(Waiting {
        rows,
        records: column(from.saturating_add(1))?,
        bytes: column(from.saturating_add(2))?.saturating_add(rows.saturating_mul(ROW_BYTES)),
        oldest: row.get(from.saturating_add(3))?,
    })
}

/// When the oldest waiting whole batch was accepted.
pub(super) fn oldest(db: &Connection) -> Result<Option<i64>, SpoolError> {
    let sql = "SELECT received FROM batch ORDER BY id LIMIT 1";
    Ok(db.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?)
}

/// When the oldest batch parked for this collection was accepted.
pub(super) fn oldest_parked(db: &Connection, collection: &str) -> Result<Option<i64>, SpoolError> {
    let sql = "SELECT received FROM parked WHERE collection = ? ORDER BY batch LIMIT 1";
    Ok(db.prepare_cached(sql)?.query_row([collection], |row| row.get(0)).optional()?)
}

pub(super) fn insert_row(
    tx: &Transaction<'_>,
    id: Option<i64>,
    received: i64,
    records: u64,
    seqs: &Seqs,
    body: &[u8],
) -> Result<Counted, SpoolError> {
    let seqs = seqs.encode();
    let counted = count(records, &seqs, body);
    tx.prepare_cached(
        "INSERT INTO batch (id, received, records, seqs, crc, body) VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![id, received, signed(records), seqs, checksum(body), body])?;
    Ok(counted)
}

/// Parks what is left of a batch; if it is not `intact`, it will be found damaged.
pub(super) fn insert_parked(
    tx: &Transaction<'_>,
    batch: i64,
    received: i64,
    rest: &Rest,
    intact: bool,
) -> Result<Counted, SpoolError> {
    let seqs = rest.seqs.encode();
    let counted = count(rest.records, &seqs, &rest.body);
    tx.prepare_cached(
        "INSERT INTO parked (collection, batch, received, records, seqs, crc, body)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        rest.collection,
        batch,
        received,
        signed(rest.records),
        seqs,
        // No checksum is negative.
        if intact { checksum(&rest.body) } else { -1 },
        rest.body
    ])?;
    Ok(counted)
}

fn count(records: u64, seqs: &str, body: &[u8]) -> Counted {
    let bytes = u64::try_from(body.len().saturating_add(seqs.len())).unwrap_or(u64::MAX);
    Counted { records, bytes: bytes.saturating_add(ROW_BYTES) }
}

/// The checksum of a body.
pub(super) fn checksum(body: &[u8]) -> i64 {
    i64::from(crc32fast::hash(body))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A row that was deleted.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) received: i64,
    pub(super) seqs: Seqs,
    pub(super) counted: Counted,
}

/// Deletes a batch, or what is parked of it for this collection; `None` if it does not exist.
pub(super) fn take_row(
    tx: &Transaction<'_>,
    batch: i64,
    parked: Option<&str>,
) -> Result<Option<Taken>, SpoolError> {
    let (from, key) = match parked {
        None => ("batch", "id = ?1 AND ?2 IS NULL"),
        Some(_) => ("parked", "batch = ?1 AND collection = ?2"),
    };
    let columns = "received, records, octet_length(seqs) + length(body), seqs";
    let taken = tx
        .prepare_cached(&format!("SELECT {columns} FROM {from} WHERE {key}"))?
        .query_row(params![batch, parked], |row| {
            let bytes = unsigned(row.get(2)?).saturating_add(ROW_BYTES);
            let counted = Counted { records: unsigned(row.get(1)?), bytes };
            let seqs = Seqs::decode(&row.get::<_, String>(3)?);
            Ok(Taken { received: row.get(0)?, seqs, counted })
        })
        .optional()?;
    if taken.is_some() {
        tx.prepare_cached(&format!("DELETE FROM {from} WHERE {key}"))?
            .execute(params![batch, parked])?;
    }
    Ok(taken)
}

/// Writes a small dummy value, to see whether the disk accepts it.
pub(super) fn probe(db: &Connection, now: i64) -> Result<(), SpoolError> {
    db.execute("INSERT OR REPLACE INTO meta VALUES ('probe', ?)", [now.to_le_bytes()])?;
    Ok(())
}

/// The last number assigned to a row, 0 if there was none yet.
pub(super) fn last_row(db: &Connection) -> Result<i64, SpoolError> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'batch'";
    Ok(db.query_row(sql, [], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Makes the next row's number larger than this one.
pub(super) fn number_after(tx: &Transaction<'_>, last: i64) -> Result<(), SpoolError> {
    // SQLite's documentation of AUTOINCREMENT allows writing to this table, which has no key.
    let changed =
        tx.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'batch'", [last])?;
    if changed == 0 {
        tx.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('batch', ?)", [last])?;
    }
    Ok(())
}

/// Stores the number of pages in the log into `pages` after every commit of this connection.
pub(super) fn watch_log(db: &mut Connection, pages: &Arc<AtomicU64>) -> Result<(), SpoolError> {
    let pages = Arc::clone(pages);
    db.wal_hook(Some(move |_: &mut Wal, count: std::ffi::c_int| {
        pages.store(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))?;
    Ok(())
}

/// Copies the log's contents into the file. An error here is a disk error.
pub(super) fn checkpoint(db: &Connection, mode: &str) -> Result<(), SpoolError> {
    db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))?;
    Ok(())
}

/// Free pages that a file keeps for future batches: 16 MiB.
const SPARE_PAGES: i64 = 4_096;

/// Returns free pages to the disk if there are many; returns whether it did. The file gets shorter
/// at the next checkpoint.
pub(super) fn shrink(db: &Connection) -> Result<bool, SpoolError> {
    let free: i64 = db.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    let many = free > SPARE_PAGES;
    if many {
        vacuum(db)?;
    }
    Ok(many)
}

/// Whether the file has unused pages.
pub(super) fn has_free_pages(db: &Connection) -> Result<bool, SpoolError> {
    Ok(db.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0))? > 0)
}

/// Returns free pages to the disk, a bounded number at a time.
pub(super) fn vacuum(db: &Connection) -> Result<(), SpoolError> {
    let mut statement = db.prepare_cached("PRAGMA incremental_vacuum(1024)")?;
    let mut freed = statement.query([])?;
    // One page is released for every row fetched.
    while freed.next()?.is_some() {}
    Ok(())
}

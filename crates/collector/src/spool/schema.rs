//! The tables of the spool's file, version by version.
//!
//! A new file goes through every version just as an old one does, so both end with the same tables.
//! The whole migration is one transaction: a process that dies halfway leaves the file unchanged.

use gatelog_record::Uuid;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::accounts;
use super::error::SpoolError;

/// The schema version that this program writes.
pub(super) const VERSION: i64 = 2;

/// Creates version 1 in an empty file.
const VERSION_1: &[&str] = &[
    "CREATE TABLE batch (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        received INTEGER NOT NULL,
        records INTEGER NOT NULL,
        seqs TEXT NOT NULL,
        crc INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT",
    "CREATE TABLE dead_letter (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        whole INTEGER NOT NULL,
        kind TEXT NOT NULL,
        reason TEXT NOT NULL,
        line BLOB NOT NULL
    ) STRICT",
    "CREATE TABLE account (
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
    ) STRICT, WITHOUT ROWID",
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
];

/// Migrates version 1 to version 2.
const VERSION_2: &[&str] = &[
    // What is left of a row once its other records are settled, by the collection it waits for.
    // `batch` is the number of the original row, and outlives that row. A separate table, so that
    // reading new rows never scans parked ones.
    "CREATE TABLE parked (
        id INTEGER PRIMARY KEY,
        collection TEXT NOT NULL,
        batch INTEGER NOT NULL,
        received INTEGER NOT NULL,
        records INTEGER NOT NULL,
        seqs TEXT NOT NULL,
        crc INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT",
    "CREATE UNIQUE INDEX parked_by_collection ON parked (collection, batch)",
    // What is known about one boot, in the accounting's packed form. Version 1's accounts are
    // migrated.
    "ALTER TABLE account RENAME TO account_1",
    "CREATE TABLE account (
        gateway TEXT NOT NULL,
        boot BLOB NOT NULL,
        packed BLOB NOT NULL,
        PRIMARY KEY (gateway, boot)
    ) STRICT, WITHOUT ROWID",
    // Counts of what was stored: one value per period (`2026-11-26T01:03` a minute, `2026-11-26T01`
    // an hour, `untimed`), family (`route`, `tenant`, …), dimension (the family's keys, encoded)
    // and part (0, then incremented each time a period is written to again after its value was put
    // away).
    "CREATE TABLE rollup (
        period TEXT NOT NULL,
        family TEXT NOT NULL,
        dimension TEXT NOT NULL,
        part INTEGER NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (period, family, dimension, part)
    ) STRICT, WITHOUT ROWID",
];

/// The migration from each version to the next.
const STEPS: [&[&str]; 2] = [VERSION_1, VERSION_2];

/// Migrates a file of this or an earlier version to this one.
///
/// # Errors
///
/// The file is of a later version, or cannot be written.
pub(super) fn migrate(db: &mut Connection) -> Result<(), SpoolError> {
    if version(db)? == VERSION {
        return Ok(());
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have migrated it already.
    let found = version(&tx)?;
    for statement in statements(found)? {
        tx.execute_batch(statement).map_err(SpoolError::at_opening)?;
    }
    accounts::bring_over(&tx)?;
    identify(&tx)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    Ok(tx.commit()?)
}

/// The schema version of the file; 0 when it is empty.
pub(super) fn version(db: &Connection) -> Result<i64, SpoolError> {
    Ok(db.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn statements(found: i64) -> Result<impl Iterator<Item = &'static str>, SpoolError> {
    let steps = usize::try_from(found).ok().and_then(|found| STEPS.get(found..));
    let steps = steps.ok_or(SpoolError::Version { found, known: VERSION })?;
    Ok(steps.iter().flat_map(|step| step.iter().copied()))
}

/// Generates the ids of the file if it has none yet: `collector`, this collector's id in the shared
/// accounting, and `file`, by which stored documents and rollups name the file that their row is
/// from.
fn identify(tx: &Transaction<'_>) -> Result<(), SpoolError> {
    for key in ["collector", "file"] {
        let sql = "INSERT OR IGNORE INTO meta VALUES (?, ?)";
        tx.execute(sql, (key, Uuid::new_v4().as_bytes()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use tempfile::TempDir;

    use super::super::{FILE, LetterBox, Metrics, Spool, SpoolOptions};
    use super::*;
    use crate::accounting::BootKey;

    /// A file as version 1 left it: five rows, a dead letter and an account.
    fn version_1(dir: &Path) {
        let db = Connection::open(dir.join(FILE)).unwrap();
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL").unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        for statement in VERSION_1 {
            db.execute_batch(statement).unwrap();
        }
        db.pragma_update(None, "user_version", 1).unwrap();
        db.execute("INSERT INTO meta VALUES ('collector', ?)", [[7_u8; 16]]).unwrap();
        for number in 1..=5_u8 {
            let body = format!("{{\"n\":{number}}}\n").repeat(400).into_bytes();
            let crc = i64::from(crc32fast::hash(&body));
            let seqs = format!(r#"[["edge","{}",[[{number},{number}]]]]"#, Uuid::from_u128(1));
            db.execute("INSERT INTO batch VALUES (NULL, 3, 400, ?, ?, ?)", (seqs, crc, body))
                .unwrap();
        }
        db.execute("INSERT INTO dead_letter VALUES (9, 4, 1, 'not_json', 'because', x'6162')", [])
            .unwrap();
        // Its floor, its folded count, and the range 1 to 5.
        let set = [0_u8, 0, 1, 4];
        db.execute(
            "INSERT INTO account VALUES ('edge', ?, '[9,4,1,{}]', ?, x'', x'', 5, NULL, NULL)",
            (Uuid::from_u128(1).as_bytes(), set),
        )
        .unwrap();
    }

    fn open(dir: &Path) -> Spool {
        let options = SpoolOptions {
            dir: dir.to_owned(),
            max_bytes: 1 << 20,
            dead_letters_max_bytes: 1 << 20,
            keep_free_bytes: 0,
        };
        Spool::open(&options, Metrics::new()).unwrap()
    }

    async fn holds_what_version_1_had(dir: &Path) {
        let spool = open(dir);
        let rows = spool.read(0, usize::MAX, 100).await.unwrap().rows;
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert!(rows.iter().all(|row| row.intact && row.records == 400));
        assert_eq!(spool.waiting().records, 2_000);
        assert_eq!(spool.collector(), Uuid::from_bytes([7; 16]));
        let key = BootKey { gateway: "edge".into(), boot: Uuid::from_u128(1) };
        let statement = spool.ledger().get(&key).unwrap().statement(0);
        assert_eq!((statement.assigned, statement.spooled, statement.queued), (9, 5, 4));
        let letter = LetterBox::open(dir).unwrap().get(9).unwrap().unwrap();
        assert_eq!((letter.at, letter.letter.line), (4, b"ab".to_vec()));
        assert!(spool.parked().is_empty());
        spool.close().await.unwrap();
    }

    fn tables(db: &Connection) -> Vec<String> {
        let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
        let mut statement = db.prepare(sql).unwrap();
        let found = statement.query_map([], |row| row.get(0)).unwrap();
        found.collect::<Result<_, _>>().unwrap()
    }

    #[tokio::test]
    async fn a_file_of_version_1_is_opened_as_version_2_and_nothing_is_lost() {
        let (old, new) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        version_1(old.path());
        holds_what_version_1_had(old.path()).await;
        holds_what_version_1_had(old.path()).await;
        open(new.path()).close().await.unwrap();
        let [old, new] = [&old, &new].map(|dir| Connection::open(dir.path().join(FILE)).unwrap());
        assert_eq!(version(&old), Ok(VERSION));
        assert_eq!(tables(&old), tables(&new), "an old file has the tables of a new one");
    }

    /// Every step of the migration is copied as it is on disk: what a killed process leaves behind.
    #[tokio::test]
    async fn a_process_killed_at_any_step_of_the_migration_loses_nothing() {
        let steps = statements(1).unwrap().count();
        for killed_at in 0..=steps {
            let (dir, copy) = (TempDir::new().unwrap(), TempDir::new().unwrap());
            version_1(dir.path());
            let mut db = Connection::open(dir.path().join(FILE)).unwrap();
            // Pages go to the log as soon as they change, long before the commit.
            db.pragma_update(None, "cache_size", 1).unwrap();
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
            for statement in statements(1).unwrap().take(killed_at) {
                tx.execute_batch(statement).unwrap();
            }
            if killed_at == steps {
                accounts::bring_over(&tx).unwrap();
                identify(&tx).unwrap();
                tx.pragma_update(None, "user_version", VERSION).unwrap();
            }
            for entry in fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
                if entry.file_name().to_string_lossy().starts_with(FILE) {
                    fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
                }
            }
            drop(tx);
            holds_what_version_1_had(copy.path()).await;
        }
    }

    /// Regression: the id was written after the schema's transaction, so a file whose process was
    /// killed in between could never be opened again.
    #[tokio::test]
    async fn a_file_without_a_collectors_id_is_given_one() {
        let dir = TempDir::new().unwrap();
        version_1(dir.path());
        let db = Connection::open(dir.path().join(FILE)).unwrap();
        db.execute("DELETE FROM meta", []).unwrap();
        drop(db);
        let spool = open(dir.path());
        let collector = spool.collector();
        spool.close().await.unwrap();
        drop(spool);
        assert_eq!(open(dir.path()).collector(), collector);
        let db = Connection::open(dir.path().join(FILE)).unwrap();
        let sql = "SELECT value FROM meta WHERE key = 'file'";
        let file: [u8; 16] = db.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_ne!(Uuid::from_bytes(file), collector);
    }
}

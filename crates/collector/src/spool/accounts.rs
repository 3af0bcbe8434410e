//! The accounts in the spool's file: one row per boot, in packed form.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::error::SpoolError;
use crate::accounting::{Account, BootKey, Gap, Ledger, Packed, Unnumbered, legacy};
use gatelog_record::Uuid;

/// The key in `meta` that records that an account was once forgotten.
const FORGOT: &str = "forgot";

/// The key in `meta` of the records without a number.
const UNNUMBERED: &str = "unnumbered";

/// The records without a number.
pub(super) fn unnumbered(db: &Connection) -> Result<Unnumbered, SpoolError> {
    let sql = "SELECT value FROM meta WHERE key = ?";
    let packed = db.query_row(sql, [UNNUMBERED], |row| row.get(0)).optional()?;
    Ok(packed.map(Unnumbered::unpack).unwrap_or_default())
}

pub(super) fn write_unnumbered(tx: &Transaction<'_>, counts: Unnumbered) -> Result<(), SpoolError> {
    let sql = "INSERT OR REPLACE INTO meta VALUES (?, ?)";
    tx.prepare_cached(sql)?.execute(params![UNNUMBERED, counts.pack()])?;
    Ok(())
}

/// All accounts.
pub(super) fn ledger(db: &Connection) -> Result<Ledger, SpoolError> {
    let accounts = accounts(db)?;
    let sql = "SELECT 1 FROM meta WHERE key = ?";
    let forgot = db.query_row(sql, [FORGOT], |_| Ok(())).optional()?.is_some();
    Ok(Ledger::new(accounts, forgot))
}

/// Every account that can be decoded, including those in a file of schema version 1, which is
/// rescued without being migrated.
pub(super) fn accounts(db: &Connection) -> Result<Vec<(BootKey, Account)>, SpoolError> {
    let Ok(mut statement) = db.prepare("SELECT gateway, boot, packed FROM account") else {
        return of_version_1(db, "account");
    };
    let rows = statement.query_map([], |row| {
        let key = BootKey { gateway: row.get(0)?, boot: Uuid::from_bytes(row.get(1)?) };
        Ok(Account::unpack(&row.get::<_, Vec<u8>>(2)?).map(|account| (key, account)))
    })?;
    let mut accounts = Vec::new();
    for row in rows {
        accounts.extend(row?);
    }
    Ok(accounts)
}

fn of_version_1(db: &Connection, table: &str) -> Result<Vec<(BootKey, Account)>, SpoolError> {
    let mut statement = db.prepare(&format!(
        "SELECT gateway, boot, totals, accepted, stored, quarantined, touched, gap_since, gap_entry
         FROM {table}"
    ))?;
    let rows = statement.query_map([], |row| {
        let key = BootKey { gateway: row.get(0)?, boot: Uuid::from_bytes(row.get(1)?) };
        let totals: String = row.get(2)?;
        let [accepted, stored, quarantined]: [Vec<u8>; 3] = [row.get(3)?, row.get(4)?, row.get(5)?];
        // A set that could not be decoded was treated as empty.
        let set = |bytes: Vec<u8>| if bytes.is_empty() { vec![0, 0] } else { bytes };
        let sets = [set(accepted), set(stored), set(quarantined)];
        let touched = row.get(6)?;
        let entry = row.get::<_, Option<[u8; 16]>>(8)?.map(Uuid::from_bytes);
        let gap = Gap { since: row.get(7)?, entry, closed: 0 };
        let [accepted, stored, quarantined] = &sets;
        let account = legacy::account(&totals, [accepted, stored, quarantined]);
        Ok(account.map(|account| (key, Account { touched, gap, ..account })))
    })?;
    let mut accounts = Vec::new();
    for row in rows {
        accounts.extend(row?);
    }
    Ok(accounts)
}

/// Migrates the accounts of schema version 1, left in `account_1`, into version 2's table.
pub(super) fn bring_over(tx: &Transaction<'_>) -> Result<(), SpoolError> {
    for (key, account) in of_version_1(tx, "account_1")? {
        write(tx, &key, &account.pack())?;
    }
    tx.execute_batch("DROP TABLE account_1")?;
    Ok(())
}

pub(super) fn write(tx: &Transaction<'_>, key: &BootKey, packed: &[u8]) -> Result<(), SpoolError> {
    let sql = "INSERT OR REPLACE INTO account VALUES (?, ?, ?)";
    tx.prepare_cached(sql)?.execute(params![key.gateway, key.boot.as_bytes(), packed])?;
    Ok(())
}

/// Deletes accounts, and records that some were forgotten.
pub(super) fn forget(tx: &Transaction<'_>, keys: &[BootKey]) -> Result<(), SpoolError> {
    let mut delete = tx.prepare_cached("DELETE FROM account WHERE gateway = ? AND boot = ?")?;
    for key in keys {
        delete.execute(params![key.gateway, key.boot.as_bytes()])?;
    }
    if !keys.is_empty() {
        tx.execute("INSERT OR IGNORE INTO meta VALUES (?, x'01')", [FORGOT])?;
    }
    Ok(())
}

/// Writes the accounts changed by a transaction.
pub(super) fn write_all<'a>(
    tx: &Transaction<'_>,
    changed: impl Iterator<Item = (&'a BootKey, &'a Packed)>,
    forgotten: &[BootKey],
) -> Result<(), SpoolError> {
    for (key, packed) in changed {
        write(tx, key, packed)?;
    }
    forget(tx, forgotten)
}

//! The rollups in the spool's file: absolute values by period, dimension and part.

use std::collections::BTreeMap;

use gatelog_record::Uuid;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::error::SpoolError;
use super::letters::unsigned;
use crate::rollup::{Dimension, Family, Names, Period, Tally, Value};

/// Maximum rows of the table. They wait here until their period is over and the database has them.
pub(super) const ROWS_MAX: u64 = 65_536;

/// Maximum bytes of the table's rows.
pub(super) const BYTES_MAX: u64 = 16 << 20;

/// Size of a row in addition to its dimension and its value: period, family, part, headers.
const ROW_BYTES: u64 = 64;

/// The key in `meta` of the part that new rows get.
const PART: &str = "rollup_part";

/// A value in the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupRow {
    /// What it is for.
    pub period: Period,
    /// What is counted.
    pub dimension: Dimension,
    /// Which of the file's values for both: no two have the same.
    pub part: i64,
    /// The value, packed.
    pub packed: Vec<u8>,
}

/// The values in the spool, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RollupCount {
    /// How many there are.
    pub rows: u64,
    /// Their size in the file, in bytes.
    pub bytes: u64,
}

impl RollupCount {
    fn add(&mut self, dimension: usize, value: usize) {
        self.rows = self.rows.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size(dimension, value));
    }

    fn remove(&mut self, dimension: usize, value: usize) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size(dimension, value));
    }
}

fn size(dimension: usize, value: usize) -> u64 {
    u64::try_from(dimension.saturating_add(value)).unwrap_or(u64::MAX).saturating_add(ROW_BYTES)
}

/// Counts the rows.
pub(super) fn count(db: &Connection) -> Result<RollupCount, SpoolError> {
    let sql =
        "SELECT count(*), ifnull(sum(octet_length(dimension) + length(value)), 0) FROM rollup";
    Ok(db.query_row(sql, [], |row| {
        let rows = unsigned(row.get(0)?);
        let bytes = unsigned(row.get(1)?).saturating_add(rows.saturating_mul(ROW_BYTES));
        Ok(RollupCount { rows, bytes })
    })?)
}

/// The id by which documents and rollups name this file.
pub(super) fn file(db: &Connection) -> Result<Uuid, SpoolError> {
    let sql = "SELECT value FROM meta WHERE key = 'file'";
    Ok(Uuid::from_bytes(db.query_row(sql, [], |row| row.get(0))?))
}

/// Adds what settled rows have counted.
pub(super) fn add(
    tx: &Transaction<'_>,
    names: &mut Names,
    tally: &Tally,
    count: &mut RollupCount,
) -> Result<(), SpoolError> {
    let mut changed: BTreeMap<(Period, Dimension), Value> = BTreeMap::new();
    for (slot, dimension, value) in tally.iter() {
        let whole = slot.whole();
        let dimension = names.admit(whole, dimension, || dimensions(tx, whole))?;
        for period in slot.minute().into_iter().chain([whole]) {
            changed.entry((period, dimension.clone())).or_default().merge(value);
        }
    }
    for ((period, dimension), value) in changed {
        merge(tx, period, &dimension, value, count)?;
    }
    Ok(())
}

fn merge(
    tx: &Transaction<'_>,
    period: Period,
    dimension: &Dimension,
    mut value: Value,
    count: &mut RollupCount,
) -> Result<(), SpoolError> {
    let (period, text) = (period.to_string(), dimension.to_string());
    let key = (&period, dimension.family.as_str(), &text);
    let found: Option<(i64, Vec<u8>)> = tx
        .prepare_cached(
            "SELECT part, value FROM rollup WHERE period = ? AND family = ? AND dimension = ?
             ORDER BY part DESC LIMIT 1",
        )?
        .query_row(key, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let part = match found {
        Some((part, packed)) => match Value::unpack(&packed) {
            Some(before) => {
                value.merge(&before);
                count.remove(text.len(), packed.len());
                part
            }
            // What cannot be read stays as it is.
            None => next_part(tx)?,
        },
        None => current_part(tx)?,
    };
    let packed = value.pack();
    count.add(text.len(), packed.len());
    tx.prepare_cached("INSERT OR REPLACE INTO rollup VALUES (?, ?, ?, ?, ?)")?.execute(params![
        period,
        dimension.family.as_str(),
        text,
        part,
        packed
    ])?;
    Ok(())
}

/// The part of new rows.
fn current_part(db: &Connection) -> Result<i64, SpoolError> {
    let sql = "SELECT value FROM meta WHERE key = ?";
    let part: Option<[u8; 8]> =
        db.prepare_cached(sql)?.query_row([PART], |row| row.get(0)).optional()?;
    Ok(part.map_or(0, i64::from_be_bytes))
}

/// Begins a new part: from now on rows that do not exist get a number that no row had before.
fn next_part(tx: &Transaction<'_>) -> Result<i64, SpoolError> {
    let part = current_part(tx)?.saturating_add(1);
    let sql = "INSERT OR REPLACE INTO meta VALUES (?, ?)";
    tx.prepare_cached(sql)?.execute(params![PART, part.to_be_bytes()])?;
    Ok(part)
}

/// The dimensions of a period.
fn dimensions(db: &Connection, period: Period) -> Result<Vec<Dimension>, SpoolError> {
    let sql = "SELECT family, dimension FROM rollup WHERE period = ?";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map([period.to_string()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let mut dimensions = Vec::new();
    for row in found {
        let (family, text) = row?;
        dimensions
            .extend(Family::parse(&family).and_then(|family| Dimension::parse(family, &text)));
    }
    Ok(dimensions)
}

/// Deletes rows that the database has, if they have not changed since they were read.
pub(super) fn put_away(
    tx: &Transaction<'_>,
    rows: &[RollupRow],
    count: &mut RollupCount,
) -> Result<(), SpoolError> {
    let sql = "DELETE FROM rollup
               WHERE period = ? AND family = ? AND dimension = ? AND part = ? AND value = ?";
    let mut deleted = 0;
    for row in rows {
        let (family, text) = (row.dimension.family.as_str(), row.dimension.to_string());
        let gone = tx.prepare_cached(sql)?.execute(params![
            row.period.to_string(),
            family,
            text,
            row.part,
            row.packed
        ])?;
        if gone > 0 {
            deleted += 1;
            count.remove(text.len(), row.packed.len());
        }
    }
    if deleted > 0 {
        next_part(tx)?;
    }
    Ok(())
}

/// If there are more than the bounds allow, deletes rows until an eighth is free: the oldest minutes
/// first, whose records are counted in hours too. Returns how many.
pub(super) fn trim(
    tx: &Transaction<'_>,
    count: &mut RollupCount,
    rows_max: u64,
    bytes_max: u64,
) -> Result<u64, SpoolError> {
    if count.rows <= rows_max && count.bytes <= bytes_max {
        return Ok(0);
    }
    let less = |bound: u64| bound.saturating_sub(bound / 8);
    let mut removed = 0_u64;
    while count.rows > less(rows_max) || count.bytes > less(bytes_max) {
        let sql = "SELECT period FROM rollup ORDER BY length(period) != 16, period LIMIT 1";
        let oldest: Option<String> =
            tx.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
        let Some(oldest) = oldest else { break };
        let sql = "DELETE FROM rollup WHERE period = ?";
        let gone = tx.prepare_cached(sql)?.execute([oldest])?;
        removed = removed.saturating_add(u64::try_from(gone).unwrap_or(0));
        *count = self::count(tx)?;
    }
    if removed > 0 {
        next_part(tx)?;
    }
    Ok(removed)
}

/// The rows after one, in order.
pub(super) fn after(
    db: &Connection,
    last: Option<&RollupRow>,
    most: usize,
) -> Result<Vec<RollupRow>, SpoolError> {
    let (period, family, dimension, part) = match last {
        Some(row) => (
            row.period.to_string(),
            row.dimension.family.as_str(),
            row.dimension.to_string(),
            row.part,
        ),
        None => (String::new(), "", String::new(), i64::MIN),
    };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(
        "SELECT period, family, dimension, part, value FROM rollup
         WHERE (period, family, dimension, part) > (?, ?, ?, ?)
         ORDER BY period, family, dimension, part LIMIT ?",
    )?;
    let found = statement.query_map(params![period, family, dimension, part, most], |row| {
        let (period, family): (String, String) = (row.get(0)?, row.get(1)?);
        let dimension: String = row.get(2)?;
        let dimension =
            Family::parse(&family).and_then(|family| Dimension::parse(family, &dimension));
        let (part, packed) = (row.get(3)?, row.get(4)?);
        Ok(Period::parse(&period).zip(dimension).map(|(period, dimension)| RollupRow {
            period,
            dimension,
            part,
            packed,
        }))
    })?;
    let mut rows = Vec::new();
    for row in found {
        rows.extend(row?);
    }
    Ok(rows)
}

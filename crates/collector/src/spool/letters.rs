//! Dead letters: records that can never be stored as they are, with the reason.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::error::SpoolError;

/// The kind of a letter that holds a whole batch with a wrong checksum.
pub const DAMAGED: &str = "spool_damaged";

/// Maximum bytes of a line that a dead letter keeps. A longer line is truncated and cannot be
/// retried.
pub const LETTER_LINE_BYTES: usize = 1 << 20;

/// Maximum size of a letter in the file in addition to its texts: header, numbers, and its slot in
/// the page.
const LETTER_BYTES: u64 = 48;

/// Maximum characters of a reason.
const REASON_CHARS: usize = 256;

/// A record that can never be stored as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The kind of fault, one of a short documented list.
    pub kind: String,
    /// A description of the fault.
    pub reason: String,
    /// The line as received.
    pub line: Vec<u8>,
}

/// A dead letter in the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLetter {
    /// Its number.
    pub id: i64,
    /// When it was added, in milliseconds since the epoch.
    pub at: i64,
    /// Whether the line is complete; a truncated one cannot be retried.
    pub whole: bool,
    /// The record and its fault.
    pub letter: DeadLetter,
}

/// Selects the dead letters of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Only this kind.
    pub kind: Option<String>,
    /// Only these numbers; all when empty.
    pub ids: Vec<i64>,
    /// Only those added before this time, in milliseconds since the epoch.
    pub before: Option<i64>,
}

/// Dead letters in the spool, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LetterCount {
    /// How many there are.
    pub letters: u64,
    /// Their size in the file, in bytes.
    pub bytes: u64,
}

impl DeadLetter {
    /// Its size in the file, in bytes.
    pub(super) fn stored_bytes(&self) -> u64 {
        let texts = [self.kind.len(), cut_reason(&self.reason).len(), cut_line(&self.line).len()];
        texts.iter().fold(LETTER_BYTES, |sum, text| {
            sum.saturating_add(u64::try_from(*text).unwrap_or(u64::MAX))
        })
    }
}

fn cut_line(line: &[u8]) -> &[u8] {
    line.get(..LETTER_LINE_BYTES).unwrap_or(line)
}

fn cut_reason(reason: &str) -> &str {
    reason.char_indices().nth(REASON_CHARS).map_or(reason, |(end, _)| reason.split_at(end).0)
}

/// The SQL equivalent of [`DeadLetter::stored_bytes`] for a stored letter, without
/// [`LETTER_BYTES`].
const TEXTS: &str = "octet_length(kind) + octet_length(reason) + length(line)";

pub(super) fn count(db: &Connection) -> Result<LetterCount, SpoolError> {
    let sql = format!("SELECT count(*), ifnull(sum({TEXTS}), 0) FROM dead_letter");
    Ok(db.query_row(&sql, [], |row| {
        let letters = unsigned(row.get(0)?);
        let texts = unsigned(row.get(1)?);
        Ok(LetterCount {
            letters,
            bytes: texts.saturating_add(letters.saturating_mul(LETTER_BYTES)),
        })
    })?)
}

impl LetterCount {
    pub(super) fn add(&mut self, letter: &DeadLetter) {
        self.letters += 1;
        self.bytes = self.bytes.saturating_add(letter.stored_bytes());
    }
}

/// Inserts a letter.
pub(super) fn insert(tx: &Transaction<'_>, at: i64, letter: &DeadLetter) -> Result<(), SpoolError> {
    let (line, reason) = (cut_line(&letter.line), cut_reason(&letter.reason));
    tx.prepare_cached(
        "INSERT INTO dead_letter (at, whole, kind, reason, line) VALUES (?, ?, ?, ?, ?)",
    )?
    .execute(params![at, line.len() == letter.line.len(), letter.kind, reason, line])?;
    Ok(())
}

/// Deletes the oldest letters until the rest fits the bound; returns how many.
pub(super) fn trim(
    tx: &Transaction<'_>,
    count: &mut LetterCount,
    limit: u64,
) -> Result<u64, SpoolError> {
    let mut removed = 0_u64;
    while count.bytes > limit {
        let sql = format!("SELECT id, {TEXTS} FROM dead_letter ORDER BY id LIMIT 1");
        let oldest: Option<(i64, i64)> = tx
            .prepare_cached(&sql)?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((id, texts)) = oldest else { break };
        delete(tx, &[id])?;
        count.bytes = count.bytes.saturating_sub(unsigned(texts).saturating_add(LETTER_BYTES));
        count.letters = count.letters.saturating_sub(1);
        removed += 1;
    }
    Ok(removed)
}

/// The numbers of the letters that match the filter, oldest first.
pub(super) fn ids(db: &Connection, filter: &LetterFilter) -> Result<Vec<i64>, SpoolError> {
    let mut statement = db.prepare(
        "SELECT id FROM dead_letter WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR at < ?2)
         ORDER BY id",
    )?;
    let ids = statement.query_map(params![filter.kind, filter.before], |row| row.get(0))?;
    let ids: Vec<i64> = ids.collect::<Result<_, _>>()?;
    Ok(match filter.ids.as_slice() {
        [] => ids,
        chosen => ids.into_iter().filter(|id| chosen.contains(id)).collect(),
    })
}

/// The numbers of the first letters after a number.
pub(super) fn page(db: &Connection, after: i64, count: usize) -> Result<Vec<i64>, SpoolError> {
    let sql = "SELECT id FROM dead_letter WHERE id > ? ORDER BY id LIMIT ?";
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(sql)?;
    let ids = statement.query_map([after, count], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// The numbers of all letters in a damaged file, as far as they can be found from either end.
pub(super) fn readable_ids(db: &Connection) -> BTreeSet<i64> {
    let mut ids = BTreeSet::new();
    for order in ["ASC", "DESC"] {
        let sql = format!("SELECT id FROM dead_letter ORDER BY id {order}");
        let Ok(mut statement) = db.prepare(&sql) else { continue };
        let Ok(found) = statement.query_map([], |row| row.get::<_, i64>(0)) else { continue };
        ids.extend(found.map_while(Result::ok));
    }
    ids
}

pub(super) fn get(db: &Connection, id: i64) -> Result<Option<StoredLetter>, SpoolError> {
    let sql = "SELECT id, at, whole, kind, reason, line FROM dead_letter WHERE id = ?";
    let letter = db.prepare_cached(sql)?.query_row([id], |row| {
        let letter = DeadLetter { kind: row.get(3)?, reason: row.get(4)?, line: row.get(5)? };
        Ok(StoredLetter { id: row.get(0)?, at: row.get(1)?, whole: row.get(2)?, letter })
    });
    Ok(letter.optional()?)
}

pub(super) fn delete(tx: &Transaction<'_>, ids: &[i64]) -> Result<(), SpoolError> {
    for id in ids {
        tx.prepare_cached("DELETE FROM dead_letter WHERE id = ?")?.execute([id])?;
    }
    Ok(())
}

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

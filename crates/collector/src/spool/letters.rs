//! Dead letters: records that can never be stored as they are, with the reason.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::error::SpoolError;

/// Most bytes of a line that a dead letter keeps. A longer line is cut and cannot be retried.
pub const LETTER_LINE_BYTES: usize = 1 << 20;

/// Most characters of a reason.
const REASON_CHARS: usize = 256;

/// A record that can never be stored as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The kind of fault, one of a short documented list.
    pub kind: String,
    /// What is wrong, in words.
    pub reason: String,
    /// The line as received.
    pub line: Vec<u8>,
}

/// A dead letter in the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLetter {
    /// Its number.
    pub id: i64,
    /// When it was put there, in milliseconds since the epoch.
    pub at: i64,
    /// Whether the line is whole; a cut one cannot be retried.
    pub whole: bool,
    /// The record and its fault.
    pub letter: DeadLetter,
}

/// Which dead letters a command means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Only this kind.
    pub kind: Option<String>,
    /// Only these numbers; all when empty.
    pub ids: Vec<i64>,
}

/// Dead letters in the spool, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LetterCount {
    /// How many.
    pub letters: u64,
    /// Their lines' length.
    pub bytes: u64,
}

pub(super) fn count(db: &Connection) -> Result<LetterCount, SpoolError> {
    Ok(db.query_row(
        "SELECT count(*), ifnull(sum(length(line)), 0) FROM dead_letter",
        [],
        |row| Ok(LetterCount { letters: unsigned(row.get(0)?), bytes: unsigned(row.get(1)?) }),
    )?)
}

impl LetterCount {
    pub(super) fn add(&mut self, bytes: usize) {
        self.letters = self.letters.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

/// Puts a letter there; says how many bytes it took.
pub(super) fn insert(
    tx: &Transaction<'_>,
    at: i64,
    letter: &DeadLetter,
) -> Result<usize, SpoolError> {
    let line = letter.line.get(..LETTER_LINE_BYTES).unwrap_or(&letter.line);
    let reason: String = letter.reason.chars().take(REASON_CHARS).collect();
    tx.prepare_cached(
        "INSERT INTO dead_letter (at, whole, kind, reason, line) VALUES (?, ?, ?, ?, ?)",
    )?
    .execute(params![at, line.len() == letter.line.len(), letter.kind, reason, line])?;
    Ok(line.len())
}

/// Removes the oldest letters until the rest fits the bound; says how many went.
pub(super) fn trim(
    tx: &Transaction<'_>,
    count: &mut LetterCount,
    limit: u64,
) -> Result<u64, SpoolError> {
    let mut removed = 0_u64;
    while count.bytes > limit {
        let sql = "DELETE FROM dead_letter WHERE id = (SELECT min(id) FROM dead_letter)
                   RETURNING length(line)";
        let gone: Option<i64> =
            tx.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
        let Some(length) = gone else { break };
        count.bytes = count.bytes.saturating_sub(unsigned(length));
        count.letters = count.letters.saturating_sub(1);
        removed = removed.saturating_add(1);
    }
    Ok(removed)
}

/// The numbers of the letters that the filter means, oldest first.
pub(super) fn ids(db: &Connection, filter: &LetterFilter) -> Result<Vec<i64>, SpoolError> {
    let mut statement =
        db.prepare("SELECT id FROM dead_letter WHERE ?1 IS NULL OR kind = ?1 ORDER BY id")?;
    let ids = statement.query_map([&filter.kind], |row| row.get(0))?;
    let ids: Vec<i64> = ids.collect::<Result<_, _>>()?;
    Ok(match filter.ids.as_slice() {
        [] => ids,
        chosen => ids.into_iter().filter(|id| chosen.contains(id)).collect(),
    })
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

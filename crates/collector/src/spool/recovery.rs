//! Opens the spool, whatever state its file is in.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction};

use super::accounts;
use super::batch::{Rest, Row};
use super::database;
use super::error::{SpoolError, SpoolErrorKind};
use super::letters;
use super::log;
use super::rollups;
use super::rows::{RowReader, Source, Wanted};
use crate::accounting::{Intervals, Seqs};
use crate::clock::now_millis;

/// The file's name in the spool's directory.
pub const FILE: &str = "spool.db";

/// A complete rescued file: followed by a time, in milliseconds.
const RESCUED: &str = "spool.db.rescued-";
/// A corrupt file that was moved aside: followed by the same time.
const ASIDE: &str = "spool.db.corrupt-";
/// The copy of a damaged log.
const DAMAGED_LOG: &str = "spool.db-wal.damaged";
/// Suffixes of the files that SQLite keeps next to the database.
const LOG: [&str; 2] = ["-wal", "-shm"];

/// An opened spool.
pub(super) struct Opened {
    pub(super) db: Connection,
    pub(super) moved: Option<Moved>,
    /// The copy of a damaged log, and what is wrong with it.
    pub(super) log: Option<(PathBuf, String)>,
}

/// A corrupt file, and what was saved from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Its current path.
    pub aside: PathBuf,
    /// What was wrong with it.
    pub reason: String,
    /// Batches that were still readable, and are in the new file.
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
            "spool file corrupt: moved aside, and replaced by a new one"
        );
    }
}

/// Opens the file in `dir`; a corrupt file is moved aside and replaced by a new one.
pub(super) fn open(dir: &Path) -> Result<Opened, SpoolError> {
    let path = dir.join(FILE);
    let fresh = fresh_path(dir);
    match rescued(dir)? {
        Some(time) => finish(dir, &time)?,
        None if path.exists() => remove(&fresh)?,
        // An earlier version's rescue that was interrupted between its two renames: the new file is
        // complete.
        None if fresh.exists() => fs::rename(&fresh, &path)?,
        None => {}
    }
    keep_newest(dir)?;
    let log = keep_damaged_log(dir)?;
    let opened = match database::open(&path).and_then(|db| read_through(&db).map(|()| db)) {
        Ok(db) => Opened { db, moved: None, log: None },
        Err(error)
            if matches!(error.kind(), SpoolErrorKind::Corrupt | SpoolErrorKind::Unreadable) =>
        {
            replace(dir, &error.to_string())?
        }
        Err(error) => return Err(error),
    };
    Ok(Opened { log, ..opened })
}

/// Keeps a copy of a log that SQLite would silently read only in part.
fn keep_damaged_log(dir: &Path) -> Result<Option<(PathBuf, String)>, SpoolError> {
    let path = dir.join(FILE);
    let live = with_suffix(&path, "-wal");
    let Some(reason) = log::damage(&live, &path)? else { return Ok(None) };
    // At most one, the newest: the directory is bounded.
    let copy = dir.join(DAMAGED_LOG);
    fs::copy(&live, &copy)?;
    sync(dir)?;
    Ok(Some((copy, reason)))
}

/// Extends a truncated file with zeros to the length given in its header: SQLite reads nothing from
/// a shorter one, even though most of its pages are intact.
///
/// Source: `SQLite`, "Database File Format", section 1.3.
fn lengthen(path: &Path) -> Result<(), SpoolError> {
    let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
    let mut header = [0_u8; 32];
    if file.read_at(&mut header, 0)? < header.len() || !header.starts_with(b"SQLite format 3\0") {
        return Ok(());
    }
    let [.., high, low, _, _, _, _, _, _, _, _, _, _, p0, p1, p2, p3] = header;
    let page = match u16::from_be_bytes([high, low]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let named = page.saturating_mul(u64::from(u32::from_be_bytes([p0, p1, p2, p3])));
    // Whatever a header claims, the file never grows beyond twice its size.
    let length = file.metadata()?.len();
    if length < named && named / 2 <= length {
        file.set_len(named)?;
    }
    Ok(())
}

/// Moves the corrupt file aside and replaces it with a new one that contains everything still
/// readable.
///
/// The new file is built under a temporary name, `spool.db.new`. Once it is complete and on disk,
/// it is renamed to `spool.db.rescued-…`: from then on it is authoritative, and all remaining steps
/// are repeated after a crash ([`finish`]). Until then the old file is untouched, and the rescue
/// starts over.
pub(super) fn replace(dir: &Path, reason: &str) -> Result<Opened, SpoolError> {
    let (path, fresh) = (dir.join(FILE), fresh_path(dir));
    let time = now_millis().to_string();
    remove(&fresh)?;
    step()?;
    let mut db = database::open(&fresh)?;
    step()?;
    lengthen(&path)?;
    step()?;
    let (batches, records) = rescue(&path, &mut db)?;
    step()?;
    database::checkpoint(&db, "TRUNCATE")?;
    drop(db);
    step()?;
    // Its log is empty, and would not be found under the new name.
    for suffix in LOG {
        remove_file(&with_suffix(&fresh, suffix))?;
        step()?;
    }
    fs::rename(&fresh, dir.join(format!("{RESCUED}{time}")))?;
    sync(dir)?;
    step()?;
    finish(dir, &time)?;
    let db = database::open(&path)?;
    let aside = dir.join(format!("{ASIDE}{time}"));
    let moved = Moved { aside, reason: reason.to_owned(), batches, records };
    Ok(Opened { db, moved: Some(moved), log: None })
}

/// Replaces the corrupt file with a complete rescued one, whichever of these steps were already
/// done.
fn finish(dir: &Path, time: &str) -> Result<(), SpoolError> {
    let (path, aside) = (dir.join(FILE), dir.join(format!("{ASIDE}{time}")));
    for suffix in LOG.into_iter().chain([""]) {
        let from = with_suffix(&path, suffix);
        if from.exists() {
            fs::rename(&from, with_suffix(&aside, suffix))?;
        }
        step()?;
    }
    // The old log must be gone before the new file gets its name.
    sync(dir)?;
    fs::rename(dir.join(format!("{RESCUED}{time}")), &path)?;
    sync(dir)?;
    step()?;
    keep_newest(dir)
}

/// The time in the name of a file whose rescue is complete but which is not yet in place.
fn rescued(dir: &Path) -> Result<Option<String>, SpoolError> {
    let mut found = names(dir)?;
    found.retain(|name| name.starts_with(RESCUED));
    Ok(found.pop().and_then(|name| name.strip_prefix(RESCUED).map(str::to_owned)))
}

/// Removes corrupt files that were moved aside, except the newest: the directory is bounded.
fn keep_newest(dir: &Path) -> Result<(), SpoolError> {
    let time = |name: &String| -> Option<u64> {
        let digits = name.strip_prefix(ASIDE)?;
        digits.split('-').next()?.parse().ok()
    };
    let names = names(dir)?;
    let newest = names.iter().filter_map(time).max();
    for name in names.iter().filter(|name| time(name).is_some() && time(name) != newest) {
        tracing::warn!(file = %name, "removed: only the newest corrupt spool file is kept");
        remove_file(&dir.join(name))?;
        step()?;
    }
    Ok(())
}

fn names(dir: &Path) -> Result<Vec<String>, SpoolError> {
    let entries = fs::read_dir(dir)?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Makes renames and removals in the directory durable.
fn sync(dir: &Path) -> Result<(), SpoolError> {
    Ok(fs::File::open(dir)?.sync_all()?)
}

/// A point at which a test can make the process die.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "it fails in tests")]
fn step() -> Result<(), SpoolError> {
    Ok(())
}

#[cfg(test)]
use tests::step;

/// Scans the tables that must be intact to continue, all of which are read at startup; damage shows
/// up as an error.
fn read_through(db: &Connection) -> Result<(), SpoolError> {
    database::last_row(db)?;
    database::waiting(db)?;
    database::parked(db)?;
    letters::count(db)?;
    accounts::ledger(db)?;
    accounts::unnumbered(db)?;
    rollups::count(db)?;
    rollups::file(db)?;
    database::collector(db)?;
    Ok(())
}

/// Copies the batches with a correct checksum, the dead letters and the accounts, as far as they
/// are readable.
fn rescue(from: &Path, into: &mut Connection) -> Result<(u64, u64), SpoolError> {
    let Ok(reader) = RowReader::of_damaged(from) else {
        return Ok((0, 0));
    };
    let old = reader.db();
    let tx = into.transaction()?;
    let (mut batches, mut records) = (0_u64, 0_u64);
    let mut waiting = Seqs::default();
    let mut last = database::last_row(old).unwrap_or(0);
    // A file of an earlier version has no parked rows.
    for source in [Source::Whole, Source::EveryParked] {
        let mut wanted = Wanted { source, after: 0, bytes: 1, rows: 1 };
        while let Ok(found) = reader.read(wanted) {
            wanted.after = found.last;
            let Some(row) = found.rows.into_iter().next() else { break };
            last = last.max(row.id);
            if row.intact {
                waiting.merge(&row.seqs);
                batches += 1;
                records = records.saturating_add(row.records);
                save(&tx, row)?;
            }
        }
    }
    // A number is never assigned twice: what is parked of a batch keeps the number of that batch.
    database::number_after(&tx, last)?;
    for id in letters::readable_ids(old) {
        if let Ok(Some(letter)) = letters::get(old, id) {
            letters::insert(&tx, letter.at, &letter.letter)?;
        }
    }
    if let Ok(counts) = accounts::unnumbered(old) {
        accounts::write_unnumbered(&tx, counts)?;
    }
    for (key, mut account) in accounts::accounts(old).unwrap_or_default() {
        // Whatever was accepted but neither settled nor saved is lost here: it becomes missing.
        let kept = waiting.get(&key).into_iter().flat_map(Intervals::spans);
        account.numbers.keep_spooled(kept);
        accounts::write(&tx, &key, &account.pack())?;
    }
    tx.commit()?;
    Ok((batches, records))
}

/// Inserts a row into the new file, under its old number.
fn save(tx: &Transaction<'_>, row: Row) -> Result<(), SpoolError> {
    let Row { id, parked, received, records, seqs, body, .. } = row;
    match parked {
        None => database::insert_row(tx, Some(id), received, records, &seqs, &body)?,
        Some(collection) => {
            let rest = Rest { collection, records, seqs, body };
            database::insert_parked(tx, id, received, &rest, true)?
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::os::unix::fs::FileExt;

    use gatelog_record::Uuid;
    use tempfile::TempDir;

    use super::super::letters::DeadLetter;
    use super::super::rows::{RowReader, Source, Wanted};
    use super::*;
    use crate::accounting::{Account, BootKey};

    thread_local! {
        /// How many more steps to take before the process dies.
        static STEPS: Cell<u32> = const { Cell::new(u32::MAX) };
    }

    pub(super) fn step() -> Result<(), SpoolError> {
        let left = STEPS.get();
        STEPS.set(left.saturating_sub(1));
        if left == 0 {
            return Err(SpoolError::Disk {
                fault: SpoolErrorKind::Passing,
                text: "killed here".into(),
            });
        }
        Ok(())
    }

    fn body(number: u64) -> Vec<u8> {
        format!("{{\"n\":{number},\"fill\":\"{}\"}}\n", "x".repeat(1_500)).into_bytes()
    }

    fn insert(db: &mut Connection, numbers: std::ops::RangeInclusive<u64>) {
        let tx = db.transaction().unwrap();
        for number in numbers {
            let mut seqs = Seqs::default();
            seqs.add("edge", Uuid::from_u128(1), number);
            database::insert_row(&tx, None, 5, 1, &seqs, &body(number)).unwrap();
        }
        tx.commit().unwrap();
    }

    /// A file with a damaged page, and a log whose contents are not yet in any file.
    fn damaged(dir: &Path) {
        let path = dir.join(FILE);
        let mut db = database::open(&path).unwrap();
        insert(&mut db, 1..=20);
        let tx = db.transaction().unwrap();
        let rest =
            Rest { collection: "audit_logs".into(), records: 1, body: body(21), ..Rest::default() };
        database::insert_parked(&tx, 900, 5, &rest, true).unwrap();
        let letter = DeadLetter { kind: "not_json".into(), reason: "no".into(), line: b"x".into() };
        letters::insert(&tx, 5, &letter).unwrap();
        let mut account = Account::default();
        account.numbers.accept(1..=30);
        let key = BootKey { gateway: "edge".into(), boot: Uuid::from_u128(1) };
        accounts::write(&tx, &key, &account.pack()).unwrap();
        tx.commit().unwrap();
        database::checkpoint(&db, "TRUNCATE").unwrap();
        insert(&mut db, 22..=30);
        drop(db);
        let bytes = fs::read(&path).unwrap();
        let at = bytes.windows(9).position(|window| window == b"{\"n\":12,\"").unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[0xff; 4_096], at as u64 / 4_096 * 4_096).unwrap();
        // An earlier corrupt file that was moved aside.
        fs::write(dir.join("spool.db.corrupt-1"), b"x").unwrap();
        fs::write(dir.join("spool.db.corrupt-1-wal"), b"x").unwrap();
    }

    /// Everything in a spool: numbers of rows, letters, and numbers that are accounted for.
    fn contents(dir: &Path) -> (Vec<i64>, Vec<i64>, u64, Vec<Vec<u64>>) {
        let reader = RowReader::open(&dir.join(FILE)).unwrap();
        let read = |source| {
            let wanted = Wanted { source, after: 0, bytes: usize::MAX, rows: usize::MAX };
            let rows = reader.read(wanted).unwrap().rows;
            assert!(rows.iter().all(|row| row.intact));
            rows.iter().map(|row| row.id).collect::<Vec<_>>()
        };
        let accounts = accounts::accounts(reader.db()).unwrap();
        let accepted = accounts
            .iter()
            .map(|(_, account)| account.known().flat_map(|(from, to)| from..=to).collect());
        let letters = letters::count(reader.db()).unwrap().letters;
        (read(Source::Whole), read(Source::EveryParked), letters, accepted.collect())
    }

    fn copy(from: &Path) -> TempDir {
        let to = TempDir::new().unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
        }
        to
    }

    fn open_within(dir: &Path, steps: u32) -> Result<(), SpoolError> {
        STEPS.set(steps);
        let opened = open(dir).map(drop);
        STEPS.set(u32::MAX);
        opened
    }

    /// Regression: if it died between moving the log and moving the file, the finished rescue was
    /// thrown away and the old file was opened without its log.
    #[test]
    fn a_process_killed_at_any_step_of_a_recovery_and_of_the_next_one_loses_nothing() {
        let dir = TempDir::new().unwrap();
        damaged(dir.path());
        let whole = copy(dir.path());
        open_within(whole.path(), u32::MAX).unwrap();
        let expected = contents(whole.path());
        assert!(expected.0.len() > 20 && expected.0.contains(&29), "{expected:?}");
        assert_eq!((expected.1.len(), expected.2), (1, 1));
        let mut steps = 0;
        loop {
            let first = copy(dir.path());
            if open_within(first.path(), steps).is_ok() {
                break;
            }
            for again in (steps % 3..).step_by(3) {
                let second = copy(first.path());
                let done = open_within(second.path(), again);
                open_within(second.path(), u32::MAX).unwrap();
                assert_eq!(contents(second.path()), expected, "killed at {steps}, then at {again}");
                let names = names(second.path()).unwrap();
                let asides: Vec<_> = names
                    .iter()
                    .filter(|name| {
                        name.starts_with(ASIDE) && !name.contains("-wal") && !name.contains("-shm")
                    })
                    .collect();
                assert_eq!(asides.len(), 1, "{names:?}");
                assert!(!names.iter().any(|name| name.contains("rescued") || name.contains("new")));
                if done.is_ok() {
                    break;
                }
            }
            steps += 1;
        }
        assert!(steps > 8, "{steps} steps");
    }
}

//! The spool against a model: what was acknowledged and not settled is still there, in order,
//! whatever happened in between.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::accounting::{BootKey, Seqs, Totals};

mod disk;
mod model;
mod parked;
mod rollups;
mod unreadable;

const LIMIT: u64 = 1 << 20;

fn options(dir: &Path) -> SpoolOptions {
    SpoolOptions {
        dir: dir.to_owned(),
        max_bytes: LIMIT,
        dead_letters_max_bytes: 64 << 10,
        keep_free_bytes: 0,
    }
}

fn open(dir: &Path) -> Spool {
    Spool::open(&options(dir), Metrics::new()).unwrap()
}

fn key() -> BootKey {
    BootKey { gateway: "edge".into(), boot: Uuid::from_u128(1) }
}

/// A batch of one record with this number, padded so that a few batches fill pages.
fn batch(number: u64, bytes: usize) -> Append {
    let mut seqs = Seqs::default();
    seqs.add(&key().gateway, key().boot, number);
    let body = format!("{{\"n\":{number},\"fill\":\"{}\"}}\n", "x".repeat(bytes)).into_bytes();
    Append { body, records: 1, seqs, ..Append::default() }
}

async fn all(spool: &Spool) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let after = rows.last().map_or(0, |row| row.id);
        let read = spool.read(after, 4_096, 7).await.unwrap().rows;
        if read.is_empty() {
            return rows;
        }
        rows.extend(read);
    }
}

fn settled(spool: &Spool, rows: &[Row]) -> Settled {
    let mut settled = Settled { generation: spool.generation(), ..Settled::default() };
    for row in rows {
        settled.rows.push(SettledRow::of(row));
        settled.stored.merge(&row.seqs);
    }
    settled
}

fn letter(line: &str) -> DeadLetter {
    DeadLetter { kind: "not_json".into(), reason: "because".into(), line: line.into() }
}

fn copy(from: &Path, to: &Path) {
    for name in ["spool.db", "spool.db-wal"] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

fn wal(dir: &Path) -> u64 {
    fs::metadata(dir.join("spool.db-wal")).map_or(0, |metadata| metadata.len())
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

#[derive(Clone, Debug)]
enum Step {
    /// Appends batches concurrently.
    Append(Vec<usize>),
    /// Settles the first rows.
    Settle(usize),
    /// Closes and reopens.
    Reopen,
    /// Continues with a copy of the files as they are on disk, as after SIGKILL.
    Kill,
    /// Appends one more batch and continues with a copy whose log ends somewhere in the middle of
    /// it, as after a power loss before the acknowledgement.
    PowerLoss { bytes: usize, cut: f64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop::collection::vec(0_usize..9_000, 1..8).prop_map(Step::Append),
        3 => (1_usize..6).prop_map(Step::Settle),
        1 => Just(Step::Reopen),
        2 => Just(Step::Kill),
        3 => (0_usize..20_000, 0.0..1.0).prop_map(|(bytes, cut)| Step::PowerLoss { bytes, cut }),
    ];
    prop::collection::vec(step, 1..14)
}

struct Machine {
    dirs: Vec<TempDir>,
    spool: Option<Spool>,
    /// Number → body, for everything acknowledged and not settled.
    model: BTreeMap<u64, Vec<u8>>,
    settled: u64,
    next: u64,
}

impl Machine {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let spool = Some(open(dir.path()));
        Self { dirs: vec![dir], spool, model: BTreeMap::new(), settled: 0, next: 1 }
    }

    fn dir(&self) -> PathBuf {
        self.dirs.last().unwrap().path().to_owned()
    }

    fn spool(&self) -> &Spool {
        self.spool.as_ref().unwrap()
    }

    fn batch(&mut self, bytes: usize) -> (u64, Append) {
        let number = self.next;
        self.next += 1;
        (number, batch(number, bytes))
    }

    /// Continues with a copy of the files, changed by `damage`.
    fn crash(&mut self, damage: impl FnOnce(&Path)) {
        let dir = TempDir::new().unwrap();
        copy(&self.dir(), dir.path());
        damage(dir.path());
        self.spool = Some(open(dir.path()));
        self.dirs.push(dir);
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Append(sizes) => {
                let batches: Vec<_> = sizes.into_iter().map(|size| self.batch(size)).collect();
                let spool = self.spool().clone();
                let mut tasks = Vec::new();
                for (number, batch) in batches {
                    let (spool, body) = (spool.clone(), batch.body.clone());
                    tasks.push((
                        number,
                        body,
                        tokio::spawn(async move { spool.append(batch).await }),
                    ));
                }
                for (number, body, task) in tasks {
                    if task.await.unwrap().is_ok() {
                        self.model.insert(number, body);
                    }
                }
            }
            Step::Settle(count) => {
                let mut rows = all(self.spool()).await;
                rows.truncate(count);
                self.spool().settle(settled(self.spool(), &rows)).await.unwrap();
                for row in rows {
                    let number = number_of(&row.body);
                    assert!(self.model.remove(&number).is_some(), "settled {number} twice");
                    self.settled += 1;
                }
            }
            Step::Reopen => {
                self.spool().close().await.unwrap();
                self.spool = None;
                self.spool = Some(open(&self.dir()));
            }
            Step::Kill => self.crash(|_| {}),
            Step::PowerLoss { bytes, cut } => {
                let before = wal(&self.dir());
                let (number, batch) = self.batch(bytes);
                let body = batch.body.clone();
                let accepted = self.spool().append(batch).await.is_ok();
                let after = wal(&self.dir());
                // A log that was restarted is not longer: there is nothing to cut off.
                let torn = accepted && after > before;
                self.crash(|dir| {
                    if torn {
                        let span = (after - before) as f64;
                        let file = OpenOptions::new().write(true).open(dir.join("spool.db-wal"));
                        file.unwrap().set_len(before + (span * cut) as u64).unwrap();
                    }
                });
                let there =
                    all(self.spool()).await.iter().any(|row| number_of(&row.body) == number);
                assert!(there || torn || !accepted, "acknowledged {number} is lost");
                if there {
                    self.model.insert(number, body);
                }
            }
        }
    }

    async fn check(&self) {
        let rows = all(self.spool()).await;
        assert!(rows.iter().all(|row| row.intact));
        let mut found: Vec<_> =
            rows.iter().map(|row| (number_of(&row.body), row.body.clone())).collect();
        // Batches appended concurrently may have been committed in any order.
        found.sort();
        let expected: Vec<_> = self.model.clone().into_iter().collect();
        assert_eq!(found, expected);
        let waiting = self.spool().waiting();
        let bytes: u64 = rows.iter().map(|row| database::row_bytes(&row.body, &row.seqs)).sum();
        let count = expected.len() as u64;
        assert_eq!((waiting.rows, waiting.records, waiting.bytes), (count, count, bytes));
        assert!(waiting.bytes <= LIMIT);
        let ledger = self.spool().ledger();
        let counts = ledger.get(&key()).unwrap_or_default().numbers.counts(false);
        assert_eq!((counts.stored, counts.spooled), (self.settled, count));
    }
}

fn number_of(body: &[u8]) -> u64 {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap();
    value["n"].as_u64().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_acknowledged_and_not_settled_is_there_after_any_crash(steps in steps()) {
        run(async {
            let mut machine = Machine::new();
            for step in steps {
                machine.step(step).await;
                machine.check().await;
            }
        });
    }

    #[test]
    fn a_damaged_page_costs_no_more_than_it_holds_and_alters_nothing(
        sizes in prop::collection::vec(0_usize..20_000, 1..12),
        place in 0.0..1.0,
        junk in prop::collection::vec(any::<u8>(), 1..600),
    ) {
        run(async {
            let dir = TempDir::new().unwrap();
            let spool = open(dir.path());
            let mut bodies = Vec::new();
            for (number, size) in (1..).zip(sizes) {
                let batch = batch(number, size);
                bodies.push(batch.body.clone());
                spool.append(batch).await.unwrap();
            }
            spool.close().await.unwrap();
            drop(spool);
            let path = dir.path().join(FILE);
            let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
            let length = file.metadata().unwrap().len();
            // `user_version`: a later version is refused by rule, whatever wrote it there.
            let mut version = [0; 4];
            file.read_exact_at(&mut version, 60).unwrap();
            file.write_all_at(&junk, (length as f64 * place) as u64).unwrap();
            file.write_all_at(&version, 60).unwrap();

            let spool = open(dir.path());
            let mut whole = 0;
            while let Ok(read) = spool.read(whole, usize::MAX, 1).await {
                let Some(row) = read.rows.into_iter().next() else { break };
                whole = row.id;
                // Anything altered is detected.
                prop_assert!(!row.intact || bodies.contains(&row.body));
            }
            // And the service continues, with a new file if needed.
            let next = batch(1_000, 10);
            let mut done = spool.append(next.clone()).await;
            if done.is_err() {
                done = spool.append(next).await;
            }
            prop_assert_eq!(done, Ok(()));
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_full_spool_refuses_and_takes_again_once_rows_are_settled() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    let mut count = 0;
    let refused = loop {
        match spool.append(batch(count + 1, 100_000)).await {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, SpoolError::Full { limit: LIMIT, .. }), "{refused}");
    assert_eq!(count, LIMIT / 100_100);
    assert_eq!(spool.health(), Health::Good, "the bound is no fault of the disk");
    // A header alone takes no space.
    spool.append(Append::default()).await.unwrap();
    let rows = all(&spool).await;
    spool.settle(settled(&spool, &rows[..1])).await.unwrap();
    spool.append(batch(99, 100_000)).await.unwrap();
}

#[tokio::test]
async fn a_second_collector_on_the_same_directory_is_refused() {
    let dir = TempDir::new().unwrap();
    let _spool = open(dir.path());
    let second = Spool::open(&options(dir.path()), Metrics::new());
    assert!(matches!(second.err(), Some(SpoolError::Locked(_))));
}

#[tokio::test]
async fn a_file_of_a_later_version_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    open(dir.path()).close().await.unwrap();
    let db = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let later = Spool::open(&options(dir.path()), Metrics::new());
    assert_eq!(later.err(), Some(SpoolError::Version { found: 99, known: 2 }));
    assert_eq!(fs::read_dir(dir.path()).unwrap().filter(is_aside).count(), 0);
}

fn is_aside(entry: &std::io::Result<fs::DirEntry>) -> bool {
    let name = entry.as_ref().unwrap().file_name().to_string_lossy().into_owned();
    // With its log next to it, which is not counted.
    name.contains(".corrupt-") && !name.ends_with("-wal") && !name.ends_with("-shm")
}

#[tokio::test]
async fn a_file_that_is_no_database_is_moved_aside_and_named() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(FILE), b"this is no database, and longer than a header".repeat(9))
        .unwrap();
    let spool = open(dir.path());
    spool.append(batch(1, 10)).await.unwrap();
    assert_eq!(all(&spool).await.len(), 1);
    assert_eq!(fs::read_dir(dir.path()).unwrap().filter(is_aside).count(), 1);
}

#[tokio::test]
async fn what_a_rescue_cannot_read_becomes_missing() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    for number in 1..=20 {
        spool.append(batch(number, 3_000)).await.unwrap();
    }
    let rows = all(&spool).await;
    spool.settle(settled(&spool, &rows[..5])).await.unwrap();
    spool.close().await.unwrap();
    drop(spool);
    // Damage the file's structure: one leaf of the table of batches.
    let path = dir.path().join(FILE);
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(9).position(|window| window == b"{\"n\":12,\"").unwrap();
    let page = at as u64 / 4_096 * 4_096;
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0xff; 4_096], page).unwrap();

    let spool = open(dir.path());
    let left = all(&spool).await;
    assert_eq!(fs::read_dir(dir.path()).unwrap().filter(is_aside).count(), 1);
    assert!(!left.is_empty() && left.len() < 15, "{} left", left.len());
    assert!(left.iter().all(|row| row.intact));
    let statement = spool.ledger().get(&key()).unwrap().statement(0);
    assert_eq!(statement.stored, 5);
    assert_eq!(statement.spooled, left.len() as u64);
    assert!(statement.stored + statement.spooled < 20);
}

#[tokio::test]
async fn a_file_whose_header_names_no_format_that_there_is_is_moved_aside() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    spool.append(batch(1, 10)).await.unwrap();
    spool.close().await.unwrap();
    drop(spool);
    // The schema's format number: SQLite has no specific error code for a wrong one.
    let file = OpenOptions::new().write(true).open(dir.path().join(FILE)).unwrap();
    file.write_all_at(&[0xff; 4], 44).unwrap();
    let spool = open(dir.path());
    spool.append(batch(2, 10)).await.unwrap();
    let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().any(|name| name.to_string_lossy().contains("corrupt")));
}

#[tokio::test]
async fn a_damaged_body_is_found_by_its_checksum() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    for number in 1..=3 {
        spool.append(batch(number, 200)).await.unwrap();
    }
    spool.close().await.unwrap();
    drop(spool);
    let path = dir.path().join(FILE);
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(6).position(|window| window == b"{\"n\":2").unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(b"7", at as u64 + 5).unwrap();
    let spool = open(dir.path());
    let rows = all(&spool).await;
    assert_eq!(rows.iter().map(|row| row.intact).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(rows[1].seqs, batch(2, 0).seqs, "its numbers are known all the same");
    // They counted as quarantined, and therefore as known: no replay sent them.
    let mut done = settled(&spool, &rows);
    done.stored = batch(1, 0).seqs;
    done.stored.merge(&batch(3, 0).seqs);
    done.rows[1].letters.push(letter("damaged"));
    done.rows[1].quarantined = rows[1].seqs.clone();
    spool.settle(done).await.unwrap();
    let statement = || spool.ledger().get(&key()).unwrap().statement(0);
    assert_eq!((statement().stored, statement().quarantined, statement().missing), (2, 0, 1));
    assert_eq!(spool.ledger().get(&key()).unwrap().absent(), [(2, 2)]);
    spool.append(batch(2, 200)).await.unwrap();
    assert_eq!((statement().spooled, statement().missing), (1, 0));
}

/// Regression: a line that could no longer be decoded had no number to report, so its number stayed
/// `spooled` forever.
#[tokio::test]
async fn a_number_that_nothing_is_told_of_is_missing_once_its_row_is_settled() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    spool.append(batch(1, 10)).await.unwrap();
    let rows = all(&spool).await;
    let row = SettledRow { letters: vec![letter("unreadable")], ..SettledRow::of(&rows[0]) };
    let generation = spool.generation();
    spool.settle(Settled { generation, rows: vec![row], ..Settled::default() }).await.unwrap();
    let statement = spool.ledger().get(&key()).unwrap().statement(0);
    assert_eq!((statement.spooled, statement.missing), (0, 1));
}

/// SQLite reads nothing from a file that is shorter than its header says.
#[tokio::test]
async fn a_file_that_was_cut_off_keeps_the_batches_before_the_cut() {
    for cut in [4_096, 40_960] {
        let dir = TempDir::new().unwrap();
        let spool = open(dir.path());
        for number in 1..=60 {
            spool.append(batch(number, 3_000)).await.unwrap();
        }
        spool.close().await.unwrap();
        drop(spool);
        let file = OpenOptions::new().write(true).open(dir.path().join(FILE)).unwrap();
        file.set_len(file.metadata().unwrap().len() - cut).unwrap();
        let spool = open(dir.path());
        let kept = all(&spool).await.len();
        assert!((30..=60).contains(&kept), "{kept} of 60 after {cut} bytes were cut off");
    }
}

#[tokio::test]
async fn a_log_that_was_damaged_is_kept() {
    let (live, dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let spool = open(live.path());
    for number in 1..=60 {
        spool.append(batch(number, 3_000)).await.unwrap();
    }
    copy(live.path(), dir.path());
    let log = dir.path().join("spool.db-wal");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, &bytes).unwrap();
    open(dir.path());
    assert_eq!(fs::read(dir.path().join("spool.db-wal.damaged")).unwrap(), bytes);
}

/// Regression: it made 1.8e19 records missing.
#[tokio::test]
async fn a_refused_line_s_number_makes_nothing_missing_that_nobody_assigned() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    for number in [u64::MAX, u64::MAX - 1, 1 << 63, 1 << 53, 7] {
        let mut quarantined = Seqs::default();
        quarantined.add(&key().gateway, key().boot, number);
        let letters = vec![letter("refused")];
        let totals = Some((key(), Totals { assigned: 3, ..Totals::default() }));
        spool.append(Append { letters, quarantined, totals, ..Append::default() }).await.unwrap();
        let statement = spool.ledger().get(&key()).unwrap().statement(0);
        assert_eq!((statement.assigned, statement.missing), (3, 3), "{number}");
    }
}

#[tokio::test]
async fn rows_of_a_file_that_was_moved_aside_are_not_deleted_in_the_new_one() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    spool.append(batch(1, 10)).await.unwrap();
    let rows = all(&spool).await;
    let stale = Settled { generation: spool.generation() + 1, ..settled(&spool, &rows) };
    spool.settle(stale).await.unwrap();
    assert_eq!(all(&spool).await.len(), 1);
    assert_eq!(spool.ledger().get(&key()).unwrap().statement(0).stored, 1);
}

#[tokio::test]
async fn a_disk_that_refuses_makes_the_spool_refuse_until_it_takes_again() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    spool.append(batch(1, 10)).await.unwrap();
    // Another process that holds the write lock simulates a disk that rejects writes.
    let other = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = spool.append(batch(2, 10)).await.unwrap_err();
    assert_eq!(refused.kind(), SpoolErrorKind::Passing, "{refused}");
    assert!(matches!(spool.health(), Health::Refusing(_)));
    other.execute_batch("ROLLBACK").unwrap();
    let began = std::time::Instant::now();
    while spool.health() != Health::Good {
        assert!(began.elapsed().as_secs() < 30, "never looked again");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    spool.append(batch(3, 10)).await.unwrap();
    let numbers: Vec<_> = all(&spool).await.iter().map(|row| number_of(&row.body)).collect();
    assert_eq!(numbers, [1, 3], "what was refused is not there");
}

/// Regression: it freed one page a second, so after an hour's outage the disk was full of free
/// pages for days.
#[tokio::test]
async fn a_spool_that_was_large_once_gives_its_disk_back() {
    let dir = TempDir::new().unwrap();
    let large = SpoolOptions { max_bytes: 64 << 20, ..options(dir.path()) };
    let spool = Spool::open(&large, Metrics::new()).unwrap();
    for number in 1..=24 {
        spool.append(batch(number, 1 << 20)).await.unwrap();
    }
    let rows = all(&spool).await;
    spool.settle(settled(&spool, &rows)).await.unwrap();
    let file = dir.path().join(FILE);
    let began = std::time::Instant::now();
    // Up to 16 MiB of free pages are kept for future batches.
    while fs::metadata(&file).unwrap().len() > 18 << 20 {
        assert!(began.elapsed().as_secs() < 30, "{} bytes", fs::metadata(&file).unwrap().len());
        // Under steady load too, when no second is idle.
        spool.append(batch(25, 10)).await.unwrap();
        let rows = all(&spool).await;
        spool.settle(settled(&spool, &rows)).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Regression: a disk filled by rows kept them forever, because deleting one needs space as well.
#[tokio::test]
async fn without_room_on_the_disk_batches_are_refused_and_rows_are_settled() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    spool.append(batch(1, 10)).await.unwrap();
    spool.close().await.unwrap();
    drop(spool);

    let crowded = SpoolOptions { keep_free_bytes: u64::MAX, ..options(dir.path()) };
    let spool = Spool::open(&crowded, Metrics::new()).unwrap();
    let refused = spool.append(batch(2, 10)).await.unwrap_err();
    assert!(matches!(refused, SpoolError::NoRoom { keep: u64::MAX, .. }), "{refused}");
    assert!(matches!(spool.health(), Health::Refusing(_)));
    let rows = all(&spool).await;
    spool.settle(settled(&spool, &rows)).await.unwrap();
    assert_eq!((all(&spool).await, spool.waiting().rows), (vec![], 0));
    assert!(matches!(spool.health(), Health::Refusing(_)), "there is no more room than before");
}

#[tokio::test]
async fn dead_letters_keep_their_bound_and_the_newest_stay() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    let line = "x".repeat(10_000);
    for number in 0..20 {
        let letters = vec![letter(&format!("{number}{line}"))];
        spool.append(Append { letters, ..Append::default() }).await.unwrap();
    }
    let count = spool.letters();
    assert!(count.bytes <= 64 << 10 && count.letters == 6, "{count:?}");
    let letters = LetterBox::open(dir.path()).unwrap();
    assert_eq!(letters.count().unwrap(), count);
    let ids = letters.ids(&LetterFilter::default()).unwrap();
    assert_eq!(ids, (15..=20).collect::<Vec<_>>());
    let last = letters.get(20).unwrap().unwrap();
    assert!(last.letter.line.starts_with(b"19x") && last.whole);
}

#[tokio::test]
async fn a_command_beside_the_service_moves_letters_back_and_the_service_sees_it() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    let letters = vec![letter("good"), letter("bad")];
    spool.append(Append { letters, ..Append::default() }).await.unwrap();
    let mut letters = LetterBox::open(dir.path()).unwrap();
    let moved = letters.retry(&LetterFilter::default(), |stored| {
        let good = stored.letter.line == b"good";
        good.then(|| Retried { line: b"{\"n\":5}\n".to_vec(), ..Retried::default() })
    });
    assert_eq!(moved, Ok((1, 1)));
    tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while spool.waiting().rows == 0 {
            spool.changed().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(spool.letters().letters, 1);
    assert_eq!(number_of(&all(&spool).await[0].body), 5);
    assert_eq!(letters.purge(&LetterFilter::default()), Ok(1));
}

#[tokio::test]
async fn many_batches_at_once_share_commits() {
    let dir = TempDir::new().unwrap();
    let metrics = Metrics::new();
    let spool = Spool::open(&options(dir.path()), metrics.clone()).unwrap();
    let tasks: Vec<_> = (1..=500)
        .map(|number| {
            let spool = spool.clone();
            tokio::spawn(async move { spool.append(batch(number, 100)).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(all(&spool).await.len(), 500);
    let text = metrics.render(&crate::metrics::Snapshot::default());
    let name = "gatelog_collector_spool_commit_seconds_count ";
    let commits = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    assert!(commits.parse::<u64>().unwrap() < 100, "{commits} commits for 500 batches");
}

#[test]
fn only_a_failed_fsync_is_fatal_and_only_damage_is_corruption() {
    use rusqlite::ffi;
    for (code, fault) in [
        (ffi::SQLITE_IOERR_FSYNC, SpoolErrorKind::Fatal),
        (ffi::SQLITE_IOERR_DIR_FSYNC, SpoolErrorKind::Fatal),
        (ffi::SQLITE_FULL, SpoolErrorKind::Full),
        (ffi::SQLITE_READONLY, SpoolErrorKind::Passing),
        (ffi::SQLITE_IOERR_WRITE, SpoolErrorKind::Full),
        (ffi::SQLITE_IOERR_READ, SpoolErrorKind::Unreadable),
        (ffi::SQLITE_BUSY, SpoolErrorKind::Passing),
        (ffi::SQLITE_CORRUPT, SpoolErrorKind::Corrupt),
        (ffi::SQLITE_NOTADB, SpoolErrorKind::Corrupt),
    ] {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        assert_eq!(SpoolError::from(error).kind(), fault, "{code}");
    }
}

#[tokio::test]
async fn a_broken_spool_acknowledges_nothing_any_more_and_a_restart_has_what_it_had() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    spool.append(batch(1, 10)).await.unwrap();
    let broken = Health::Broken("fsync failed".into());
    assert!(spool.inner.shared.set_health(broken.clone()));
    assert_eq!(spool.append(batch(2, 10)).await.unwrap_err().kind(), SpoolErrorKind::Fatal);
    let rows = all(&spool).await;
    assert!(spool.settle(settled(&spool, &rows)).await.is_err());
    assert!(!spool.inner.shared.set_health(Health::Good), "nothing but a restart helps");
    assert_eq!(spool.health(), broken);
    spool.close().await.unwrap();
    drop(spool);
    let numbers: Vec<_> =
        all(&open(dir.path())).await.iter().map(|row| number_of(&row.body)).collect();
    assert_eq!(numbers, [1]);
}

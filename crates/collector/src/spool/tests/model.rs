//! The spool against a model that keeps every record: rows settled whole and in part, parked,
//! settled again, settled for a file that was replaced, killed and damaged in between. Each record
//! is in exactly one place, and the counts match what is on disk.

use std::collections::BTreeSet;

use super::super::rollups;
use super::*;
use crate::rollup::{Facts, Observation, Value};

/// The fate of a record when its row is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stored,
    Refused,
    Parked(&'static str),
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Whole,
    Parked(&'static str),
    Stored,
    Letter,
}

const COLLECTIONS: [&str; 2] = ["audit_logs", "trace_logs"];

#[derive(Clone, Debug)]
enum Step {
    /// Appends a batch of this many records, each padded by this many bytes.
    Append(u64, usize),
    /// Settles some rows: of whole batches, or of a collection.
    Settle {
        from: Option<&'static str>,
        rows: usize,
        fates: Vec<Fate>,
    },
    /// The last settle is repeated.
    Again,
    /// A reader finds the file corrupt; then rows that were read before are settled.
    Replace(Vec<Fate>),
    /// The database takes some rollups; those that are not changed until then are put away.
    Push(usize),
    Reopen,
    Kill,
    /// A page is overwritten while the collector is down.
    Damage(f64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fate = prop_oneof![
        3 => Just(Fate::Stored),
        1 => Just(Fate::Refused),
        1 => Just(Fate::Parked(COLLECTIONS[0])),
        1 => Just(Fate::Parked(COLLECTIONS[1])),
    ];
    let fates = prop::collection::vec(fate, 1..7);
    let from = prop_oneof![
        2 => Just(None),
        1 => Just(Some(COLLECTIONS[0])),
        1 => Just(Some(COLLECTIONS[1])),
    ];
    let step = prop_oneof![
        5 => (1_u64..5, 0_usize..3_000).prop_map(|(records, fill)| Step::Append(records, fill)),
        5 => (from, 1_usize..5, fates.clone())
            .prop_map(|(from, rows, fates)| Step::Settle { from, rows, fates }),
        1 => Just(Step::Again),
        1 => fates.prop_map(Step::Replace),
        3 => (1_usize..8).prop_map(Step::Push),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => (0.0..1.0).prop_map(Step::Damage),
    ];
    prop::collection::vec(step, 1..16)
}

struct Machine {
    dirs: Vec<TempDir>,
    spool: Option<Spool>,
    places: BTreeMap<u64, Place>,
    lines: BTreeMap<u64, Vec<u8>>,
    last: Option<Settled>,
    /// What the database has of the rollups: records by file, part, and what is counted.
    database: BTreeMap<(Uuid, i64, String), u64>,
    /// Records whose counts were lost with a file that was replaced.
    uncounted: u64,
    /// Whether pages of accounts may have been lost.
    damaged: bool,
}

fn roomy(dir: &Path) -> Spool {
    let options = SpoolOptions { dead_letters_max_bytes: 1 << 20, ..options(dir) };
    Spool::open(&options, Metrics::new()).unwrap()
}

fn lines_of(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split_inclusive(|byte| *byte == b'\n')
}

fn numbers_of(rows: &[Row]) -> Vec<u64> {
    rows.iter().flat_map(|row| lines_of(&row.body).map(number_of)).collect()
}

fn only(number: u64) -> Seqs {
    let mut seqs = Seqs::default();
    seqs.add(&key().gateway, key().boot, number);
    seqs
}

/// What a record counts: one of four applications' records.
fn observation(number: u64) -> Observation {
    let line = format!(
        r#"{{"timestamp":"2026-01-26T02:{:02}:57Z","level":"INFO","message":"m","logger_name":"l{}"}}"#,
        number % 3,
        number % 4
    );
    let limits = gatelog_record::DecodeLimits::default();
    let record = gatelog_record::decode_record(line.as_bytes(), &limits, Uuid::nil()).unwrap();
    Observation::of(&Facts::of(&record), 1_769_393_700_000).unwrap()
}

/// What a writer would report for these rows, and where their records are afterwards.
fn settle(generation: u64, rows: &[Row], fates: &[Fate]) -> (Settled, Vec<(u64, Place)>) {
    let mut fates = fates.iter().copied().cycle();
    let mut settled = Settled { generation, ..Settled::default() };
    let mut places = Vec::new();
    for row in rows {
        let mut done = SettledRow::of(row);
        if !row.intact {
            settled.rows.push(done);
            continue;
        }
        for line in lines_of(&row.body) {
            let number = number_of(line);
            let place = match fates.next().unwrap() {
                Fate::Stored => {
                    settled.stored.merge(&only(number));
                    done.tally.add(&observation(number));
                    Place::Stored
                }
                Fate::Refused => {
                    done.quarantined.merge(&only(number));
                    done.letters.push(letter(std::str::from_utf8(line).unwrap()));
                    Place::Letter
                }
                Fate::Parked(collection) => {
                    if !done.rests.iter().any(|rest| rest.collection == collection) {
                        let collection = collection.to_owned();
                        done.rests.push(Rest { collection, ..Rest::default() });
                    }
                    let of = |rest: &&mut Rest| rest.collection == collection;
                    let rest = done.rests.iter_mut().find(of).unwrap();
                    rest.records += 1;
                    rest.seqs.merge(&only(number));
                    rest.body.extend_from_slice(line);
                    Place::Parked(collection)
                }
            };
            places.push((number, place));
        }
        settled.rows.push(done);
    }
    (settled, places)
}

impl Machine {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let spool = Some(roomy(dir.path()));
        Self {
            dirs: vec![dir],
            spool,
            places: BTreeMap::new(),
            lines: BTreeMap::new(),
            last: None,
            database: BTreeMap::new(),
            uncounted: 0,
            damaged: false,
        }
    }

    fn dir(&self) -> PathBuf {
        self.dirs.last().unwrap().path().to_owned()
    }

    fn spool(&self) -> &Spool {
        self.spool.as_ref().unwrap()
    }

    async fn rows(&self, from: Option<&str>) -> Vec<Row> {
        loop {
            let read = match from {
                None => self.spool().read(0, usize::MAX, usize::MAX).await,
                Some(of) => self.spool().read_parked(of, 0, usize::MAX, usize::MAX).await,
            };
            match read {
                Ok(read) => return read.rows,
                Err(error) => self.is_of_damage(&error),
            }
        }
    }

    /// Damage may be detected at any time after it occurred; the file is then replaced.
    fn is_of_damage(&self, error: &SpoolError) {
        assert!(self.damaged && error.kind() == SpoolErrorKind::Corrupt, "{error}");
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Append(records, fill) => {
                let first = self.lines.len() as u64 + 1;
                let mut append = Append { records, ..Append::default() };
                for number in first..first + records {
                    let line = batch(number, fill).body;
                    append.body.extend_from_slice(&line);
                    append.seqs.merge(&only(number));
                    self.lines.insert(number, line);
                    self.places.insert(number, Place::Whole);
                }
                if let Err(error) = self.spool().append(append).await {
                    self.is_of_damage(&error);
                    self.forget_what_is_gone().await;
                }
            }
            Step::Settle { from, rows: count, fates } => {
                let mut rows = self.rows(from).await;
                rows.truncate(count);
                let (settled, places) = settle(self.spool().generation(), &rows, &fates);
                match self.spool().settle(settled.clone()).await {
                    Ok(()) => {
                        self.places.extend(places);
                        self.last = Some(settled);
                    }
                    Err(error) => {
                        self.is_of_damage(&error);
                        self.forget_what_is_gone().await;
                    }
                }
            }
            Step::Again => {
                // Only a row of the same name may exist by now: what was parked of a batch, again.
                if let Some(mut settled) = self.last.take() {
                    settled.rows.retain(|row| row.parked.is_none());
                    settled.stored = Seqs::default();
                    if let Err(error) = self.spool().settle(settled).await {
                        self.is_of_damage(&error);
                        self.forget_what_is_gone().await;
                    }
                }
            }
            Step::Replace(fates) => {
                let rows = self.rows(None).await;
                let (mut stale, _) = settle(self.spool().generation(), &rows, &fates);
                stale.stored = Seqs::default();
                let found = self.spool().submit(|done| Job::Corrupt("told".into(), done)).await;
                assert_eq!(found.unwrap_err().kind(), SpoolErrorKind::Corrupt);
                self.spool().settle(stale).await.unwrap();
                if self.damaged {
                    self.forget_what_is_gone().await;
                }
                self.last = None;
                self.recount_what_is_left().await;
            }
            Step::Push(count) => self.push(count).await,
            Step::Reopen => self.reopen().await,
            Step::Kill => {
                let dir = TempDir::new().unwrap();
                copy(&self.dir(), dir.path());
                self.spool = Some(roomy(dir.path()));
                self.dirs.push(dir);
            }
            Step::Damage(place) => {
                self.close().await;
                let path = self.dir().join(FILE);
                let pages = fs::metadata(&path).unwrap().len() / 4_096;
                // Not the first page, which identifies the file.
                let page = 1 + ((pages - 1) as f64 * place) as u64;
                let file = OpenOptions::new().write(true).open(path).unwrap();
                file.write_all_at(&[0xff; 4_096], page.min(pages - 1) * 4_096).unwrap();
                self.spool = Some(roomy(&self.dir()));
                self.damaged = true;
                self.last = None;
                self.forget_what_is_gone().await;
            }
        }
    }

    /// What a pusher does, and what it would do again after it was killed.
    async fn push(&mut self, count: usize) {
        let Ok(page) = self.spool().rollups(None, count).await else {
            assert!(self.damaged);
            return;
        };
        for row in &page.rows {
            let key = (page.file, row.part, format!("{} {}", row.period, row.dimension));
            let records = Value::unpack(&row.packed).unwrap().records;
            let known = self.database.entry(key).or_default();
            assert!(records >= *known, "a value never shrinks");
            *known = records;
        }
        let some = page.rows.into_iter().step_by(2).collect();
        if let Err(error) = self.spool().put_away(page.generation, some).await {
            self.is_of_damage(&error);
        }
    }

    /// Every record that is counted in an hour: what the database has, and what the spool has more.
    async fn counted(&self) -> u64 {
        let mut all = self.database.clone();
        let page = self.spool().rollups(None, usize::MAX).await.unwrap();
        for row in page.rows {
            let key = (page.file, row.part, format!("{} {}", row.period, row.dimension));
            all.insert(key, Value::unpack(&row.packed).unwrap().records);
        }
        let hours = all.iter().filter(|((_, _, what), _)| what.starts_with("2026-01-26T02 "));
        let minutes = all.iter().filter(|((_, _, what), _)| what.starts_with("2026-01-26T02:"));
        assert_eq!(
            hours.clone().map(|(_, records)| records).sum::<u64>(),
            minutes.map(|(_, records)| records).sum::<u64>()
        );
        hours.map(|(_, records)| records).sum()
    }

    /// A replaced file has lost what was not pushed.
    async fn recount_what_is_left(&mut self) {
        // A value that was lost in part may be of a minute or of its hour: all of it is lost.
        let page = self.spool().rollups(None, usize::MAX).await.unwrap();
        assert!(page.rows.is_empty(), "a new file has no rollups");
        self.database.clear();
        let stored = self.places.values().filter(|place| **place == Place::Stored).count();
        self.uncounted = stored as u64;
    }

    async fn close(&mut self) {
        self.spool().close().await.unwrap();
        self.spool = None;
    }

    async fn reopen(&mut self) {
        self.close().await;
        self.spool = Some(roomy(&self.dir()));
    }

    /// After damage, the model continues with what is left; none of it may be new or in two places.
    async fn forget_what_is_gone(&mut self) {
        self.last = None;
        let found = self.found().await;
        for (number, place) in &found {
            assert_eq!(self.places.get(number), Some(place), "{number} was not there before");
        }
        let found: BTreeSet<u64> = found.iter().map(|(number, _)| *number).collect();
        let there = |number: &u64, place: &Place| *place == Place::Stored || found.contains(number);
        self.places.retain(|number, place| there(number, place));
    }

    /// Every record on disk, and where it is.
    async fn found(&self) -> Vec<(u64, Place)> {
        let mut found = Vec::new();
        let mut bytes = 0;
        for (from, place) in [
            (None, Place::Whole),
            (Some(COLLECTIONS[0]), Place::Parked(COLLECTIONS[0])),
            (Some(COLLECTIONS[1]), Place::Parked(COLLECTIONS[1])),
        ] {
            // The content of a batch with a wrong checksum is not trusted.
            let rows: Vec<_> = self.rows(from).await.into_iter().filter(|row| row.intact).collect();
            assert!(rows.iter().all(|row| row.parked.as_deref() == from));
            found.extend(numbers_of(&rows).into_iter().map(|number| (number, place)));
            bytes += rows.iter().map(|row| database::row_bytes(&row.body, &row.seqs)).sum::<u64>();
        }
        if !self.damaged {
            assert_eq!(self.spool().waiting().bytes, bytes);
        }
        loop {
            match self.letters() {
                Ok(numbers) => {
                    found.extend(numbers.into_iter().map(|number| (number, Place::Letter)));
                    found.sort_unstable();
                    return found;
                }
                // Damage found by a command is found by the collector as well.
                Err(error) => {
                    self.is_of_damage(&error);
                    let told = self.spool().submit(|done| Job::Corrupt(error.to_string(), done));
                    assert!(told.await.is_err());
                }
            }
        }
    }

    fn letters(&self) -> Result<Vec<u64>, SpoolError> {
        let letters = LetterBox::open(&self.dir())?;
        assert_eq!(letters.count()?, self.spool().letters());
        let mut numbers = Vec::new();
        for id in letters.ids(&LetterFilter::default())? {
            let letter = letters.get(id)?.unwrap().letter;
            numbers.push(number_of(&letter.line));
        }
        Ok(numbers)
    }

    async fn check(&mut self) {
        if self.damaged {
            self.forget_what_is_gone().await;
            return;
        }
        let expected: Vec<_> = self
            .places
            .iter()
            .filter(|(_, place)| **place != Place::Stored)
            .map(|(number, place)| (*number, *place))
            .collect();
        assert_eq!(self.found().await, expected);
        let db = database::open_reader(&self.dir().join(FILE)).unwrap();
        assert_eq!(self.spool().parked(), database::parked(&db).unwrap());
        let waiting =
            self.spool().parked().values().fold(database::waiting(&db).unwrap(), Waiting::and);
        assert_eq!(self.spool().waiting(), waiting);
        let count = |of: Place| self.places.values().filter(|place| **place == of).count() as u64;
        let statement = self.spool().ledger().get(&key()).map(|account| account.statement(0));
        let statement = statement.unwrap_or_default();
        assert_eq!(statement.stored, count(Place::Stored));
        assert_eq!(statement.quarantined, count(Place::Letter));
        let settled = count(Place::Stored) + count(Place::Letter);
        assert_eq!(statement.spooled, self.places.len() as u64 - settled);
        assert_eq!(statement.missing, 0);
        assert_eq!(self.counted().await, count(Place::Stored) - self.uncounted);
        let db = database::open_reader(&self.dir().join(FILE)).unwrap();
        assert_eq!(self.spool().rollup_count(), rollups::count(&db).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_record_is_in_one_place_whatever_is_settled_parked_replaced_or_damaged(
        steps in steps(),
    ) {
        run(async {
            let mut machine = Machine::new();
            for step in steps {
                machine.step(step).await;
                machine.check().await;
            }
        });
    }
}

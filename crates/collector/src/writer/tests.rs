//! The writer and a real spool against a server that refuses by rules. The tests control the clock:
//! they advance it step by step, so hours take milliseconds, and a slow disk takes no time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use gatelog_record::Uuid;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::accounting::BootKey;
use crate::spool::{Append, LetterBox, LetterFilter, SpoolError, SpoolOptions};
use crate::store::model::{ModelServer, Reply};

mod counting;
mod erased;

const BOOT: Uuid = Uuid::from_u128(7);

/// A running writer.
struct Rig {
    dir: TempDir,
    spool: Spool,
    metrics: Metrics,
    stop: watch::Sender<bool>,
    writer: JoinHandle<()>,
    model: Arc<ModelServer>,
    gate: Gate,
    acknowledged: u64,
    /// While this exists, the clock does not advance by itself.
    hold: mpsc::Sender<()>,
}

/// How far the clock advances at a time.
const STEP: Duration = Duration::from_secs(5);

fn options(dir: &TempDir) -> SpoolOptions {
    SpoolOptions {
        dir: dir.path().to_owned(),
        max_bytes: 64 << 20,
        dead_letters_max_bytes: 64 << 20,
        keep_free_bytes: 0,
    }
}

fn open(dir: &TempDir, metrics: &Metrics) -> Spool {
    Spool::open(&options(dir), metrics.clone()).unwrap()
}

impl Rig {
    async fn start(model: Arc<ModelServer>) -> Self {
        let (dir, metrics) = (TempDir::new().unwrap(), Metrics::new());
        let spool = open(&dir, &metrics);
        let (hold, ends) = mpsc::channel();
        tokio::task::spawn_blocking(move || ends.recv());
        let gate = Gate::open();
        let (stop, writer) = write(&spool, &model, &gate, &metrics).await;
        Self { dir, spool, metrics, stop, writer, model, gate, acknowledged: 0, hold }
    }

    /// Lets time pass.
    async fn pass(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            // Work in progress first goes as far as it can at the current time.
            self.spool.account(|_, _| {}).await.unwrap();
            let breathe = || std::thread::sleep(Duration::from_micros(300));
            tokio::task::spawn_blocking(breathe).await.unwrap();
            tokio::time::advance(STEP).await;
        }
    }

    /// One batch of records.
    async fn post(&mut self, records: &[Sample]) {
        let mut append = Append { records: records.len() as u64, ..Append::default() };
        for record in records {
            self.acknowledged += 1;
            append.seqs.add("edge", BOOT, self.acknowledged);
            append.body.extend(record.line(self.acknowledged));
        }
        self.spool.append(append).await.unwrap();
    }

    /// Stops the writer and the spool, and starts new ones on the same files.
    async fn restart(self) -> Self {
        let Self { dir, spool, metrics, stop, writer, model, gate, acknowledged, hold } = self;
        stop.send(true).unwrap();
        writer.await.unwrap();
        spool.close().await.unwrap();
        drop(spool);
        let spool = open(&dir, &metrics);
        let (stop, writer) = write(&spool, &model, &gate, &metrics).await;
        Self { dir, spool, metrics, stop, writer, model, gate, acknowledged, hold }
    }

    /// Waits until the condition holds; fails after three hours of the test's clock.
    async fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !so(self) {
            assert!(start.elapsed() < Duration::from_hours(3), "{what}: {:?}", self.spool.parked());
            self.pass(STEP).await;
        }
    }

    async fn until_nothing_waits(&self) {
        self.until("nothing waits", |rig| rig.spool.waiting().records == 0).await;
    }

    fn parked(&self, collection: LogCollection) -> u64 {
        self.spool.parked().get(collection.as_str()).map_or(0, |waiting| waiting.records)
    }

    fn letters(&self) -> Vec<(String, String)> {
        let letters = LetterBox::open(self.dir.path()).unwrap();
        let ids = letters.ids(&LetterFilter::default()).unwrap();
        ids.into_iter()
            .map(|id| letters.get(id).unwrap().unwrap().letter)
            .map(|letter| (letter.kind, String::from_utf8(letter.line).unwrap()))
            .collect()
    }

    /// Whether all of them are stored, in every collection that they go to.
    fn stored(&self, records: &[Sample]) -> bool {
        records.iter().all(|record| {
            record.collections().iter().all(|name| self.model.ids(*name).contains(&record.id))
        })
    }
}

async fn write(
    spool: &Spool,
    model: &Arc<ModelServer>,
    gate: &Gate,
    metrics: &Metrics,
) -> (watch::Sender<bool>, JoinHandle<()>) {
    let (stop, stopped) = watch::channel(false);
    let options = WriterOptions {
        jobs: 2,
        records: 100,
        record: DecodeLimits::default(),
        rollups: true,
        stop_time: Duration::from_hours(1),
    };
    let outage = Outage::new(metrics.clone());
    let destination = Destination { store: model.store().await, gate: gate.clone() };
    let writer = run(spool.clone(), destination, options, metrics.clone(), outage, stopped);
    (stop, tokio::spawn(writer))
}

/// A record, and where it goes.
#[derive(Clone, Debug)]
struct Sample {
    id: Uuid,
    level: &'static str,
    audit: bool,
    flow: bool,
}

impl Sample {
    fn of(level: &'static str) -> Self {
        Self { id: Uuid::new_v4(), level, audit: false, flow: false }
    }

    fn many(level: &'static str, count: usize) -> Vec<Self> {
        (0..count).map(|_| Self::of(level)).collect()
    }

    fn line(&self, seq: u64) -> Vec<u8> {
        let Self { id, level, audit, flow } = self;
        let flow = if *flow { r#""context":{"correlation_id":"c"},"# } else { "" };
        let mut line = format!(
            r#"{{"timestamp":"2026-01-26T02:11:57Z","level":"{level}","message":"m","id":"{id}",
            "audit":{audit},{flow}"source":{{"gateway":"edge","boot":"{BOOT}","seq":{seq}}}}}"#
        )
        .replace('\n', " ");
        line.push('\n');
        line.into_bytes()
    }

    fn collections(&self) -> Vec<LogCollection> {
        let level = match self.level {
            "INFO" => LogCollection::Info,
            "ERROR" => LogCollection::Error,
            _ => LogCollection::Warning,
        };
        let audit = self.audit.then_some(LogCollection::Audit);
        let flow = self.flow.then_some(LogCollection::Trace);
        [Some(level), audit, flow].into_iter().flatten().collect()
    }
}

/// A rule that refuses, in one collection, every call that contains one of the given documents.
fn poisonous(
    collection: LogCollection,
    bad: BTreeSet<Uuid>,
    code: i32,
) -> impl Fn(LogCollection, &[Uuid]) -> Reply {
    move |name, ids| {
        if name == collection && ids.iter().any(|id| bad.contains(id)) {
            Reply::Whole(code)
        } else {
            Reply::Taken
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_poisonous_record_becomes_a_dead_letter_wherever_it_stands_and_its_neighbours_are_stored()
{
    use LogCollection::{Audit, Info, Trace};
    // BadValue, InternalError, BSONObjectTooLarge, and an unknown code.
    for (code, kind, collection, at) in [
        (2, "bad_document", Info, 0),
        (1, "server_refused", Info, 150),
        (10_334, "too_large", Audit, 299),
        (5_999_999, "server_refused", Trace, 7),
    ] {
        let whole = |mut record: Sample| {
            (record.audit, record.flow) = (true, true);
            record
        };
        let mut records: Vec<_> = Sample::many("INFO", 300).into_iter().map(whole).collect();
        let bad = records[at].clone();
        let model = ModelServer::new(poisonous(collection, [bad.id].into(), code));
        let mut rig = Rig::start(model).await;
        let start = Instant::now();
        rig.post(&records).await;
        while rig.letters().is_empty() {
            assert!(start.elapsed() < Duration::from_hours(1), "{code}");
            let other = whole(Sample::of("INFO"));
            rig.post(std::slice::from_ref(&other)).await;
            records.push(other);
            rig.pass(Duration::from_secs(20)).await;
        }
        assert!(start.elapsed() >= Duration::from_mins(1));
        rig.until_nothing_waits().await;
        let letters = rig.letters();
        assert_eq!((letters.len(), letters[0].0.as_str()), (1, kind));
        assert!(letters[0].1.contains(&bad.id.to_string()), "{letters:?}");
        records.retain(|record| record.id != bad.id);
        assert!(rig.stored(&records), "{code}");
        let key = BootKey { gateway: "edge".into(), boot: BOOT };
        let statement = rig.spool.ledger().get(&key).unwrap().statement(0);
        assert_eq!((statement.quarantined, statement.spooled), (1, 0));
    }
}

/// The collection may be the cause, so a dead letter would be a loss.
#[tokio::test(start_paused = true)]
async fn a_record_refused_alone_waits_while_its_collection_takes_no_other() {
    let bad = Sample::of("INFO");
    let model = ModelServer::new(poisonous(LogCollection::Info, [bad.id].into(), 2));
    let mut rig = Rig::start(model).await;
    rig.post(std::slice::from_ref(&bad)).await;
    let errors = Sample::many("ERROR", 10);
    rig.post(&errors).await;
    rig.pass(Duration::from_mins(30)).await;
    assert_eq!((rig.parked(LogCollection::Info), rig.letters().len()), (1, 0));
    assert!(rig.stored(&errors));
    for _ in 0..10 {
        let others = Sample::many("INFO", 1);
        rig.post(&others).await;
        rig.until("the others are stored", |rig| rig.stored(&others)).await;
        rig.pass(Duration::from_secs(40)).await;
    }
    rig.until_nothing_waits().await;
    assert_eq!(rig.letters().len(), 1);
}

/// Regression: five rows were enough to stop all storing.
#[tokio::test(start_paused = true)]
async fn many_poisonous_rows_hold_up_no_other_record() {
    let bad = Sample::many("INFO", 100);
    let ids = bad.iter().map(|record| record.id).collect();
    let model = ModelServer::new(poisonous(LogCollection::Info, ids, 2));
    let mut rig = Rig::start(model).await;
    for part in bad.chunks(10) {
        rig.post(part).await;
    }
    for round in 0..20 {
        let good = Sample::many(["INFO", "ERROR"][round % 2], 30);
        rig.post(&good).await;
        rig.until("good records are stored", |rig| rig.stored(&good)).await;
        rig.pass(Duration::from_secs(10)).await;
    }
    let start = Instant::now();
    while rig.spool.waiting().records > 0 {
        assert!(start.elapsed() < Duration::from_hours(1), "{:?}", rig.spool.parked());
        rig.post(&Sample::many("INFO", 1)).await;
        rig.pass(Duration::from_secs(20)).await;
    }
    assert_eq!(rig.letters().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_collection_without_the_right_to_write_holds_up_no_other_and_loses_nothing() {
    // Unauthorized, CommandNotSupportedOnView, and an unknown code.
    for code in [13, 166, 5_999_999] {
        let may = Arc::new(AtomicBool::new(false));
        let allowed = Arc::clone(&may);
        let model = ModelServer::new(move |name, _| {
            if name == LogCollection::Info && !allowed.load(Ordering::SeqCst) {
                Reply::Whole(code)
            } else {
                Reply::Taken
            }
        });
        let mut rig = Rig::start(model).await;
        let mut infos = Vec::new();
        for _ in 0..20 {
            let (info, errors) = (Sample::many("INFO", 10), Sample::many("ERROR", 5));
            rig.post(&info).await;
            rig.post(&errors).await;
            rig.until("errors are stored", |rig| rig.stored(&errors)).await;
            infos.extend(info);
        }
        rig.pass(Duration::from_mins(20)).await;
        assert_eq!((rig.parked(LogCollection::Info), rig.letters().len()), (200, 0), "{code}");
        let text = rig
            .metrics
            .render(&crate::metrics::Snapshot { parked: rig.spool.parked(), ..Default::default() });
        let line = "gatelog_collector_parked_records{collection=\"info_logs\"} 200";
        assert!(text.contains(line), "{text}");
        // What is parked survives a restart.
        let rig = rig.restart().await;
        rig.pass(Duration::from_mins(20)).await;
        assert_eq!((rig.parked(LogCollection::Info), rig.letters().len()), (200, 0), "{code}");
        may.store(true, Ordering::SeqCst);
        rig.until_nothing_waits().await;
        assert!(rig.stored(&infos) && rig.letters().is_empty(), "{code}");
        let key = BootKey { gateway: "edge".into(), boot: BOOT };
        let statement = rig.spool.ledger().get(&key).unwrap().statement(0);
        assert_eq!((statement.stored, statement.spooled), (300, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_of_a_shut_collection_is_stored_in_its_other_ones_at_once() {
    let model = ModelServer::new(|name, _| match name {
        LogCollection::Trace => Reply::Whole(13),
        _ => Reply::Taken,
    });
    let mut rig = Rig::start(model).await;
    let mut records = Sample::many("INFO", 20);
    for record in &mut records {
        record.flow = true;
    }
    for record in &records {
        rig.post(std::slice::from_ref(record)).await;
    }
    rig.until("all are parked", |rig| rig.parked(LogCollection::Trace) == 20).await;
    assert_eq!(rig.model.ids(LogCollection::Info).len(), 20);
}

/// Regression: each was tried only together with records that the other collection accepted.
#[tokio::test(start_paused = true)]
async fn two_collections_that_are_shut_do_not_wait_for_each_other() {
    let may = Arc::new(AtomicBool::new(false));
    let allowed = Arc::clone(&may);
    let model = ModelServer::new(move |_, _| {
        if allowed.load(Ordering::SeqCst) { Reply::Taken } else { Reply::Whole(13) }
    });
    let mut rig = Rig::start(model).await;
    let record = |level| Sample { audit: true, flow: true, ..Sample::of(level) };
    let records = ["INFO", "ERROR", "INFO", "WARNING"].map(record);
    rig.post(&records).await;
    rig.until("all are parked", |rig| {
        rig.spool.parked().values().map(|it| it.records).sum::<u64>() == 4
    })
    .await;
    rig.pass(Duration::from_mins(5)).await;
    may.store(true, Ordering::SeqCst);
    rig.until_nothing_waits().await;
    assert!(rig.stored(&records) && rig.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_gets_everything_when_it_is_back_and_nothing_is_parked() {
    let away = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&away);
    let model = ModelServer::new(move |_, _| {
        if is_away.load(Ordering::SeqCst) { Reply::Silence { stored: false } } else { Reply::Taken }
    });
    model.alive.store(false, Ordering::SeqCst);
    let mut rig = Rig::start(model).await;
    let records = [Sample::many("INFO", 200), Sample::many("ERROR", 200)].concat();
    rig.post(&records).await;
    rig.pass(Duration::from_hours(1)).await;
    assert!(rig.spool.parked().is_empty() && rig.letters().is_empty());
    away.store(false, Ordering::SeqCst);
    rig.until_nothing_waits().await;
    assert!(rig.stored(&records));
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_never_answers_holds_up_the_others_for_a_minute_at_most() {
    let model = ModelServer::new(|name, _| match name {
        LogCollection::Info => Reply::Silence { stored: false },
        _ => Reply::Taken,
    });
    let mut rig = Rig::start(model).await;
    for part in Sample::many("INFO", 100).chunks(10) {
        rig.post(part).await;
    }
    let start = Instant::now();
    let mixed: Vec<_> = ["INFO", "ERROR"].map(|level| Sample::many(level, 10)).concat();
    rig.post(&mixed).await;
    rig.until("the errors are stored", |rig| rig.stored(&mixed[10..])).await;
    let rig = rig.restart().await;
    rig.until("the others are parked", |rig| rig.parked(LogCollection::Info) == 110).await;
    assert!(start.elapsed() < Duration::from_mins(10), "{:?}", start.elapsed());
    assert!(rig.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_insert_that_panics_is_made_again() {
    let calls = AtomicUsize::new(0);
    let model = ModelServer::new(move |name, _| {
        if name == LogCollection::Trace && calls.fetch_add(1, Ordering::SeqCst) < 2 {
            Reply::Panic
        } else {
            Reply::Taken
        }
    });
    let mut rig = Rig::start(model).await;
    let mut record = Sample::of("INFO");
    record.flow = true;
    rig.post(std::slice::from_ref(&record)).await;
    rig.until_nothing_waits().await;
    assert!(rig.stored(&[record]) && rig.letters().is_empty());
}

/// The temporary behavior of a collection on the property test's server.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Good,
    /// Refuses every call with this code.
    Refuses(i32),
    /// Refuses every document with this code.
    RefusesEach(i32),
    /// Never answers; what is sent is stored or not.
    Silent(bool),
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![
        2 => Just(Mood::Good),
        // Missing rights, a view, server conditions, and unknown codes.
        3 => proptest::sample::select(vec![13, 166, 10_107, 50, 2, 1, 5_999_999])
            .prop_map(Mood::Refuses),
        2 => proptest::sample::select(vec![13, 112, 1, 5_999_999]).prop_map(Mood::RefusesEach),
        1 => any::<bool>().prop_map(Mood::Silent),
    ]
}

/// A record of the property test: its level, whether it is audited, whether it is in a flow, and
/// how its documents are refused, if they are: as a whole or individually, with which code, in
/// which of its collections.
type Spec = (&'static str, bool, bool, Option<(bool, i32, usize)>);

fn spec() -> impl Strategy<Value = Spec> {
    let fault = (any::<bool>(), proptest::sample::select(vec![2, 22, 1, 5_999_999]), 0..3_usize);
    (
        proptest::sample::select(vec!["INFO", "ERROR", "WARNING"]),
        any::<bool>(),
        any::<bool>(),
        prop_oneof![8 => Just(None), 1 => fault.prop_map(Some)],
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 0, ..ProptestConfig::default() })]

    /// Whatever the server's rules are, everything acknowledged ends up in the database or, only if
    /// the record itself is at fault, among the dead letters; and the writer finishes.
    #[test]
    fn everything_acknowledged_ends_stored_or_for_its_own_fault_a_dead_letter(
        batches in proptest::collection::vec(proptest::collection::vec(spec(), 1..40), 1..6),
        moods in proptest::collection::vec(proptest::collection::vec(mood(), 5), 1..3),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(ends_well(batches, moods));
    }
}

const COLLECTIONS: [LogCollection; 5] = [
    LogCollection::Info,
    LogCollection::Error,
    LogCollection::Warning,
    LogCollection::Audit,
    LogCollection::Trace,
];

async fn ends_well(batches: Vec<Vec<Spec>>, moods: Vec<Vec<Mood>>) {
    let mut faults: BTreeMap<(LogCollection, Uuid), (bool, i32)> = BTreeMap::new();
    let mut all = Vec::new();
    for (level, audit, flow, fault) in batches.into_iter().flatten() {
        let record = Sample { audit, flow, ..Sample::of(level) };
        if let Some((whole, code, at)) = fault {
            let names = record.collections();
            faults.insert((names[at % names.len()], record.id), (whole, code));
        }
        all.push(record);
    }
    let bad: BTreeSet<Uuid> = faults.keys().map(|(_, id)| *id).collect();
    let current: Arc<Mutex<Vec<Mood>>> = Arc::new(Mutex::new(moods[0].clone()));
    let seen = Arc::clone(&current);
    let model = ModelServer::new(move |name, ids| {
        let at = COLLECTIONS.iter().position(|one| *one == name).unwrap();
        match seen.lock().unwrap()[at] {
            Mood::Refuses(code) => return Reply::Whole(code),
            Mood::RefusesEach(code) => {
                return Reply::Documents((0..ids.len()).map(|index| (index, code)).collect());
            }
            Mood::Silent(stored)
                if stored && ids.iter().all(|id| !faults.contains_key(&(name, *id))) =>
            {
                return Reply::Silence { stored };
            }
            Mood::Silent(_) => return Reply::Silence { stored: false },
            Mood::Good => {}
        }
        let found = ids.iter().enumerate().filter_map(|(index, id)| {
            faults.get(&(name, *id)).map(|(whole, code)| (index, *whole, *code))
        });
        let found: Vec<_> = found.collect();
        match found.iter().find(|(_, whole, _)| *whole) {
            Some((_, _, code)) => Reply::Whole(*code),
            None => {
                Reply::Documents(found.into_iter().map(|(index, _, code)| (index, code)).collect())
            }
        }
    });
    let mut rig = Rig::start(model).await;
    let mut left = all.clone();
    let part = left.len().div_ceil(moods.len());
    for mood in &moods {
        *current.lock().unwrap() = mood.clone();
        for batch in left.drain(..part.min(left.len())).as_slice().chunks(30) {
            rig.post(batch).await;
        }
        rig.pass(Duration::from_mins(2)).await;
    }
    *current.lock().unwrap() = vec![Mood::Good; 5];
    // Other records for every collection, so that a record's fault can be distinguished from a
    // condition.
    let start = Instant::now();
    while rig.spool.waiting().records > 0 {
        assert!(start.elapsed() < Duration::from_hours(1), "{:?}", rig.spool.parked());
        for level in ["INFO", "ERROR", "WARNING"] {
            let record = Sample { audit: true, flow: true, ..Sample::of(level) };
            rig.post(std::slice::from_ref(&record)).await;
            all.push(record);
        }
        rig.pass(Duration::from_secs(20)).await;
    }
    let letters = rig.letters();
    assert_eq!(letters.len(), bad.len(), "{letters:?}");
    for id in &bad {
        assert!(letters.iter().any(|(_, line)| line.contains(&id.to_string())), "{id}");
    }
    all.retain(|record| !bad.contains(&record.id));
    assert!(rig.stored(&all));
    let key = BootKey { gateway: "edge".into(), boot: BOOT };
    let statement = rig.spool.ledger().get(&key).unwrap().statement(0);
    assert_eq!(statement.quarantined, bad.len() as u64);
    assert_eq!(statement.stored, all.len() as u64);
}

#[tokio::test]
async fn a_fault_of_a_task_is_the_writers_own() {
    pass_on_fault(tokio::spawn(async {}).await);
    let ended = tokio::spawn(async { panic!("a fault") }).await;
    let passed_on = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pass_on_fault(ended)));
    assert!(passed_on.is_err());
}

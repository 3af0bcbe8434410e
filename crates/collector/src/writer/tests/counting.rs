//! Every document in a level's collection is counted once, by whoever inserted it: collectors are
//! killed, the server answers or not, and both collectors have the same batches.

use super::*;
use crate::rollup::{Family, Period, Value};

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// One collector, or both, get a batch: new records, or those of an earlier batch.
    Post { first: bool, both: bool, again: Option<usize>, records: usize },
    /// What the server does with each collection from now on.
    Moods([Mood; 5]),
    /// A collector is killed and started again.
    Kill(bool),
    /// A collector is stopped and started again.
    Restart(bool),
    /// Seconds pass.
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let post = (any::<bool>(), any::<bool>(), proptest::option::of(0..20_usize), 1..30_usize)
        .prop_map(|(first, both, again, records)| Step::Post { first, both, again, records });
    let moods = [mood(), mood(), mood(), mood(), mood()];
    let step = prop_oneof![
        6 => post,
        3 => moods.prop_map(Step::Moods),
        3 => any::<bool>().prop_map(Step::Kill),
        1 => any::<bool>().prop_map(Step::Restart),
        3 => (0..100_u64).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..24)
}

/// What the spool has counted: records in hours, by family.
async fn counted(spool: &Spool, family: Family) -> u64 {
    let page = spool.rollups(None, usize::MAX).await.unwrap();
    let of_hours = page.rows.iter().filter(|row| {
        matches!(row.period, Period::Hour(_) | Period::Untimed) && row.dimension.family == family
    });
    of_hours.map(|row| Value::unpack(&row.packed).unwrap().records).sum()
}

impl Rig {
    /// Ends the writer at whatever it is doing, without a word.
    async fn kill(self) -> Self {
        let Self { dir, spool, metrics, stop, writer, model, gate, acknowledged, hold } = self;
        writer.abort();
        let _ = writer.await;
        drop((spool, stop));
        // Its tasks and its thread end a moment later.
        let spool = loop {
            match Spool::open(&options(&dir), metrics.clone()) {
                Ok(spool) => break spool,
                Err(SpoolError::Locked(_)) => {
                    let breathe = || std::thread::sleep(Duration::from_millis(1));
                    tokio::task::spawn_blocking(breathe).await.unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        };
        let (stop, writer) = write(&spool, &model, &gate, &metrics).await;
        Self { dir, spool, metrics, stop, writer, model, gate, acknowledged, hold }
    }
}

fn moody(moods: &Arc<Mutex<[Mood; 5]>>) -> Arc<ModelServer> {
    let moods = Arc::clone(moods);
    ModelServer::new(move |name, ids| {
        let at = COLLECTIONS.iter().position(|one| *one == name).unwrap();
        match moods.lock().unwrap()[at] {
            Mood::Good => Reply::Taken,
            Mood::Refuses(code) => Reply::Whole(code),
            Mood::RefusesEach(code) => {
                Reply::Documents((0..ids.len()).map(|index| (index, code)).collect())
            }
            Mood::Silent(stored) => Reply::Silence { stored },
        }
    })
}

async fn counts_exactly(steps: Vec<Step>) {
    let moods = Arc::new(Mutex::new([Mood::Good; 5]));
    let model = moody(&moods);
    let mut rigs = [Some(Rig::start(Arc::clone(&model)).await), None];
    rigs[1] = Some(Rig::start(Arc::clone(&model)).await);
    let mut batches: Vec<Vec<Sample>> = Vec::new();
    for step in steps {
        match step {
            Step::Post { first, both, again, records } => {
                let levels = ["INFO", "ERROR", "WARNING"].into_iter().cycle();
                let fresh = levels.take(records).enumerate().map(|(index, level)| Sample {
                    audit: index % 3 == 0,
                    flow: index % 2 == 0,
                    ..Sample::of(level)
                });
                let batch = again.and_then(|index| batches.get(index)).cloned();
                let mut batch = batch.unwrap_or_else(|| fresh.collect());
                // A batch may contain a record twice.
                let twice = batch.first().cloned().filter(|_| records % 5 == 0);
                batch.extend(twice);
                for (index, rig) in rigs.iter_mut().flatten().enumerate() {
                    if both || (index == 0) == first {
                        rig.post(&batch).await;
                    }
                }
                batches.push(batch);
            }
            Step::Moods(new) => *moods.lock().unwrap() = new,
            Step::Kill(first) => {
                let rig = &mut rigs[usize::from(!first)];
                *rig = Some(rig.take().unwrap().kill().await);
            }
            Step::Restart(first) => {
                let rig = &mut rigs[usize::from(!first)];
                *rig = Some(rig.take().unwrap().restart().await);
            }
            Step::Pass(seconds) => {
                rigs[0].as_ref().unwrap().pass(Duration::from_secs(seconds)).await;
            }
        }
    }
    *moods.lock().unwrap() = [Mood::Good; 5];
    let mut sums = BTreeMap::new();
    let (mut letters, mut unsettled) = (0, false);
    for rig in rigs.iter_mut().flatten() {
        let start = Instant::now();
        while rig.spool.waiting().records > 0 {
            assert!(start.elapsed() < Duration::from_hours(1), "{:?}", rig.spool.parked());
            // Others for every collection: those on trial wait for them.
            let others = ["INFO", "ERROR", "WARNING"].map(|level| Sample {
                audit: true,
                flow: true,
                ..Sample::of(level)
            });
            rig.post(&others).await;
            rig.pass(Duration::from_secs(20)).await;
        }
        for family in Family::ALL {
            *sums.entry(family).or_insert(0) += counted(&rig.spool, family).await;
        }
        letters += rig.letters().len();
        unsettled |= rig.spool.waiting().records > 0;
    }
    assert!(!unsettled);
    let stored = |names: &[LogCollection]| -> u64 {
        names.iter().map(|name| model.ids(*name).len() as u64).sum()
    };
    let levels = [LogCollection::Info, LogCollection::Error, LogCollection::Warning];
    assert_eq!(sums[&Family::Service], stored(&levels), "{letters} letters");
    assert_eq!(sums[&Family::Fingerprint], stored(&[LogCollection::Error]));
}

/// How many sequences of steps the test tries.
///
/// Run `GATELOG_HISTORIES=1000 cargo test -p gatelog-collector counting` for more.
fn histories() -> u32 {
    std::env::var("GATELOG_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: histories(), max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn every_document_is_counted_once_whoever_is_killed_or_has_the_same_batch(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(counts_exactly(steps));
    }
}

/// The answer was lost: the row that is inserted again finds its own documents.
#[tokio::test(start_paused = true)]
async fn a_document_of_a_call_that_nobody_heard_of_is_counted_by_its_row() {
    let moods = Arc::new(Mutex::new([Mood::Silent(true); 5]));
    let mut rig = Rig::start(moody(&moods)).await;
    rig.post(&Sample::many("INFO", 20)).await;
    rig.until("it is stored", |rig| rig.model.ids(LogCollection::Info).len() == 20).await;
    let rig = rig.kill().await;
    assert_eq!(counted(&rig.spool, Family::Service).await, 0, "the row is still there");
    *moods.lock().unwrap() = [Mood::Good; 5];
    rig.until_nothing_waits().await;
    assert_eq!(counted(&rig.spool, Family::Service).await, 20);
}

/// A record in the dead letters was stored in its level's collection: it is counted, once.
#[tokio::test(start_paused = true)]
async fn a_record_that_one_collection_refused_is_counted_if_its_level_s_took_it() {
    let sample = Sample { audit: true, ..Sample::of("INFO") };
    let bad = BTreeSet::from([sample.id]);
    let model = ModelServer::new(move |name, ids| match name {
        LogCollection::Audit if ids.iter().any(|id| bad.contains(id)) => {
            Reply::Documents(vec![(0, 121)])
        }
        _ => Reply::Taken,
    });
    let mut rig = Rig::start(model).await;
    rig.post(std::slice::from_ref(&sample)).await;
    rig.until_nothing_waits().await;
    assert_eq!((rig.letters().len(), counted(&rig.spool, Family::Service).await), (1, 1));
    rig.post(&[sample]).await;
    rig.until_nothing_waits().await;
    assert_eq!((rig.letters().len(), counted(&rig.spool, Family::Service).await), (2, 1));
}

//! How fast records are stored: as shipped, without counting, and by an earlier version, beside loops
//! that only drive the database with the same documents.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use gatelog_testkit::{Collector, CollectorOptions, Database, DatabaseServer, SampleRecords};

use crate::collector::{BATCH, CONNECTIONS, RECORD_BYTES, count, rounds};
use crate::cpu;
use crate::load::setting;
use crate::post::post;
use crate::report::{Report, Target};
use crate::stored::{
    self, Documents, documents, fill, fill_singly, make_indexes, split, stored_by,
};
use crate::summary::Summary;

/// Records stored before measuring: the first inserts after a start are deliberately small.
const WARM: usize = 10_000;

/// A collector's program and settings.
struct Variant {
    name: &'static str,
    /// None for the collector under test.
    program: Option<PathBuf>,
    /// `GATELOG_ROLLUPS`; none for a version that does not know it.
    rollups: Option<&'static str>,
}

/// What was measured of one way to store.
#[derive(Default)]
struct Samples {
    rates: Vec<f64>,
    cpus: Vec<f64>,
    database_cpus: Vec<f64>,
}

/// Measures all of them in turn.
pub(crate) async fn bench(report: &mut Report) -> Result<()> {
    let rounds = rounds()?;
    println!("==> storing: beside loops that only drive the database, {rounds} rounds");
    let records = usize::try_from(setting("BENCH_STORED", 10_000)?)?;
    let variant = |name, program, rollups| Variant { name, program, rollups };
    let mut variants = vec![
        variant("collector", None, Some("on")),
        variant("collector_uncounted", None, Some("off")),
    ];
    if let Some(before) = std::env::var_os("BENCH_BEFORE_COLLECTOR") {
        variants.push(variant("collector_before", Some(before.into()), None));
    }
    let mut samples: Vec<Samples> = variants.iter().map(|_| Samples::default()).collect();
    let (mut bare, mut singly) = (Samples::default(), Samples::default());
    for round in 0..usize::try_from(rounds)? {
        for turn in 0..variants.len() {
            let which = (round + turn) % variants.len();
            let documents = through(&variants[which], records, &mut samples[which]).await?;
            if which == 0 {
                alone(documents, records, &mut bare, &mut singly).await?;
            }
        }
    }
    for (variant, samples) in variants.iter().zip(&samples) {
        told(report, variant.name, samples);
    }
    told(report, "driver_loop", &bare);
    told(report, "insert_each_document", &singly);
    let median = |samples: &[f64]| Summary::of(samples).median;
    let rate = median(&samples[0].rates);
    for (name, other, least) in [
        ("collector.stored_to_driver_loop", &bare, Some(0.9)),
        ("collector.stored_to_insert_each_document", &singly, Some(4.0)),
        ("collector.stored_to_uncounted", &samples[1], None),
    ]
    .into_iter()
    .chain(samples.get(2).map(|before| ("collector.stored_to_before", before, None)))
    {
        let ratio = rate / median(&other.rates);
        match least {
            Some(least) => report.target(name, ratio, "ratio", Target::AtLeast(least)),
            None => report.row(name, ratio, "ratio"),
        }
    }
    Ok(())
}

/// Stores records through a collector, and returns the documents.
async fn through(variant: &Variant, records: usize, samples: &mut Samples) -> Result<Documents> {
    let (mut server, database) = stored::server().await?;
    let rollups = variant.rollups.map(|value| ("GATELOG_ROLLUPS".into(), value.into()));
    let options = CollectorOptions { environment: rollups.into_iter().collect() };
    let mut collector = match &variant.program {
        None => Collector::start(&database, options).await?,
        Some(program) => Collector::start_program(program, &database, options).await?,
    };
    let mut made = SampleRecords::of_bytes(RECORD_BYTES);
    let mut bodies = |records: usize| -> Result<Vec<Vec<u8>>> {
        (0..records / BATCH).map(|_| made.body(BATCH)).collect()
    };
    let (first, counted) = (bodies(WARM)?, bodies(records)?);
    post(collector.address(), CONNECTIONS, first, None).await?;
    stored_by(&collector, made.boot(), WARM).await?;
    let before = cpu::used(collector.process().id())?;
    let clock = Clock::start(server.as_mut())?;
    post(collector.address(), CONNECTIONS, counted, None).await?;
    stored_by(&collector, made.boot(), WARM + records).await?;
    clock.stop(count(records), samples)?;
    let used = cpu::used(collector.process().id())? - before;
    samples.cpus.push(used.as_secs_f64() * 1e6 / count(records));
    documents(&database, collector).await
}

/// Stores the same documents with the driver alone, a thousand and one at a time, in collections with
/// the same indexes and as full as those that received them.
async fn alone(
    documents: Documents,
    records: usize,
    bare: &mut Samples,
    singly: &mut Samples,
) -> Result<()> {
    let (first, counted) = split(documents, WARM, WARM + records);
    let (mut server, database) = indexed().await?;
    fill(&database, &first).await?;
    let clock = Clock::start(server.as_mut())?;
    fill(&database, &counted).await?;
    clock.stop(count(records), bare)?;
    drop(server);
    // A tenth of them: each takes many times as long.
    let (some, _) = split(counted, 1, 10);
    let (mut server, database) = indexed().await?;
    fill(&database, &first).await?;
    let clock = Clock::start(server.as_mut())?;
    fill_singly(&database, &some).await?;
    clock.stop(count(records) / 10.0, singly)
}

async fn indexed() -> Result<(Option<DatabaseServer>, Database)> {
    let (server, database) = stored::server().await?;
    make_indexes(&database).await?;
    Ok((server, database))
}

/// Times a stretch, and the database's processor time of it.
struct Clock {
    begun: Instant,
    /// The database's process, unless it is not ours, and what it had used.
    database: Option<(u32, Duration)>,
}

impl Clock {
    fn start(server: Option<&mut DatabaseServer>) -> Result<Self> {
        let id = server.map(|server| server.process().id());
        let database = id.map(|id| Ok::<_, anyhow::Error>((id, cpu::used(id)?))).transpose()?;
        Ok(Self { begun: Instant::now(), database })
    }

    fn stop(self, records: f64, samples: &mut Samples) -> Result<()> {
        samples.rates.push(records / self.begun.elapsed().as_secs_f64());
        if let Some((id, before)) = self.database {
            let used = cpu::used(id)? - before;
            samples.database_cpus.push(used.as_secs_f64() * 1e6 / records);
        }
        Ok(())
    }
}

fn told(report: &mut Report, name: &str, samples: &Samples) {
    for (what, samples, unit) in [
        ("stored", &samples.rates, "records/s"),
        ("store_cpu", &samples.cpus, "us/record"),
        ("store_database_cpu", &samples.database_cpus, "us/record"),
    ] {
        if !samples.is_empty() {
            report.row(&format!("{name}.{what}"), Summary::of(samples).median, unit);
        }
    }
}

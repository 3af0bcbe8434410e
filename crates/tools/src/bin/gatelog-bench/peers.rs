//! Records stored per second, compared with the alternatives for storing: the same records into the
//! same server, one contender after the other, in rounds.

mod ground;
mod program;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gatelog_testkit::{Collector, CollectorOptions, Database, SampleRecords, eventually};
use mongodb::bson::doc;
use serde_json::json;

use self::ground::Ground;
use self::program::Program;
use crate::collector::{count, mebibytes};
use crate::cpu;
use crate::load::setting;
use crate::post::post;
use crate::report::{Report, Target};
use crate::stored::{Documents, documents, fill, stored_by};
use crate::summary::Summary;

/// Bytes per record.
const RECORD_BYTES: usize = 600;
/// Records per collector batch, and its connections: as in the part `collector`.
const BATCH: usize = 250;
const CONNECTIONS: usize = 4;
/// Lets the collector's batch size adapt before measuring.
const WARM_COLLECTOR: usize = 10_000;
/// How many records the other programs store before measuring.
const WARM: usize = 500;
/// Timeout for a program to store a round's records.
const PATIENCE: Duration = Duration::from_mins(5);
/// Interval between checks of what is stored: checking more often would slow the server down.
const LOOK: Duration = Duration::from_millis(50);
/// The collections that the programs write sample records to.
const COLLECTIONS: [&str; 3] = ["info_logs", "warning_logs", "error_logs"];

/// A program, with or without the collector's indexes, and gatelog's target relative to it.
struct Peer {
    name: &'static str,
    program: Program,
    indexed: bool,
    target: Option<f64>,
    samples: Samples,
    /// gatelog's records per second divided by the program's, per round.
    ratios: Vec<f64>,
}

/// One contender's samples over all rounds.
#[derive(Default)]
struct Samples {
    rates: Vec<f64>,
    cpus: Vec<f64>,
    database_cpus: Vec<f64>,
    residents: Vec<f64>,
}

/// A measured span of storing.
struct Span {
    begun: Instant,
    process: u32,
    cpu: Duration,
    server_cpu: Option<Duration>,
}

/// Runs all measurements.
pub(crate) async fn bench(report: &mut Report) -> Result<()> {
    let rounds = setting("BENCH_ROUNDS", 3)?.min(9);
    let own = usize::try_from(setting("BENCH_STORED", 10_000)?)?;
    let theirs = usize::try_from(setting("BENCH_PEER_RECORDS", 3_000)?)?;
    report.about(
        "peers",
        json!({"rounds": rounds, "record_bytes": RECORD_BYTES, "records_gatelog": own,
               "records_peers": theirs, "syslog_ng": Program::SyslogNg.package(),
               "rsyslog": Program::Rsyslog.package()}),
    );
    println!("==> storing: beside what one would use instead, {rounds} rounds");
    let mut peers = Vec::new();
    for peer in contenders() {
        match probe(peer.program).await {
            Ok(()) => peers.push(peer),
            Err(error) => {
                let name = format!("peers.gatelog_to_{}", peer.name);
                report.not_measured(&name, &format!("{error:#}"));
            }
        }
    }
    let (mut gatelog, mut driver, mut to_driver) =
        (Samples::default(), Samples::default(), Vec::new());
    for _ in 0..rounds {
        let (rate, stored) = collector(own, &mut gatelog).await?;
        to_driver.push(rate / driver_loop(&stored, own, &mut driver).await?);
        for peer in &mut peers {
            let theirs = round(peer, theirs).await.with_context(|| peer.name)?;
            peer.ratios.push(rate / theirs);
        }
    }
    gatelog.report(report, "gatelog");
    let median = |samples: &[f64]| Summary::of(samples).median;
    driver.report(report, "driver_loop");
    report.row("peers.gatelog_to_driver_loop", median(&to_driver), "ratio");
    for peer in &peers {
        peer.samples.report(report, peer.name);
        let name = format!("peers.gatelog_to_{}", peer.name);
        let ratio = median(&peer.ratios);
        match peer.target {
            Some(least) => report.target(&name, ratio, "ratio", Target::AtLeast(least)),
            None => report.row(&name, ratio, "ratio"),
        }
    }
    Ok(())
}

fn contenders() -> [Peer; 6] {
    let peer = |name, program, indexed, target| Peer {
        name,
        program,
        indexed,
        target,
        samples: Samples::default(),
        ratios: Vec::new(),
    };
    [
        peer("insert_each", Program::InsertEach, true, Some(4.0)),
        peer("insert_each_document", Program::InsertEachDocument, true, None),
        peer("syslog_ng", Program::SyslogNg, true, Some(1.0)),
        peer("rsyslog", Program::Rsyslog, true, Some(1.0)),
        peer("syslog_ng_no_indexes", Program::SyslogNg, false, None),
        peer("rsyslog_no_indexes", Program::Rsyslog, false, None),
    ]
}

/// Checks that a program is installed and stores a record with the fields that the indexes need.
async fn probe(program: Program) -> Result<()> {
    let ground = Ground::bare().await?;
    let mut running = program.start(&ground.database).await?;
    running.feed(&SampleRecords::of_bytes(RECORD_BYTES).body(1)?).await?;
    let stored = eventually("it stores a record", Duration::from_secs(10), async || {
        running.process.ensure_running()?;
        let stored = ground.database.find("info_logs", doc! {}).await?;
        stored.into_iter().next().context("none is there")
    })
    .await?;
    stored.get_datetime("created_at").context("it stores no date")?;
    stored.get_document("trace")?.get_f64("execution_time_ms").context("it stores no duration")?;
    Ok(())
}

/// The collector, counted once it has stored: records per second, and what it stored.
async fn collector(records: usize, samples: &mut Samples) -> Result<(f64, Documents)> {
    let mut ground = Ground::bare().await?;
    let mut collector = Collector::start(&ground.database, CollectorOptions::default()).await?;
    let mut made = SampleRecords::of_bytes(RECORD_BYTES);
    let mut bodies = |records: usize| -> Result<Vec<Vec<u8>>> {
        (0..records / BATCH).map(|_| made.body(BATCH)).collect()
    };
    let (first, counted) = (bodies(WARM_COLLECTOR)?, bodies(records)?);
    post(collector.address(), CONNECTIONS, first, None).await?;
    stored_by(&collector, made.boot(), WARM_COLLECTOR).await?;
    let span = Span::begin(collector.process().id(), &mut ground)?;
    post(collector.address(), CONNECTIONS, counted, None).await?;
    stored_by(&collector, made.boot(), WARM_COLLECTOR + records).await?;
    let rate = span.end(records, &mut ground, samples)?;
    samples.residents.push(mebibytes(collector.process().resident_bytes()?));
    Ok((rate, documents(&ground.database, collector).await?))
}

/// Only the driver, a thousand documents at a time: the same documents into the same collections.
/// Returns records per second.
async fn driver_loop(stored: &Documents, counted: usize, samples: &mut Samples) -> Result<f64> {
    let mut ground = Ground::indexed().await?;
    let span = Span::begin(std::process::id(), &mut ground)?;
    fill(&ground.database, stored).await?;
    span.end(WARM_COLLECTOR + counted, &mut ground, samples)
}

/// One round of a program. Returns records per second.
async fn round(peer: &mut Peer, records: usize) -> Result<f64> {
    let mut ground = if peer.indexed { Ground::indexed().await? } else { Ground::bare().await? };
    let mut running = peer.program.start(&ground.database).await?;
    let mut made = SampleRecords::of_bytes(RECORD_BYTES);
    let (first, counted) = (made.body(WARM)?, made.body(records)?);
    running.feed(&first).await?;
    all_there(&ground.database, WARM).await?;
    let span = Span::begin(running.process.id(), &mut ground)?;
    running.feed(&counted).await?;
    all_there(&ground.database, WARM + records).await?;
    let rate = span.end(records, &mut ground, &mut peer.samples)?;
    peer.samples.residents.push(mebibytes(running.process.resident_bytes()?));
    Ok(rate)
}

async fn there(database: &Database) -> Result<u64> {
    let mut there = 0;
    for name in COLLECTIONS {
        there += database.collection(name).estimated_document_count().await?;
    }
    Ok(there)
}

async fn all_there(database: &Database, records: usize) -> Result<()> {
    let records = u64::try_from(records)?;
    eventually("all records are stored", PATIENCE, async || {
        tokio::time::sleep(LOOK).await;
        let there = there(database).await?;
        ensure!(there >= records, "{there} of {records}");
        Ok(())
    })
    .await
}

impl Span {
    fn begin(process: u32, ground: &mut Ground) -> Result<Self> {
        let (cpu, server_cpu) = (cpu::used(process)?, ground.server_cpu()?);
        Ok(Self { begun: Instant::now(), process, cpu, server_cpu })
    }

    /// Records the cost of storing this many records; returns records per second.
    fn end(self, records: usize, ground: &mut Ground, samples: &mut Samples) -> Result<f64> {
        let rate = count(records) / self.begun.elapsed().as_secs_f64();
        let each = |used: Duration| used.as_secs_f64() * 1e6 / count(records);
        samples.rates.push(rate);
        samples.cpus.push(each(cpu::used(self.process)? - self.cpu));
        if let (Some(after), Some(before)) = (ground.server_cpu()?, self.server_cpu) {
            samples.database_cpus.push(each(after - before));
        }
        Ok(rate)
    }
}

impl Samples {
    fn report(&self, report: &mut Report, name: &str) {
        for (what, samples, unit) in [
            ("stored", &self.rates, "records/s"),
            ("cpu", &self.cpus, "us/record"),
            ("database_cpu", &self.database_cpus, "us/record"),
            ("resident", &self.residents, "MiB"),
        ] {
            // An external server's processor time is unknown; the driver alone has no process.
            if !samples.is_empty() {
                report.row(&format!("peers.{name}.{what}"), Summary::of(samples).median, unit);
            }
        }
    }
}

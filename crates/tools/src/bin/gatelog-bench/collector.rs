//! The collector's throughput: records made durable and acknowledged, and records stored.

use std::time::Duration;

use anyhow::{Result, ensure};
use gatelog_testkit::{Collector, CollectorOptions, Database, SampleRecords, eventually};
use serde_json::json;

use crate::cpu;
use crate::load::setting;
use crate::post::post;
use crate::report::{Report, Target};
use crate::stored;
use crate::summary::{Summary, quantile};

/// Bytes per record.
pub(crate) const RECORD_BYTES: usize = 600;
/// Records per batch: 150 kB, the size that a worker of a gateway under load sends.
pub(crate) const BATCH: usize = 250;
/// Connections: as many as two gateways with two workers each keep open.
pub(crate) const CONNECTIONS: usize = 4;
/// The rate at which acknowledgements are timed, in records per second.
const RATE: usize = 50_000;

/// Runs all measurements.
pub(crate) async fn bench(report: &mut Report) -> Result<()> {
    let rounds = rounds()?;
    let accepted = usize::try_from(setting("BENCH_RECORDS", 200_000)?)?;
    report.about(
        "collector",
        json!({"rounds": rounds, "record_bytes": RECORD_BYTES, "records_a_batch": BATCH,
               "connections": CONNECTIONS, "cores": 1}),
    );
    println!("==> accepting: the database away, the collector on one core, {rounds} rounds");
    accept(report, rounds, accepted).await?;
    println!("==> resident memory at 1,000 and 10,000 records/s, and while the database is away");
    memory(report).await
}

/// How often each measurement is made.
pub(crate) fn rounds() -> Result<u64> {
    Ok(setting("BENCH_ROUNDS", 15)?.min(5))
}

/// A collector, pinned to one core, whose database is unreachable.
pub(crate) async fn alone(core: u32) -> Result<Collector> {
    // Nothing listens there: the port is reserved and then released.
    let (away, _taken) = gatelog_testkit::unreachable_address()?;
    let database = Database::on(&format!("mongodb://{away}/"), "away").await?;
    let options =
        CollectorOptions { environment: vec![("GATELOG_SPOOL_MAX_BYTES".into(), "16GiB".into())] };
    let mut collector = Collector::start(&database, options).await?;
    cpu::pin(collector.process().id(), core)?;
    Ok(collector)
}

/// POST bodies with `records` records in total.
pub(crate) fn bodies(records: usize, bytes: usize, batch: usize) -> Result<Vec<Vec<u8>>> {
    let mut made = SampleRecords::of_bytes(bytes);
    (0..records / batch).map(|_| made.body(batch)).collect()
}

async fn accept(report: &mut Report, rounds: u64, records: usize) -> Result<()> {
    let (mut rates, mut cpus, mut residents) = (Vec::new(), Vec::new(), Vec::new());
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    let all = bodies(records, RECORD_BYTES, BATCH)?;
    let paced = bodies(RATE * 4, RECORD_BYTES, BATCH)?;
    for _ in 0..rounds {
        let mut collector = alone(cpu::ENVOY_CORE).await?;
        let to = collector.address();
        post(to, CONNECTIONS, bodies(records / 10, RECORD_BYTES, BATCH)?, None).await?;
        let before = cpu::used(collector.process().id())?;
        let posted = post(to, CONNECTIONS, all.clone(), None).await?;
        let used = cpu::used(collector.process().id())? - before;
        rates.push(count(records) / posted.took.as_secs_f64());
        cpus.push(used.as_secs_f64() * 1e6 / count(records));
        let interval = Duration::from_secs(1) * u32::try_from(BATCH)? / u32::try_from(RATE)?;
        let posted = post(to, 4 * CONNECTIONS, paced.clone(), Some(interval)).await?;
        p50.push(quantile(&posted.acks, 0.5));
        p99.push(quantile(&posted.acks, 0.99));
        residents.push(mebibytes(collector.process().resident_bytes()?));
    }
    let median = |samples: &[f64]| Summary::of(samples).median;
    report.target("collector.accepted", median(&rates), "records/s", Target::AtLeast(50_000.0));
    report.row("collector.accept_cpu", median(&cpus), "us/record");
    report.row("collector.ack_p50_at_50000", median(&p50), "ms");
    report.target("collector.ack_p99_at_50000", median(&p99), "ms", Target::AtMost(20.0));
    report.target("collector.accept_resident", median(&residents), "MiB", Target::AtMost(64.0));
    Ok(())
}

async fn memory(report: &mut Report) -> Result<()> {
    let (_server, database) = stored::server().await?;
    let mut collector = Collector::start(&database, CollectorOptions::default()).await?;
    let seconds = 5;
    let mut sent = 0;
    for (name, rate) in [("1000", 1_000), ("10000", 10_000)] {
        let interval = Duration::from_secs(1) * u32::try_from(BATCH)? / u32::try_from(rate)?;
        let paced = bodies(rate * seconds, RECORD_BYTES, BATCH)?;
        post(collector.address(), CONNECTIONS, paced, Some(interval)).await?;
        sent += rate * seconds;
        let resident = mebibytes(collector.process().resident_bytes()?);
        let name = format!("collector.resident_at_{name}_records_s");
        report.target(&name, resident, "MiB", Target::AtMost(64.0));
    }
    drop(collector);
    let mut collector = alone(cpu::ENVOY_CORE).await?;
    for part in 1..=3 {
        let bodies = bodies(200_000, RECORD_BYTES, BATCH)?;
        post(collector.address(), CONNECTIONS, bodies, None).await?;
        let resident = mebibytes(collector.process().resident_bytes()?);
        let name = format!("collector.resident_database_away_{}", part * 200_000);
        report.target(&name, resident, "MiB", Target::AtMost(64.0));
    }
    ensure!(sent > 0, "nothing was sent");
    eventually("the last post is counted", Duration::from_secs(10), async || {
        collector.accounting().await.map(drop)
    })
    .await
}

pub(crate) fn count(records: usize) -> f64 {
    f64::from(u32::try_from(records).unwrap_or(u32::MAX))
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1_024).unwrap_or(u32::MAX)) / 1_024.0
}

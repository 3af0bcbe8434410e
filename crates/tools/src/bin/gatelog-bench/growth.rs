//! How performance scales with records, workers, collectors, the spool and the collections.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{any, post as accepted};
use gatelog_testkit::{
    Collector, CollectorOptions, Database, Envoy, EnvoyOptions, SampleRecords, SampleService,
};
use mongodb::bson::{Document, doc};
use serde_json::json;

use crate::collector::{alone, bodies, count, mebibytes};
use crate::cpu;
use crate::load::{Load, Protocol, setting};
use crate::post::post;
use crate::report::Report;
use crate::stored::{self, stored_by};
use crate::summary::{Summary, quantile};
use crate::variants::{self, Addresses};

/// Connections of the load generator.
const CONNECTIONS: usize = 4;
/// Bytes per batch: the filter's default maximum.
const BATCH_BYTES: usize = 256 * 1_024;

/// Runs all measurements.
pub(crate) async fn bench(report: &mut Report) -> Result<()> {
    let spool = setting("BENCH_SPOOL_MEGABYTES", 2_000)?;
    let documents = usize::try_from(setting("BENCH_DOCUMENTS", 200_000)?)?;
    report.about("growth", json!({"spool_megabytes": spool, "documents": documents}));
    println!("==> more workers");
    for workers in [1, 2] {
        workers_of_one_core(report, workers).await?;
    }
    println!("==> larger records");
    for bytes in [512, 1_024, 4_096, 16_000] {
        sizes(report, bytes).await?;
    }
    println!("==> more collectors, one database");
    for collectors in 1..=3 {
        fleet(report, collectors).await?;
    }
    println!("==> a spool of up to {spool} MB");
    a_full_spool(report, spool).await?;
    println!("==> collections of up to {documents} documents");
    full_collections(report, documents).await
}

/// The cost of more workers on one core: each has its own VM, queue and batches.
async fn workers_of_one_core(report: &mut Report, workers: u32) -> Result<()> {
    let load = Load::from_environment()?;
    let upstream = SampleService::serve(Router::new().fallback(any(async || "ok\n"))).await?;
    let accept = || async { StatusCode::ACCEPTED };
    let collector =
        SampleService::serve(Router::new().route("/v1/records", accepted(accept))).await?;
    let (upstream, collector) = (upstream.address(), collector.address());
    let addresses = Addresses { upstream, collector, away: collector };
    let variant = variants::all()?.into_iter().find(|variant| variant.name == "gatelog");
    let variant = variant.context("BENCH_VARIANTS leaves out gatelog")?;
    let mut options = EnvoyOptions::new(variant.config(&addresses)?);
    options.concurrency = workers;
    let mut envoy = Envoy::start(options).await?;
    cpu::pin(envoy.process().id(), cpu::ENVOY_CORE)?;
    load.run(envoy.address(), Protocol::Http1).await?;
    let mut samples = Vec::new();
    for _ in 0..5 {
        let before = cpu::used(envoy.process().id())?;
        load.run(envoy.address(), Protocol::Http1).await?;
        let used = cpu::used(envoy.process().id())? - before;
        samples.push(used.as_secs_f64() * 1e6 / load.requests_f64());
    }
    let name = format!("growth.workers_{workers}");
    report.row(&format!("{name}.cpu"), Summary::of(&samples).median, "us/request");
    let resident = mebibytes(envoy.process().resident_bytes()?);
    report.row(&format!("{name}.resident"), resident, "MiB");
    Ok(())
}

/// Accepts and stores records of one size.
async fn sizes(report: &mut Report, bytes: usize) -> Result<()> {
    let batch = BATCH_BYTES / bytes;
    let accepted = 100_000_000 / bytes / batch * batch;
    let mut collector = alone(cpu::ENVOY_CORE).await?;
    let to = collector.address();
    let bodies_of = bodies(accepted, bytes, batch)?;
    post(to, CONNECTIONS, bodies(10 * batch, bytes, batch)?, None).await?;
    let before = cpu::used(collector.process().id())?;
    let posted = post(to, CONNECTIONS, bodies_of, None).await?;
    let used = cpu::used(collector.process().id())? - before;
    let rate = count(accepted) / posted.took.as_secs_f64();
    report.row(&format!("growth.record_{bytes}.accepted"), rate, "records/s");
    let cpu = used.as_secs_f64() * 1e6 / count(accepted);
    report.row(&format!("growth.record_{bytes}.accept_cpu"), cpu, "us/record");
    let (_server, database) = stored::server().await?;
    let collector = Collector::start(&database, CollectorOptions::default()).await?;
    let stored = store(&collector, bytes, 3_000 / batch * batch + batch).await?.rate;
    report.row(&format!("growth.record_{bytes}.stored"), stored, "records/s");
    Ok(())
}

/// The outcome of storing.
struct Stored {
    /// Total number of records.
    records: usize,
    /// Records per second, excluding the small inserts at the beginning.
    rate: f64,
}

/// Posts records, and waits until they are stored.
async fn store(collector: &Collector, bytes: usize, records: usize) -> Result<Stored> {
    let batch = (BATCH_BYTES / bytes).min(records);
    let mut made = SampleRecords::of_bytes(bytes);
    // The first inserts are deliberately small.
    let warm: Vec<_> = (0..2).map(|_| made.body(batch)).collect::<Result<_>>()?;
    post(collector.address(), CONNECTIONS, warm, None).await?;
    stored_by(collector, made.boot(), 2 * batch).await?;
    let bodies: Vec<_> = (0..records / batch).map(|_| made.body(batch)).collect::<Result<_>>()?;
    let records = bodies.len() * batch;
    let begun = Instant::now();
    post(collector.address(), CONNECTIONS, bodies, None).await?;
    let all = 2 * batch + records;
    stored_by(collector, made.boot(), all).await?;
    Ok(Stored { records: all, rate: count(records) / begun.elapsed().as_secs_f64() })
}

/// Several collectors that store into one database.
async fn fleet(report: &mut Report, collectors: usize) -> Result<()> {
    let records = 30_000 / collectors;
    let (_server, database) = stored::server().await?;
    let mut fleet = Vec::new();
    for _ in 0..collectors {
        fleet.push(Collector::start(&database, CollectorOptions::default()).await?);
    }
    // Count everything, including the small inserts at the beginning: the individual rates cover
    // spans that do not quite coincide, so their sum would exceed the actual rate.
    let begun = Instant::now();
    let all = futures_util::future::try_join_all(
        fleet.iter().map(|collector| store(collector, 600, records)),
    )
    .await?;
    let all: usize = all.iter().map(|one| one.records).sum();
    let rate = count(all) / begun.elapsed().as_secs_f64();
    report.row(&format!("growth.collectors_{collectors}.stored"), rate, "records/s");
    Ok(())
}

/// A long database outage: how the spool's size affects ingestion and startup.
async fn a_full_spool(report: &mut Report, megabytes: u64) -> Result<()> {
    let mut collector = alone(cpu::ENVOY_CORE).await?;
    let bodies = bodies(100_000, 600, 250)?;
    let posted: usize = bodies.iter().map(Vec::len).sum();
    let rounds = usize::try_from(megabytes)? * 1_000_000 / posted + 1;
    for round in 0..rounds {
        let last = post(collector.address(), CONNECTIONS, bodies.clone(), None).await?;
        if round % (rounds / 4).max(1) != 0 && round + 1 != rounds {
            continue;
        }
        let name = format!("growth.spool_{}_mb", (round + 1) * posted / 1_000_000);
        let rate = 100_000.0 / last.took.as_secs_f64();
        report.row(&format!("{name}.accepted"), rate, "records/s");
        report.row(&format!("{name}.ack_p99"), quantile(&last.acks, 0.99), "ms");
        let resident = mebibytes(collector.process().resident_bytes()?);
        report.row(&format!("{name}.resident"), resident, "MiB");
    }
    collector.kill()?;
    let begun = Instant::now();
    collector.restart().await?;
    report.row("growth.spool_full.start", begun.elapsed().as_secs_f64() * 1e3, "ms");
    Ok(())
}

/// Collections that fill up: the cost of storing and of the documented queries at that size.
async fn full_collections(report: &mut Report, documents: usize) -> Result<()> {
    let (_server, database) = stored::server().await?;
    let collector = Collector::start(&database, CollectorOptions::default()).await?;
    for step in 0..=4 {
        let wanted = u64::try_from(documents * step / 4)?;
        loop {
            let there = database.collection("trace_logs").estimated_document_count().await?;
            if there >= wanted {
                break;
            }
            store(&collector, 600, 10_000).await?;
        }
        let rate = store(&collector, 600, 6_000).await?.rate;
        let there = database.collection("trace_logs").estimated_document_count().await?;
        println!("    {there} records");
        let name = format!("growth.documents_{wanted}");
        report.row(&format!("{name}.stored"), rate, "records/s");
        for (query, took) in queries(&database).await? {
            report.row(&format!("{name}.{query}"), took.as_secs_f64() * 1e3, "ms");
        }
    }
    Ok(())
}

/// The documented queries, fastest of five runs.
async fn queries(database: &Database) -> Result<Vec<(&'static str, Duration)>> {
    let newest = doc! {"timestamp": -1};
    let asked: [(&str, &str, Document, Document, i64); 3] = [
        (
            "errors_of_organization",
            "error_logs",
            doc! {"context.organization_id": "org_7"},
            newest.clone(),
            100,
        ),
        (
            "flow",
            "trace_logs",
            doc! {"context.correlation_id": "c-4000"},
            doc! {"timestamp": 1},
            100,
        ),
        ("last_errors", "error_logs", doc! {}, newest, 10),
    ];
    let mut told = Vec::new();
    for (name, collection, filter, sort, limit) in asked {
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let begun = Instant::now();
            let collection = database.collection(collection);
            let found = collection.find(filter.clone()).sort(sort.clone()).limit(limit);
            let mut cursor = found.await?;
            while cursor.advance().await? {}
            best = best.min(begun.elapsed());
        }
        told.push((name, best));
    }
    Ok(told)
}

//! Measures what the indexes of look-ups cost.
//!
//! `cargo bench --package gatelog-collector --bench lookups [-- RECORDS]` stores the same records with
//! each set of look-ups in turn, every time on a new server, for three rounds, and prints the medians.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a measurement, not a service"
)]

mod measure;

use std::time::Instant;

use gatelog_collector::store::{LogCollection, Store, StoreOptions};
use gatelog_record::{DecodeLimits, Uuid, decode_record};
use gatelog_testkit::{Database, DatabaseServer, SampleRecords};
use mongodb::bson::{Bson, doc};

use measure::{cpu_time, median};

const SETS: [&str; 6] = [
    "none",
    "request",
    "user",
    "organization",
    "conversation",
    "request,user,organization,conversation",
];
const ROUNDS: usize = 3;
const BATCH: usize = 1_000;

/// One run: the rate, the server's CPU time for each record, and the bytes of the indexes of
/// `trace_logs` for each document.
struct Run {
    rate: f64,
    cpu_us: f64,
    index_bytes: f64,
}

#[tokio::main]
async fn main() {
    // `cargo bench` itself adds `--bench`.
    let records = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(20_000);
    let lines = SampleRecords::default().lines(records).unwrap();
    let mut runs = SETS.map(|_| Vec::new());
    for round in 1..=ROUNDS {
        // Each round begins with another one.
        for place in 0..SETS.len() {
            let place = (place + round) % SETS.len();
            let (set, runs) = (SETS[place], &mut runs[place]);
            let run = stored(&lines, set).await;
            println!(
                "round {round}, {set}: {:.0} records/s, {:.0} us/record of the server, {:.0} B/document",
                run.rate, run.cpu_us, run.index_bytes
            );
            runs.push(run);
        }
    }
    let medians = runs.map(|runs| {
        [|run: &Run| run.rate, |run: &Run| run.cpu_us, |run: &Run| run.index_bytes]
            .map(|part| median(runs.iter().map(part).collect()))
    });
    for (set, [rate, cpu, bytes]) in SETS.iter().zip(medians) {
        println!(
            "median, {set}: {rate:.0} records/s ({:.2}), {cpu:.0} us/record ({:.2}), {bytes:.0} B/document",
            rate / medians[0][0],
            cpu / medians[0][1]
        );
    }
}

async fn stored(lines: &[Vec<u8>], lookups: &str) -> Run {
    let mut server = DatabaseServer::start_for_benchmark("2G").await.unwrap();
    let database = Database::on(&server.uri(), "logs").await.unwrap();
    let options = StoreOptions {
        lookups: lookups.parse().unwrap(),
        ..StoreOptions::new(database.uri(), "logs")
    };
    let store = Store::connect(&options).await.unwrap();
    store.reconcile().await;
    let pid = server.process().id().to_string();
    let (begun, before) = (Instant::now(), cpu_time(&pid));
    for batch in lines.chunks(BATCH) {
        let decode =
            |line: &Vec<u8>| decode_record(line, &DecodeLimits::default(), Uuid::nil()).unwrap();
        let batch: Vec<_> = batch.iter().map(decode).collect();
        let report = store.insert(&batch).await;
        assert_eq!(report.stored.len(), batch.len(), "{:?}", report.failure);
    }
    let records = f64::from(u32::try_from(lines.len()).unwrap());
    let rate = records / begun.elapsed().as_secs_f64();
    let cpu = cpu_time(&pid).saturating_sub(before);
    let stats = doc! { "collStats": LogCollection::Trace.as_str() };
    let stats = database.command(stats).await.unwrap();
    let index_bytes = match stats.get("totalIndexSize") {
        Some(Bson::Int32(bytes)) => f64::from(*bytes),
        Some(Bson::Int64(bytes)) => f64::from(u32::try_from(*bytes).unwrap()),
        Some(Bson::Double(bytes)) => *bytes,
        other => panic!("{other:?}"),
    };
    Run { rate, cpu_us: cpu.as_secs_f64() * 1e6 / records, index_bytes: index_bytes / records }
}

//! Measures how fast records become documents, compared with a loop that only drives the database.
//!
//! `cargo bench --package gatelog-collector --bench store [-- RECORDS]` starts its own database (or
//! uses `MONGODB_URI`), writes the same records in several ways, in turn, for several rounds, and
//! prints the median of each as a line of JSON: records per second, this process's CPU time per
//! record (steadier than the rate on a busy machine), and the bytes per record.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a measurement, not a service"
)]

mod measure;

use std::time::{Duration, Instant};

use gatelog_collector::metrics::Metrics;
use gatelog_collector::outage::Outage;
use gatelog_collector::rollup::push::Pusher;
use gatelog_collector::spool::{Append, Spool, SpoolOptions};
use gatelog_collector::store::{LogCollection, Store, StoreOptions};
use gatelog_collector::tombstone::Gate;
use gatelog_collector::writer::{self, Destination, WriterOptions};
use gatelog_record::{DecodeLimits, Decoded, Uuid, decode_record};
use gatelog_testkit::{Database, SampleRecords};
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::options::{Acknowledgment, CollectionOptions, WriteConcern};
use serde_json::json;
use tokio::sync::watch;

use measure::{cpu_time, median};

const ROUNDS: usize = 5;
const BATCH: usize = 1_000;

#[tokio::main]
async fn main() {
    // `cargo bench` itself adds `--bench`.
    let records = std::env::args().find_map(|argument| argument.parse().ok());
    let records: usize = records.unwrap_or(5_000);
    let lines = SampleRecords::default().lines(records).unwrap();
    let line_bytes = lines.iter().map(Vec::len).sum::<usize>() as f64 / records as f64;
    print(&json!({"name": "line", "value": line_bytes.round(), "unit": "bytes/record"}));

    let mut results = [const { Vec::new() }; 7];
    for round in 0..ROUNDS {
        let alone: Vec<_> = decode(&lines).iter().map(single).collect();
        results[0]
            .push(measured(records, async { assert_eq!(decode(&lines).len(), records) }).await);
        results[1].push(driver_alone(&alone, false, records).await);
        results[2].push(driver_alone(&alone, true, records).await);
        results[3].push(store(&lines, round + 1 == ROUNDS).await);
        let kinds = [Rollups::Off, Rollups::Counted, Rollups::Written];
        for turn in 0..kinds.len() {
            let kind = (turn + round) % kinds.len();
            results[4 + kind].push(spooled(&lines, kinds[kind]).await);
        }
    }
    for (name, runs) in [
        "decoding alone",
        "driver alone, one collection, no index",
        "driver alone, one collection, indexes of info_logs",
        "decoding and storing, all collections and indexes",
        "through the spool, without rollups",
        "through the spool, counted",
        "through the spool, counted, rollups written once",
    ]
    .into_iter()
    .zip(results)
    {
        let rate = median(runs.iter().map(|run: &Run| run.rate).collect());
        let cpu = median(runs.iter().map(|run| run.cpu_us).collect());
        print(&json!({"name": name, "value": rate.round(), "unit": "records/s"}));
        print(
            &json!({"name": name, "value": (cpu * 10.0).round() / 10.0, "unit": "CPU us/record"}),
        );
    }
}

fn print(row: &serde_json::Value) {
    println!("{row}");
}

struct Run {
    rate: f64,
    cpu_us: f64,
}

async fn measured(records: usize, work: impl Future<Output = ()>) -> Run {
    let (started, before) = (Instant::now(), cpu_time("self"));
    work.await;
    let rate = records as f64 / started.elapsed().as_secs_f64();
    let cpu = cpu_time("self").saturating_sub(before);
    Run { rate, cpu_us: cpu.as_secs_f64() * 1e6 / records as f64 }
}

fn decode(lines: &[Vec<u8>]) -> Vec<Decoded> {
    let decode =
        |line: &Vec<u8>| decode_record(line, &DecodeLimits::default(), Uuid::nil()).unwrap();
    lines.iter().map(decode).collect()
}

/// The document for a record, as a simple program would build it.
fn single(record: &Decoded) -> RawDocumentBuf {
    let body = serde_json::Value::Object(record.body.clone());
    let mut document: Document = mongodb::bson::serialize_to_document(&body).unwrap();
    document.insert("_id", mongodb::bson::Uuid::from_bytes(record.id.into_bytes()));
    document
        .insert("created_at", mongodb::bson::DateTime::from_millis(record.timestamp.unix_millis()));
    RawDocumentBuf::try_from(&document).unwrap()
}

async fn driver_alone(documents: &[RawDocumentBuf], indexed: bool, records: usize) -> Run {
    let database = Database::fresh().await.unwrap();
    let store = connect(&database).await;
    if indexed {
        store.reconcile().await;
    }
    let durable = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    let options = CollectionOptions::builder().write_concern(durable).build();
    let collection = store
        .database()
        .collection_with_options::<RawDocumentBuf>(LogCollection::Info.as_str(), options);
    measured(records, async {
        for batch in documents.chunks(BATCH) {
            collection.insert_many(batch).ordered(false).await.unwrap();
        }
    })
    .await
}

async fn store(lines: &[Vec<u8>], with_sizes: bool) -> Run {
    let database = Database::fresh().await.unwrap();
    let store = connect(&database).await;
    store.reconcile().await;
    let run = measured(lines.len(), async {
        for batch in lines.chunks(BATCH) {
            let report = store.insert(&decode(batch)).await;
            assert_eq!(report.stored.len(), batch.len(), "{:?}", report.failure);
        }
    })
    .await;
    if with_sizes {
        sizes(&database).await;
    }
    run
}

/// What becomes of the rollups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rollups {
    Off,
    Counted,
    /// And written to the database at the end: a collector does so every 15 s.
    Written,
}

/// From batches in the spool to documents, as `serve` does it.
async fn spooled(lines: &[Vec<u8>], rollups: Rollups) -> Run {
    let database = Database::fresh().await.unwrap();
    let store = connect(&database).await;
    store.reconcile().await;
    let dir = tempfile::tempdir().unwrap();
    let options = SpoolOptions {
        dir: dir.path().to_owned(),
        max_bytes: 1 << 30,
        dead_letters_max_bytes: 1 << 20,
        keep_free_bytes: 0,
    };
    let metrics = Metrics::new();
    let spool = Spool::open(&options, metrics.clone()).unwrap();
    for batch in lines.chunks(BATCH) {
        let body = batch.iter().flat_map(|line| [line.as_slice(), b"\n"]).flatten().copied();
        let records = batch.len() as u64;
        let append = Append { body: body.collect(), records, ..Append::default() };
        spool.append(append).await.unwrap();
    }
    let options = WriterOptions {
        jobs: 4,
        records: BATCH,
        record: DecodeLimits::default(),
        rollups: rollups != Rollups::Off,
        stop_time: Duration::from_secs(10),
    };
    let (stop, stopped) = watch::channel(false);
    let outage = Outage::new(metrics.clone());
    let mut pusher = Pusher::new(spool.clone(), store.clone(), metrics.clone());
    let run = measured(lines.len(), async {
        let destination = Destination { store, gate: Gate::open() };
        let writing = writer::run(spool.clone(), destination, options, metrics, outage, stopped);
        let writing = tokio::spawn(writing);
        while spool.waiting().records > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if rollups == Rollups::Written {
            pusher.round(false).await.unwrap();
        }
        stop.send(true).unwrap();
        writing.await.unwrap();
    })
    .await;
    spool.close().await.unwrap();
    run
}

async fn connect(database: &Database) -> Store {
    Store::connect(&StoreOptions::new(database.uri(), database.name())).await.unwrap()
}

/// The storage size of each collection and each of its indexes, per document.
async fn sizes(database: &Database) {
    for collection in LogCollection::ALL.map(LogCollection::as_str) {
        let stats = database.command(doc! { "collStats": collection }).await.unwrap();
        let number = |document: &Document, key: &str| {
            document.get(key).and_then(|value| match value {
                mongodb::bson::Bson::Int32(value) => Some(f64::from(*value)),
                mongodb::bson::Bson::Int64(value) => Some(*value as f64),
                mongodb::bson::Bson::Double(value) => Some(*value),
                _ => None,
            })
        };
        let Some(count) = number(&stats, "count").filter(|count| *count > 0.0) else { continue };
        let per_document = |bytes: Option<f64>| (bytes.unwrap_or(0.0) / count).round();
        let size = per_document(number(&stats, "size"));
        print(
            &json!({"name": collection, "documents": count, "value": size, "unit": "bytes/document"}),
        );
        let indexes = stats.get_document("indexSizes").unwrap();
        for index in indexes.keys() {
            let size = per_document(number(indexes, index));
            print(
                &json!({"name": format!("{collection} {index}"), "value": size, "unit": "bytes/document"}),
            );
        }
    }
}

//! How fast records become documents, beside a loop that only drives the database.
//!
//! `cargo bench --package gatelog-collector --bench store [-- RECORDS]` starts a database of its
//! own (or takes `MONGODB_URI`), writes the same records in several ways, in turn, several rounds,
//! and prints the median of each as a line of JSON: records per second, the CPU time of this
//! process per record (steadier than the rate on a busy machine), and the bytes per record.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    reason = "a measurement, not a service"
)]

use std::time::{Duration, Instant};

use gatelog_collector::store::{LogCollection, Store, StoreOptions};
use gatelog_record::{
    Context, DecodeLimits, Decoded, Encoder, Http, Level, Outcome, Record, RecordLimits, Source,
    Status, Timestamp, Trace, Uuid, decode_record,
};
use gatelog_tests::Database;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::options::{Acknowledgment, CollectionOptions, WriteConcern};
use serde_json::json;

const ROUNDS: usize = 5;
const BATCH: usize = 1_000;

#[tokio::main]
async fn main() {
    // `cargo bench` itself adds `--bench`.
    let records = std::env::args().find_map(|argument| argument.parse().ok());
    let records: usize = records.unwrap_or(5_000);
    let lines = lines(records);
    let line_bytes = lines.iter().map(Vec::len).sum::<usize>() as f64 / records as f64;
    print(&json!({"name": "line", "value": line_bytes.round(), "unit": "bytes/record"}));

    let mut results = [const { Vec::new() }; 4];
    for round in 0..ROUNDS {
        let alone: Vec<_> = decode(&lines).iter().map(single).collect();
        results[0]
            .push(measured(records, async { assert_eq!(decode(&lines).len(), records) }).await);
        results[1].push(driver_alone(&alone, false, records).await);
        results[2].push(driver_alone(&alone, true, records).await);
        results[3].push(store(&lines, round + 1 == ROUNDS).await);
    }
    for (name, runs) in [
        "decoding alone",
        "driver alone, one collection, no index",
        "driver alone, one collection, indexes of info_logs",
        "decoding and storing, all collections and indexes",
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
    let (started, before) = (Instant::now(), cpu_time());
    work.await;
    let rate = records as f64 / started.elapsed().as_secs_f64();
    let cpu = cpu_time().saturating_sub(before);
    Run { rate, cpu_us: cpu.as_secs_f64() * 1e6 / records as f64 }
}

/// CPU time of this process so far, in ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<_> = after_name.split_whitespace().collect();
    // utime and stime: fields 14 and 15 of proc(5), two of them before the name's end.
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn decode(lines: &[Vec<u8>]) -> Vec<Decoded> {
    let decode =
        |line: &Vec<u8>| decode_record(line, &DecodeLimits::default(), Uuid::nil()).unwrap();
    lines.iter().map(decode).collect()
}

/// The document of a record, as a program without this one's care would make it.
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
        store.reconcile().await.unwrap();
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
    store.reconcile().await.unwrap();
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

async fn connect(database: &Database) -> Store {
    Store::connect(&StoreOptions::new(database.uri(), database.name())).await.unwrap()
}

/// What each collection and each of its indexes takes, per document.
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

/// Lines as the filter writes them: a tenant's traffic on a few routes, of which 2 % fail, 1 % are
/// the client's fault, 10 % write and so are audited, 5 % are slower than 100 ms, and 30 % belong
/// to a conversation.
fn lines(records: usize) -> Vec<Vec<u8>> {
    let start = 1_769_393_517_469_652_i64;
    let boot = Uuid::now_v7();
    (0..records)
        .map(|number| {
            let (level, status) = match number % 100 {
                7 | 57 => (Level::Error, 503),
                13 => (Level::Warning, 404),
                _ => (Level::Info, 200),
            };
            let method = if number % 10 == 3 { "POST" } else { "GET" };
            let took = if number % 20 == 4 { 250_000 } else { 8_000 + 37 * (number as u64 % 900) };
            let id = Uuid::now_v7();
            let [request, correlation] = [id, Uuid::now_v7()].map(|id| id.to_string());
            let organization = format!("org_{}", number % 50);
            let user = format!("user_{}", number % 5_000);
            let conversation = format!("conv_{}", number % 2_000);
            let path = format!("/api/v1/conversations/{}/messages", number % 2_000);
            let message = format!("{method} {path} -> {status} in {}.00 ms", took / 1_000);
            let record = Record {
                timestamp: Timestamp::from_unix_micros(
                    start + 1_000 * i64::try_from(number).unwrap(),
                ),
                level,
                logger_name: "gateway.edge",
                function_name: "conversations",
                message: &message,
                context: Context {
                    request_id: Some(&request),
                    correlation_id: Some(&correlation),
                    organization_id: Some(&organization),
                    user_id: Some(&user),
                    conversation_id: (number % 10 < 3).then_some(&conversation),
                    ..Context::default()
                },
                trace: Trace {
                    execution_time_us: took,
                    status: if status < 500 { Status::Success } else { Status::Error },
                    slow: false,
                    trace_id: None,
                    parent_span_id: None,
                    upstream_us: Some(took - 500),
                    metrics: &[],
                    phases: &[],
                },
                http: Http {
                    method: Some(method),
                    scheme: Some("https"),
                    host: Some("api.example.com"),
                    path: Some(&path),
                    query: None,
                    status: Some(status),
                    protocol: Some("HTTP/2"),
                    user_agent: Some(
                        "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0",
                    ),
                    client_ip: Some("203.0.113.7"),
                    route: Some("conversations"),
                    cluster: Some("conversations"),
                    upstream: Some("10.0.3.17:8080"),
                    attempts: Some(1),
                    request_bytes: Some(512),
                    response_bytes: Some(4_096),
                    ..Http::default()
                },
                error: (status >= 500).then_some(Outcome {
                    details: Some("upstream_reset_before_response_started{connection_failure}"),
                    flags: &["UF"],
                    ..Outcome::default()
                }),
                audit: method == "POST",
                weight: None,
                extra: &[],
                id,
                source: Source { gateway: "edge-7", boot, seq: number as u64 + 1 },
            };
            let mut line = Vec::new();
            Encoder::new(RecordLimits::default()).encode(&record, &mut line).unwrap();
            line
        })
        .collect()
}

//! What is stored is counted in the database, and counted again by `recount`. `tests/kills` kills
//! processes meanwhile.

use std::collections::BTreeMap;
use std::process::Output;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use gatelog_record::{Timestamp, Uuid};
use gatelog_testkit::{Client, Collector, CollectorOptions, Database, eventually};
use mongodb::bson::{DateTime, Document, doc};

use crate::load::{PATIENCE, audit, batch, post, record};

const LEVELS: [(&str, &str); 4] = [
    ("INFO", "info_logs"),
    ("WARNING", "warning_logs"),
    ("ERROR", "error_logs"),
    ("CRITICAL", "critical_logs"),
];

/// The values of a resolution and family.
async fn values(database: &Database, of: &str) -> Vec<Document> {
    let ids = doc! {"_id": {"$gte": format!("{of}:"), "$lt": format!("{of};")}};
    database.find("gatelog_rollups", ids).await.unwrap()
}

fn sum<'a>(values: impl IntoIterator<Item = &'a Document>, key: &str) -> u64 {
    values.into_iter().map(|value| u64::try_from(value.get_i64(key).unwrap()).unwrap()).sum()
}

/// A collector that counts, with these settings as well.
fn counting(environment: &[(&str, &str)]) -> CollectorOptions {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let all = [("GATELOG_ROLLUPS", "on")];
    CollectorOptions { environment: all.iter().chain(environment).map(own).collect() }
}

/// Exchanges by level: as counted, by hour or by minute, and as stored.
async fn compare(database: &Database) {
    let mut stored = BTreeMap::new();
    let exchanges = doc! {"http.method": {"$exists": true}};
    for (level, collection) in LEVELS {
        let count = database.count(collection, exchanges.clone()).await.unwrap();
        stored.insert(level.to_owned(), count);
    }
    for resolution in ["hour", "minute"] {
        let mut counted = BTreeMap::new();
        for value in values(database, &format!("{resolution}:route")).await {
            let level = value.get_document("dimension").unwrap().get_str("level").unwrap();
            *counted.entry(level.to_owned()).or_default() += sum([&value], "records");
        }
        assert_eq!(counted, stored, "by {resolution}");
        let errors = values(database, &format!("{resolution}:fingerprint")).await;
        assert_eq!(sum(&errors, "records"), stored["ERROR"] + stored["CRITICAL"]);
        let tenants = values(database, &format!("{resolution}:tenant")).await;
        assert_eq!(sum(&tenants, "records"), stored.values().sum::<u64>());
        assert_eq!(sum(&tenants, "requests"), stored.values().sum::<u64>() * 1_000_000);
    }
    assert!(values(database, "untimed:route").await.is_empty());
}

/// Posts the same batch to all, each until it is acknowledged.
async fn post_to_all(collectors: &[&Collector], body: &str) {
    for collector in collectors {
        eventually("the batch is acknowledged", PATIENCE, async || {
            let reply = post(&Client::default(), collector.address(), body.to_owned()).await?;
            ensure!(reply.status == 202, "{}", reply.text());
            Ok(())
        })
        .await
        .unwrap();
    }
}

/// Records of one minute, hours ago.
fn old_batch(boot: Uuid, seqs: std::ops::RangeInclusive<u64>, hours: u64) -> String {
    let ago = SystemTime::now() - Duration::from_secs(hours * 3_600);
    let since = ago.duration_since(UNIX_EPOCH).unwrap();
    let time = Timestamp::from_unix_nanos(u64::try_from(since.as_nanos()).unwrap());
    let lines = seqs.map(|seq| {
        let mut record: serde_json::Value = serde_json::from_str(&record(boot, seq)).unwrap();
        record["timestamp"] = time.to_string().into();
        format!("{record}\n")
    });
    lines.collect()
}

async fn run(collector: &Collector, arguments: &[&str]) -> Output {
    let mut command = collector.command(arguments).unwrap();
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn recount_puts_what_is_stored_in_the_place_of_what_was_counted() {
    let database = Database::fresh().await.unwrap();
    let mut counted = Collector::start(&database, counting(&[])).await.unwrap();
    let off = CollectorOptions { environment: vec![("GATELOG_ROLLUPS".into(), "off".into())] };
    let mut silent = Collector::start(&database, off).await.unwrap();
    let boot = Uuid::new_v4();
    for (hours, first) in [(3, 1), (4, 101), (30, 201)] {
        post_to_all(&[&counted], &old_batch(boot, first..=first + 99, hours)).await;
    }
    post_to_all(&[&silent], &old_batch(boot, 301..=340, 4)).await;
    for collector in [&counted, &silent] {
        eventually("all is stored", PATIENCE, async || {
            let metrics = collector.get("/metrics").await?.text();
            ensure!(metrics.contains("gatelog_collector_spool_records 0\n"), "{metrics}");
            Ok(())
        })
        .await
        .unwrap();
    }
    // It puts away what is over.
    counted.stop().unwrap();
    silent.stop().unwrap();
    let of_hours = async || sum(&values(&database, "hour:route").await, "records");
    assert_eq!(of_hours().await, 300, "40 were not counted");
    let dry = run(&counted, &["recount", "--from", "6h", "--to", "2h", "--dry-run"]).await;
    let told = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert!(told.contains(r#""stored":240,"counted":200,"dry_run":true"#), "{told} {dry:?}");
    assert_eq!(of_hours().await, 300);
    let all = ["recount", "--from", "32h", "--to", "2h", "--settle", "0s"];
    // As often as one likes; also where some of it is missing.
    for round in 0..3 {
        let done = run(&counted, &all).await;
        assert!(done.status.success(), "{done:?}");
        assert_eq!(of_hours().await, 340, "round {round}");
        compare(&database).await;
        let some = doc! {"_id": {"$gte": "minute:tenant:", "$lt": "minute:tenant;"}};
        database.collection("gatelog_rollups").delete_many(some).await.unwrap();
    }
    run(&counted, &all).await;
    compare(&database).await;
    assert_eq!(database.count("gatelog_rollups", recounting()).await.unwrap(), 0);

    let refused = run(&counted, &["recount", "--from", "8d", "--to", "2h"]).await;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && told.contains("debug_logs keeps them"), "{told}");
    // What a collector still has would be counted twice.
    let held = doc! {"$set": {"held": DateTime::from_millis(0)}};
    let states = doc! {"_id": {"$gte": "collector:", "$lt": "collector;"}};
    database.collection("gatelog_rollups").update_many(states, held).await.unwrap();
    let refused = run(&counted, &all).await;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && told.contains("has values of that time"), "{told}");
}

/// Hours that are being counted again.
fn recounting() -> Document {
    doc! {"_id": {"$gte": "recount:", "$lt": "recount;"}}
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rollups_nothing_is_counted_and_documents_have_no_mark() {
    let database = Database::fresh().await.unwrap();
    let options = CollectorOptions { environment: vec![("GATELOG_ROLLUPS".into(), "off".into())] };
    let mut collector = Collector::start(&database, options).await.unwrap();
    let boot = Uuid::new_v4();
    post_to_all(&[&collector], &batch(boot, 1..=40, 40)).await;
    audit(&database, &[&collector], boot, 40).await;
    collector.stop().unwrap();
    assert_eq!(database.count("gatelog_rollups", doc! {}).await.unwrap(), 0);
    let marked = doc! {"row": {"$exists": true}};
    assert_eq!(database.count("info_logs", marked).await.unwrap(), 0);
}

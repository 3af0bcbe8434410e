//! What is stored is counted once, in the database, whatever is killed meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use gatelog_record::Uuid;
use gatelog_testkit::{Client, Collector, CollectorOptions, Database, DatabaseServer, eventually};
use mongodb::bson::{Document, doc};
use tempfile::TempDir;

use crate::load::{Load, PATIENCE, audit, batch, post};

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

#[tokio::test(flavor = "multi_thread")]
async fn every_document_is_counted_once_though_collectors_and_the_database_are_killed() {
    let directory = TempDir::new().unwrap();
    let storage = directory.path().join("data");
    // What the database has acknowledged must survive its own death.
    let durable = ["--sync-on-commit"];
    let mut server =
        DatabaseServer::start_with(directory.path(), &storage, &durable).await.unwrap();
    let uri = server.uri();
    let port = uri.trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
    let database = Database::on(&uri, "counted").await.unwrap();
    let options =
        CollectorOptions { environment: vec![("GATELOG_MONGODB_TIMEOUT".into(), "2s".into())] };
    let mut one = Collector::start(&database, options.clone()).await.unwrap();
    let mut other = Collector::start(&database, options).await.unwrap();
    let load = Load::start(vec![one.address(), other.address()], 60);
    let twice = Uuid::new_v4();
    for round in 0..6_u64 {
        // Both acknowledge the same batch.
        let body = batch(twice, round * 200 + 1..=round * 200 + 200, round * 200 + 200);
        post_to_all(&[&one, &other], &body).await;
        load.progress(60).await;
        tokio::time::sleep(Duration::from_millis(37 * round)).await;
        match round {
            1 | 4 => {
                server.process().kill().unwrap();
                load.progress(60).await;
                let again = ["--sync-on-commit", "--port", port.as_str()];
                server =
                    DatabaseServer::start_with(directory.path(), &storage, &again).await.unwrap();
            }
            _ => {
                for collector in [&mut one, &mut other] {
                    collector.kill().unwrap();
                    collector.restart().await.unwrap();
                }
            }
        }
    }
    let (boot, last) = load.finish().await;
    audit(&database, &[&one, &other], boot, last).await;
    audit(&database, &[&one, &other], twice, 1_200).await;
    // A collector that is killed after it has settled still has its counts.
    one.kill().unwrap();
    one.restart().await.unwrap();
    for collector in [&mut one, &mut other] {
        collector.stop().unwrap();
    }
    compare(&database).await;
    // Starting again writes the same values, and ends with the same sums.
    one.restart().await.unwrap();
    one.stop().unwrap();
    compare(&database).await;
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

//! What the collector reports about itself: MongoDB's state follows inserts, and each problem is
//! logged once.

use anyhow::ensure;
use gatelog_record::Uuid;
use gatelog_testkit::{Client, Collector, CollectorOptions, Database, DatabaseServer, eventually};
use mongodb::bson::doc;

use crate::load::{PATIENCE, audit, batch, post};

/// The value of a metric.
async fn metric(collector: &Collector, name: &str) -> u64 {
    let text = collector.get("/metrics").await.unwrap().text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

/// Regression: pings succeeded, and set the state to "up" between two refused inserts.
#[tokio::test(flavor = "multi_thread")]
async fn mongodb_is_down_for_as_long_as_inserts_are_refused() {
    let server = DatabaseServer::start().await.unwrap();
    let database = Database::on(&server.uri(), "refusing").await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let up = "gatelog_collector_mongodb_up";
    eventually("it is up", PATIENCE, async || {
        ensure!(metric(&collector, up).await == 1);
        Ok(())
    })
    .await
    .unwrap();
    let client = mongodb::Client::with_uri_str(server.uri()).await.unwrap();
    let fail = |mode: &str| {
        doc! {
            "configureFailPoint": "failCommand", "mode": mode,
            "data": {"failCommands": ["insert"], "errorCode": 13},
        }
    };
    client.database("admin").run_command(fail("alwaysOn")).await.unwrap();
    let boot = Uuid::new_v4();
    post(&Client::default(), collector.address(), batch(boot, 1..=9, 9)).await.unwrap();
    let failures = "gatelog_collector_mongodb_failures_total{kind=\"denied\"}";
    let mut seen = 0;
    // The delays between this many attempts are longer than the interval between two pings.
    eventually("some tries are refused", PATIENCE, async || {
        seen = metric(&collector, failures).await;
        ensure!(seen >= 1);
        assert_eq!(metric(&collector, up).await, 0, "after {seen} refusals");
        assert_eq!(collector.get("/readyz").await?.json()?["mongodb"], "down");
        ensure!(seen >= 8, "{seen} refusals");
        Ok(())
    })
    .await
    .unwrap();
    client.database("admin").run_command(fail("off")).await.unwrap();
    audit(&database, &[&collector], boot, 9).await;
    assert_eq!(metric(&collector, up).await, 1);
}

/// The only warning of a collector with this database address, once everything that needs the
/// database has tried, and has logged its failure where that does not add a warning.
async fn only_warning(uri: &str) -> String {
    let database = Database::on(uri, "logs").await.unwrap();
    let options = CollectorOptions { environment: vec![("LOG_LEVEL".into(), "DEBUG".into())] };
    let mut collector = Collector::start(&database, options).await.unwrap();
    let mut log = String::new();
    eventually("all that needs the database has tried", PATIENCE, async || {
        log = collector.process().stderr();
        for says in ["accounts not shared", "not checked", "MongoDB does not accept records"] {
            ensure!(log.contains(says), "{says} not in {log}");
        }
        Ok(())
    })
    .await
    .unwrap();
    // Ignores those about the test environment.
    let is_warning = |line: &&str| line.contains("WARN") && !line.contains("GATELOG_");
    let warnings: Vec<_> = log.lines().filter(is_warning).collect();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(!log.contains("Topology"), "{log}");
    warnings[0].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_is_told_in_one_line_that_names_it() {
    let told = only_warning("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=500").await;
    assert!(told.contains("127.0.0.1:1: Connection refused"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_in_one_line_without_it() {
    let [logs, storage] = [(); 2].map(|()| tempfile::TempDir::new().unwrap());
    let storage = storage.path().join("data");
    let server = DatabaseServer::start_with(logs.path(), &storage, &["--auth"]).await.unwrap();
    let uri = server.uri().replace("://", "://gatelog:s3cret@") + "?authSource=logs";
    let told = only_warning(&uri).await;
    assert!(told.contains("authentication failed") && !told.contains("s3cret"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_of_an_index_is_told_once_and_the_index_made_once_there_is_room() {
    let database = Database::fresh().await.unwrap();
    let theirs = doc! { "createIndexes": "info_logs",
    "indexes": [{ "key": { "created_at": 1 }, "name": "created_at_1" }] };
    database.command(theirs).await.unwrap();
    let mut collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let mut says = async |text: &str| {
        let mut log = String::new();
        eventually(text, PATIENCE, async || {
            log = collector.process().stderr();
            ensure!(log.contains(text), "{log}");
            Ok(())
        })
        .await
        .unwrap();
        log
    };
    says("info_logs: index created_at_1 cannot be created").await;
    says("trace_logs: index created_at_1 created").await;
    let room = doc! { "dropIndexes": "info_logs", "index": "created_at_1" };
    database.command(room).await.unwrap();
    let log = says("info_logs: index created_at_1 created").await;
    assert_eq!(log.matches("info_logs: index created_at_1 cannot be created").count(), 1, "{log}");
}

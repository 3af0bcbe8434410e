//! What the collector says of itself: MongoDB's state follows inserts, and the log says once what
//! is wrong.

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

/// Pings went through, and set the state to "up" between two refused inserts.
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
    // The waits between so many tries are longer than the time between two pings.
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

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_is_told_in_one_line_that_names_it() {
    let database = Database::fresh().await.unwrap();
    let options = CollectorOptions {
        environment: vec![
            ("MONGODB_URI".into(), "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=500".into()),
            ("LOG_LEVEL".into(), "DEBUG".into()),
        ],
    };
    let mut collector = Collector::start(&database, options).await.unwrap();
    // What else needs the database has failed by then, and says so where it does not disturb.
    let mut log = String::new();
    eventually("all that needs the database has tried", PATIENCE, async || {
        log = collector.process().stderr();
        for says in ["accounts not shared", "not checked", "MongoDB does not take records"] {
            ensure!(log.contains(says), "{says} not in {log}");
        }
        Ok(())
    })
    .await
    .unwrap();
    // Those about the environment of the tests apart.
    let warnings: Vec<_> =
        log.lines().filter(|line| line.contains("WARN") && !line.contains("GATELOG_")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].contains("127.0.0.1:1: Connection refused"), "{}", warnings[0]);
    assert!(!log.contains("Topology"), "{log}");
}

//! MongoDB becomes unavailable and recovers, refuses, and is slow; several collectors share it.

use std::time::Duration;

use anyhow::ensure;
use gatelog_record::Uuid;
use gatelog_testkit::{Client, Collector, CollectorOptions, Database, DatabaseServer, eventually};
use mongodb::bson::doc;
use tempfile::TempDir;

use crate::load::{Load, PATIENCE, audit, batch, post};

fn impatient() -> CollectorOptions {
    CollectorOptions { environment: vec![("GATELOG_MONGODB_TIMEOUT".into(), "1s".into())] }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_wait_while_the_database_hangs_and_are_stored_when_it_goes_on() {
    let mut server = DatabaseServer::start().await.unwrap();
    let database = Database::on(&server.uri(), "away").await.unwrap();
    let collector = Collector::start(&database, impatient()).await.unwrap();
    let load = Load::start(vec![collector.address()], 30);
    load.progress(60).await;
    server.freeze().unwrap();
    // Records are still accepted, and readiness does not depend on the database.
    load.progress(600).await;
    eventually("the outage is reported", PATIENCE, async || {
        let ready = collector.get("/readyz").await?;
        ensure!(ready.status == 200 && ready.json()?["mongodb"] == "down", "{}", ready.text());
        Ok(())
    })
    .await
    .unwrap();
    server.thaw().unwrap();
    let (boot, last) = load.finish().await;
    audit(&database, &[&collector], boot, last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_wait_while_the_database_is_not_there_from_the_start() {
    let directory = TempDir::new().unwrap();
    let storage = directory.path().join("data");
    let mut server = DatabaseServer::start_in(directory.path(), &storage).await.unwrap();
    let (uri, database) = (server.uri(), Database::on(&server.uri(), "later").await.unwrap());
    let port = uri.trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
    server.process().kill().unwrap();
    let collector = Collector::start(&database, impatient()).await.unwrap();
    let (client, boot) = (Client::default(), Uuid::new_v4());
    let reply = post(&client, collector.address(), batch(boot, 1..=50, 50)).await.unwrap();
    assert_eq!(reply.status, 202);
    let again = ["--port", port.as_str()];
    let _server = DatabaseServer::start_with(directory.path(), &storage, &again).await.unwrap();
    audit(&database, &[&collector], boot, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_some_inserts_gets_them_again() {
    let server = DatabaseServer::start().await.unwrap();
    let database = Database::on(&server.uri(), "refusing").await.unwrap();
    let collector = Collector::start(&database, impatient()).await.unwrap();
    let client = mongodb::Client::with_uri_str(server.uri()).await.unwrap();
    // NotWritablePrimary, WriteConflict, Unauthorized, ExceededTimeLimit, OutOfDiskSpace.
    for code in [10_107, 112, 13, 262, 14_031] {
        let fail = doc! {
            "configureFailPoint": "failCommand", "mode": {"times": 3},
            "data": {"failCommands": ["insert"], "errorCode": code},
        };
        client.database("admin").run_command(fail).await.unwrap();
        let boot = Uuid::new_v4();
        let reply = post(&Client::default(), collector.address(), batch(boot, 1..=40, 40)).await;
        assert_eq!(reply.unwrap().status, 202);
        audit(&database, &[&collector], boot, 40).await;
    }
}

/// Regression: the same thousand records were retried again and again, too slow each time.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_too_slow_gets_smaller_inserts_on_the_next_try() {
    let server = DatabaseServer::start().await.unwrap();
    let database = Database::on(&server.uri(), "slow").await.unwrap();
    let collector = Collector::start(&database, impatient()).await.unwrap();
    let client = mongodb::Client::with_uri_str(server.uri()).await.unwrap();
    // Each attempt inserts into six collections: two attempts are too slow.
    let slow = doc! {
        "configureFailPoint": "failCommand", "mode": {"times": 12},
        "data": {"failCommands": ["insert"], "blockConnection": true, "blockTimeMS": 2_000},
    };
    client.database("admin").run_command(slow).await.unwrap();
    let boot = Uuid::new_v4();
    let body = batch(boot, 1..=1_000, 1_000);
    let reply = post(&Client::default(), collector.address(), body).await.unwrap();
    assert_eq!(reply.status, 202);
    // Takes some seconds; with the same thousand each time it took more than a minute.
    let within = Duration::from_secs(45);
    tokio::time::timeout(within, audit(&database, &[&collector], boot, 1_000)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn three_collectors_into_one_database_store_everything_once_and_agree() {
    let database = Database::fresh().await.unwrap();
    let options = CollectorOptions {
        // Shared more often, so that the test need not wait.
        environment: vec![("GATELOG_GAP_AFTER".into(), "2s".into())],
    };
    let mut collectors = Vec::new();
    for _ in 0..3 {
        collectors.push(Collector::start(&database, options.clone()).await.unwrap());
    }
    let addresses: Vec<_> = collectors.iter().map(Collector::address).collect();
    let load = Load::start(addresses, 25);
    load.progress(300).await;
    collectors[1].kill().unwrap();
    load.progress(300).await;
    collectors[1].restart().await.unwrap();
    load.progress(300).await;
    let (boot, last) = load.finish().await;
    let all: Vec<_> = collectors.iter().collect();
    audit(&database, &all, boot, last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_told_in_the_audit_trail_and_closed_by_what_fills_it() {
    let database = Database::fresh().await.unwrap();
    let options = CollectorOptions { environment: vec![("GATELOG_GAP_AFTER".into(), "1s".into())] };
    let collector = Collector::start(&database, options).await.unwrap();
    let (client, boot) = (Client::default(), Uuid::new_v4());
    post(&client, collector.address(), batch(boot, 1..=10, 15)).await.unwrap();
    let told = async |event: &str| {
        eventually(event, PATIENCE, async || {
            let entries = database.find("audit_logs", doc! {"extra.event": event}).await?;
            ensure!(entries.len() == 1, "{} entries", entries.len());
            Ok(())
        })
        .await
        .unwrap();
    };
    told("gap_opened").await;
    post(&client, collector.address(), batch(boot, 11..=15, 15)).await.unwrap();
    told("gap_closed").await;
    audit(&database, &[&collector], boot, 15).await;
}

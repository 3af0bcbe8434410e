//! The process is killed, stopped, and restarted; its disk refuses.

use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use gatelog_record::Uuid;
use gatelog_testkit::{Client, Collector, CollectorOptions, Database, eventually};

use crate::load::{Load, PATIENCE, audit, batch, post};

/// How often the collector is killed; set `GATELOG_KILL_ROUNDS` for a longer test.
fn rounds() -> u64 {
    std::env::var("GATELOG_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// A wait of up to `most` milliseconds, different each time.
fn random_wait(most: u64) -> Duration {
    let [.., a, b] = *Uuid::new_v4().as_bytes();
    Duration::from_millis(u64::from(u16::from_le_bytes([a, b])) % most)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_stored_once_though_the_collector_is_killed_again_and_again() {
    let database = Database::fresh().await.unwrap();
    let mut collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let loads: Vec<_> =
        [7, 50, 120].map(|per_batch| Load::start(vec![collector.address()], per_batch)).into();
    let mut most = 0;
    for _ in 0..rounds() {
        loads[1].progress(1).await;
        tokio::time::sleep(random_wait(400)).await;
        most = most.max(collector.process().resident_bytes().unwrap());
        collector.kill().unwrap();
        collector.restart().await.unwrap();
    }
    let mut total = 0;
    let mut sent = Vec::new();
    for load in loads {
        sent.push(load.finish().await);
    }
    for (boot, last) in sent {
        audit(&database, &[&collector], boot, last).await;
        total += last;
    }
    assert!(most < 100 << 20, "{most} bytes resident");
    println!("{} kills, {total} records stored once, at most {most} bytes resident", rounds());
    collector.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_loses_nothing_and_ends_with_0() {
    let database = Database::fresh().await.unwrap();
    let mut collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let load = Load::start(vec![collector.address()], 40);
    for _ in 0..3 {
        load.progress(200).await;
        collector.stop().unwrap();
        collector.restart().await.unwrap();
    }
    let (boot, last) = load.finish().await;
    audit(&database, &[&collector], boot, last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_refuses_is_told_and_nothing_is_acknowledged_until_it_takes_again() {
    let database = Database::fresh().await.unwrap();
    let mut collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let (client, boot) = (Client::default(), Uuid::new_v4());
    assert_eq!(
        post(&client, collector.address(), batch(boot, 1..=5, 5)).await.unwrap().status,
        202
    );
    // No file of the process may grow, as on a full disk.
    let id = collector.process().id().to_string();
    let limit = |size: &str| {
        let done =
            Command::new("prlimit").args(["--pid", &id, &format!("--fsize={size}")]).status();
        assert!(done.unwrap().success());
    };
    limit("1:unlimited");
    let refused = post(&client, collector.address(), batch(boot, 6..=500, 500)).await.unwrap();
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(!refused.header("retry-after").is_empty());
    let ready = collector.get("/readyz").await.unwrap();
    assert_eq!(ready.status, 503, "{}", ready.text());
    assert_eq!(collector.get("/healthz").await.unwrap().status, 200, "a restart would not help");
    limit("unlimited:unlimited");
    eventually("the disk takes writes again", PATIENCE, async || {
        let ready = collector.get("/readyz").await?;
        ensure!(ready.status == 200, "{}", ready.text());
        Ok(())
    })
    .await
    .unwrap();
    let accepted = post(&client, collector.address(), batch(boot, 6..=500, 500)).await.unwrap();
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    audit(&database, &[&collector], boot, 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_spool_is_moved_aside_and_the_service_goes_on() {
    let database = Database::fresh().await.unwrap();
    let mut collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let (client, boot) = (Client::default(), Uuid::new_v4());
    post(&client, collector.address(), batch(boot, 1..=5, 5)).await.unwrap();
    collector.stop().unwrap();
    std::fs::write(collector.spool().join("spool.db"), [7; 9_000]).unwrap();
    collector.restart().await.unwrap();
    assert!(collector.process().stderr().contains("moved aside"));
    let boot = Uuid::new_v4();
    post(&client, collector.address(), batch(boot, 1..=50, 50)).await.unwrap();
    audit(&database, &[&collector], boot, 50).await;
    let metrics = collector.get("/metrics").await.unwrap().text();
    assert!(metrics.contains("gatelog_collector_spool_moved_aside_total 1"), "{metrics}");
}

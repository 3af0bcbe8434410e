//! Several collectors behind Envoy's load balancing, one database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::ensure;
use axum::http::Method;
use futures_util::future::join_all;
use gatelog_testkit::{Collector, CollectorOptions, Database, Gateway, GatewayOptions, eventually};
use mongodb::bson::doc;
use serde_json::Value;

use crate::SHELL;
use crate::stored::{at, json};

/// Collectors share their accounts every few seconds.
const PATIENCE: Duration = Duration::from_secs(90);

const CLIENTS: usize = 6;
const REQUESTS_EACH: usize = 150;
const REQUESTS: usize = CLIENTS * REQUESTS_EACH;
/// One in this many requests is a POST, and so audited.
const POST_EVERY: usize = 10;
/// One in this many requests goes to a dead upstream.
const DEAD_EVERY: usize = 30;

fn correlation(number: usize) -> String {
    format!("several-{number:04}")
}

async fn send(gateway: &Gateway, number: usize) {
    let dead = number.is_multiple_of(DEAD_EVERY);
    let post = number.is_multiple_of(POST_EVERY);
    let method = if post { Method::POST } else { Method::GET };
    let (path, expected) = match (dead, post) {
        (true, _) => ("/api/v1/reports", 503),
        (false, true) => ("/api/v1/messages", 201),
        (false, false) => ("/api/v1/messages", 200),
    };
    let id = correlation(number);
    let reply = gateway.send(method, path, &[("x-correlation-id", &id)]).await.unwrap();
    assert_eq!(reply.status.as_u16(), expected, "{}", reply.text());
}

/// How often each record is in a collection, by the number that the gateway gave it.
async fn copies(database: &Database, collection: &str) -> BTreeMap<(String, u64), usize> {
    let mut copies = BTreeMap::new();
    for record in database.find(collection, doc! {}).await.unwrap().into_iter().map(json) {
        let boot = at(&record, "/source/boot").as_str().unwrap_or_default().to_owned();
        // An entry made by the collector itself would be only in the audit trail.
        let Some(seq) = at(&record, "/source/seq").as_u64() else { panic!("{record:#}") };
        *copies.entry((boot, seq)).or_default() += 1;
    }
    copies
}

fn total(accounting: &Value, term: &str) -> u64 {
    let boots = accounting["boots"].as_array().unwrap();
    boots.iter().map(|boot| boot[term].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn three_collectors_store_each_record_once_though_one_is_killed_under_load() {
    let database = Database::fresh().await.unwrap();
    let start = || Collector::start(&database, CollectorOptions::default());
    let mut second = start().await.unwrap();
    let third = start().await.unwrap();
    let mut options = GatewayOptions::of(SHELL).unwrap();
    for more in [&second, &third] {
        options.envoy.config.add_endpoint("gatelog_collector", more.address()).unwrap();
    }
    options.envoy.concurrency = 2;
    // Many batches, however short the load: each collector gets its share.
    let often = [("/delivery/flush_interval", serde_json::json!("50ms"))];
    options.envoy.config.filter_options(&often).unwrap();
    options.database = Some(database.clone());
    let gateway = Gateway::start_with(options).await.unwrap();

    let done = AtomicUsize::new(0);
    let client = async |first: usize| {
        for number in (first..REQUESTS).step_by(CLIENTS) {
            send(&gateway, number).await;
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    let reached = async |count: usize| {
        eventually("the load goes on", PATIENCE, async || {
            ensure!(done.load(Ordering::Relaxed) >= count);
            Ok(())
        })
        .await
        .unwrap();
    };
    let fault = async {
        reached(REQUESTS / 3).await;
        second.kill().unwrap();
        reached(REQUESTS * 2 / 3).await;
        second.restart().await.unwrap();
    };
    tokio::join!(join_all((0..CLIENTS).map(client)), fault);

    // Each of them reports for all.
    for collector in [&gateway.collector, &second, &third] {
        eventually("the accounting adds up", PATIENCE, async || {
            let accounting = collector.accounting().await?;
            let all = u64::try_from(REQUESTS)?;
            for (term, expected) in [
                ("assigned", all),
                ("stored", all),
                ("spooled", 0),
                ("quarantined", 0),
                ("dropped", 0),
                ("queued", 0),
                ("missing", 0),
            ] {
                let count = total(&accounting, term);
                ensure!(count == expected, "{term} is {count}, not {expected}: {accounting:#}");
            }
            Ok(())
        })
        .await
        .unwrap();
    }

    let dead = REQUESTS.div_ceil(DEAD_EVERY);
    for (collection, expected) in [
        ("info_logs", REQUESTS - dead),
        ("critical_logs", dead),
        ("audit_logs", REQUESTS.div_ceil(POST_EVERY)),
        ("trace_logs", REQUESTS),
        ("debug_logs", 0),
        ("warning_logs", 0),
        ("error_logs", 0),
    ] {
        if collection != "trace_logs" {
            let copies = copies(&database, collection).await;
            assert_eq!(copies.len(), expected, "records in {collection}");
            assert!(copies.values().all(|count| *count == 1), "{collection}: {copies:?}");
        }
        let count = database.count(collection, doc! {}).await.unwrap();
        assert_eq!(count, u64::try_from(expected).unwrap(), "documents in {collection}");
    }
    let flows = database.find("trace_logs", doc! {}).await.unwrap().into_iter().map(json);
    let flows: BTreeSet<String> = flows
        .map(|record| at(&record, "/context/correlation_id").as_str().unwrap().to_owned())
        .collect();
    assert_eq!(flows, (0..REQUESTS).map(correlation).collect());

    // All three must have taken part, or the test shows nothing.
    for collector in [&gateway.collector, &third] {
        let metrics = collector.get("/metrics").await.unwrap().text();
        let stored = "gatelog_collector_records_stored_total ";
        let stored = metrics.lines().find_map(|line| line.strip_prefix(stored)).unwrap();
        assert_ne!(stored, "0");
    }
}

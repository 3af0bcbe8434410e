//! The collector down, under load.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use gatelog_testkit::{Answer, eventually};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::load::Load;
use crate::rig::{PATIENCE, Rig};

/// How long the collector is down, in seconds; `GATELOG_OUTAGE_SECONDS` for the long form.
const OUTAGE_SECONDS: u64 = 8;

/// How long it lasts at most.
const LONGEST_OUTAGE: Duration = Duration::from_mins(2);

/// Small, so that the queue reaches it.
const QUEUE_BYTES: u64 = 1024 * 1024;

/// How much the process may grow during the outage: the queue, a batch in flight in
/// Envoy's own buffers, and memory that allocators retain.
const GROWTH_BYTES: u64 = 16 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_costs_bounded_memory_no_request_and_no_error_record() {
    let seconds = std::env::var("GATELOG_OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok());
    let outage = Duration::from_secs(seconds.unwrap_or(OUTAGE_SECONDS));
    let options = [
        ("/delivery/queue_max_bytes", json!(QUEUE_BYTES)),
        ("/delivery/batch_max_bytes", json!(65_536)),
    ];
    let mut rig = Rig::start(&options).await;
    let load = Load::start(rig.address(), 4);
    eventually("the load runs", PATIENCE, async || {
        ensure!(rig.sink.records().len() > 500, "{} records", rig.sink.records().len());
        anyhow::Ok(())
    })
    .await
    .unwrap();
    let before = rig.envoy.process().resident_bytes().unwrap();
    rig.sink.answer(Answer::Refuse(503));
    let (refused, begun) = (rig.sink.requests(), Instant::now());
    let (mut most, mut shed) = (0, 0);
    // On a slow machine, until the bound has been met.
    while begun.elapsed() < outage || (shed == 0 && begun.elapsed() < LONGEST_OUTAGE) {
        // Sampling at an interval, not waiting for a condition.
        sleep(Duration::from_millis(200)).await;
        most = most.max(rig.envoy.process().resident_bytes().unwrap());
        let queued = rig.envoy.stats("gatelog.queue_bytes").await.unwrap();
        assert!(queued.values().all(|bytes| *bytes <= QUEUE_BYTES), "{queued:?}");
        let dropped = rig.envoy.stats("gatelog.records_dropped.queue_full").await.unwrap();
        shed = dropped.values().sum();
    }
    let outage = begun.elapsed();
    let attempts = rig.sink.requests() - refused;
    assert!(attempts <= 10 + outage.as_secs() * 2, "{attempts} attempts: no storm");
    assert!(most <= before + GROWTH_BYTES, "grew from {before} to {most} bytes");
    rig.sink.answer(Answer::Accept);
    let sent = load.stop().await;
    assert_eq!(sent.harmed, [""; 0]);

    let (assigned, dropped) = eventually("everything is accounted for", PATIENCE, async || {
        let totals = rig.sink.totals();
        let (assigned, dropped) = totals.values().fold((0, 0), |(assigned, dropped), header| {
            (assigned + header.assigned, dropped + header.dropped.total())
        });
        let delivered = rig.sink.records().len() as u64;
        ensure!(assigned == sent.requests, "{assigned} of {} assigned", sent.requests);
        ensure!(assigned == delivered + dropped, "{assigned} is not {delivered} + {dropped}");
        anyhow::Ok((assigned, dropped))
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", rig.envoy.log()));
    assert!(dropped > 0, "the bound was met");
    let delivered: BTreeSet<String> = rig
        .sink
        .records()
        .iter()
        .map(|record| record["context"]["correlation_id"].as_str().unwrap_or_default().to_owned())
        .collect();
    let lost: Vec<_> = sent.failing_ids().filter(|id| !delivered.contains(id)).collect();
    assert_eq!(lost, [""; 0], "every ERROR is there");
    println!(
        "{assigned} assigned, {dropped} shed, {attempts} attempts in {outage:?}, resident {before} to {most} bytes"
    );
}

//! Several workers, whose records one thread sends.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use gatelog_testkit::eventually;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::load::Load;
use crate::rig::{PATIENCE, Rig};

const WORKERS: u32 = 4;

/// How long the load runs.
const LOAD: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_worker_numbers_its_own_records_and_every_one_is_delivered_once() {
    // Small batches: the main thread is woken all the time.
    let options = [("/delivery/batch_max_bytes", json!(4_096))];
    let rig = Rig::start_with(&options, |options| {
        options.concurrency = WORKERS;
        Ok(())
    })
    .await
    .unwrap();
    let load = Load::start(rig.address(), 8);
    let until = Instant::now() + LOAD;
    while Instant::now() < until {
        // Stats are read on the main thread, which sends at the same time.
        sleep(Duration::from_millis(50)).await;
        rig.envoy.stats("gatelog").await.unwrap();
    }
    let sent = load.stop().await;
    assert_eq!(sent.harmed, [""; 0]);
    let delivered = eventually("every record is delivered", PATIENCE, async || {
        let delivered = rig.sink.records();
        ensure!(
            delivered.len() as u64 >= sent.requests,
            "{} of {}",
            delivered.len(),
            sent.requests
        );
        anyhow::Ok(delivered)
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", rig.envoy.log()));
    assert_eq!(delivered.len() as u64, sent.requests);
    let numbers: BTreeSet<_> = delivered
        .iter()
        .map(|record| (record["source"]["boot"].to_string(), record["source"]["seq"].as_u64()))
        .collect();
    assert_eq!(numbers.len(), delivered.len(), "no number twice");
    let boots: BTreeSet<_> = numbers.iter().map(|(boot, _)| boot).collect();
    assert!(boots.len() > 1, "{boots:?}");
    for boot in boots {
        let own = numbers.iter().filter(|(of, _)| of == boot).map(|(_, seq)| seq.unwrap());
        let (count, last) = (own.clone().count() as u64, own.max().unwrap());
        assert_eq!(last, count, "numbers without holes");
    }
    assert_eq!(rig.envoy.reloads().await.unwrap(), 0);
    eventually("every record was counted", PATIENCE, async || {
        let created = rig.envoy.stats("gatelog.records_created").await?;
        ensure!(created.values().sum::<u64>() == sent.requests, "{created:?}");
        anyhow::Ok(())
    })
    .await
    .unwrap();
}

//! h2load: many streams on several connections at once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use gatelog_testkit::stored::{PATIENCE, exactly};
use gatelog_testkit::{Gateway, GatewayOptions, eventually};
use mongodb::bson::doc;

use crate::SHELL;
use crate::program::{command, output_of};

const REQUESTS: usize = 2000;

#[tokio::test]
async fn every_stream_of_h2load_is_one_record_with_an_id_of_its_own() {
    let mut options = GatewayOptions::of(SHELL).unwrap();
    options.envoy.concurrency = 2;
    let gateway = Gateway::start_with(options).await.unwrap();

    let mut h2load = command("h2load");
    h2load.args(["--clients", "8", "--max-concurrent-streams", "16", "--threads", "2"]);
    h2load.args(["--requests", &REQUESTS.to_string()]);
    h2load.arg(format!("http://{}/api/v1/messages", gateway.address()));
    let report = output_of(h2load).await;
    for line in [
        "Application protocol: h2c".to_owned(),
        format!(
            "requests: {REQUESTS} total, {REQUESTS} started, {REQUESTS} done, {REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout"
        ),
        format!("status codes: {REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx"),
    ] {
        assert!(report.contains(&line), "{line:?} is not in\n{report}");
    }

    let database = &gateway.database;
    eventually("all records are stored", PATIENCE, async || {
        let stored = database.count("trace_logs", doc! {}).await?;
        ensure!(stored == REQUESTS as u64, "{stored} of {REQUESTS}");
        Ok(())
    })
    .await
    .unwrap();
    let records = exactly(database, "info_logs", REQUESTS).await.unwrap();
    assert!(records.iter().all(|record| record["http"]["protocol"] == "HTTP/2"));
    let ids: BTreeSet<_> =
        records.iter().map(|record| record["context"]["request_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), REQUESTS);

    // Each worker's numbers have no holes.
    let mut numbers: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for record in &records {
        let source = &record["source"];
        let boot = numbers.entry(source["boot"].as_str().unwrap()).or_default();
        boot.insert(source["seq"].as_u64().unwrap());
    }
    assert!(numbers.values().all(|seqs| seqs.last() == Some(&(seqs.len() as u64))));
    assert_eq!(numbers.values().map(BTreeSet::len).sum::<usize>(), REQUESTS);

    let lines = gateway.envoy.journal().records().unwrap();
    let printed: BTreeSet<_> =
        lines.iter().map(|line| line["context"]["request_id"].as_str().unwrap()).collect();
    assert_eq!(lines.len(), REQUESTS);
    assert_eq!(printed, ids);
    assert_eq!(gateway.envoy.reloads().await.unwrap(), 0);
}

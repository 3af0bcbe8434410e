//! Envoy ends: what waits is sent before.

use std::time::Duration;

use gatelog_testkit::Answer;
use serde_json::json;

use crate::rig::{PATIENCE, Rig};

/// So long that nothing is sent before Envoy ends.
const FLUSH_INTERVAL: &str = "60s";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_envoy_that_is_terminated_sends_what_waits_before_it_ends() {
    let mut rig = Rig::start(&[("/delivery/flush_interval", json!(FLUSH_INTERVAL))]).await;
    for number in 0..50 {
        rig.get("/raw/ok", &[("x-correlation-id", &format!("last-{number}"))]).await;
    }
    let status = rig.envoy.process().terminate(PATIENCE).unwrap();
    assert!(status.success(), "{status}\n{}", rig.envoy.log());
    assert_eq!(rig.sink.records().len(), 50, "{}", rig.envoy.log());
    assert_eq!(rig.envoy.journal().records().unwrap().len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_keeps_no_envoy_from_ending() {
    let mut rig = Rig::start(&[]).await;
    rig.sink.answer(Answer::Refuse(503));
    rig.get("/raw/ok", &[("x-correlation-id", "left")]).await;
    rig.record("left").await;
    let status = rig.envoy.process().terminate(Duration::from_mins(1)).unwrap();
    assert!(status.success(), "{status}\n{}", rig.envoy.log());
    let says = "1 records could not be sent before Envoy ended";
    assert!(rig.envoy.log().contains(says), "{}", rig.envoy.log());
}

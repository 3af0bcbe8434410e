//! The recipe that ends Envoy without losing a record.

use std::process::{Command, Output};
use std::time::Duration;

use gatelog_testkit::{Gateway, GatewayOptions, checkout};
use serde_json::json;

use crate::SHELL;
use crate::stored::exactly;

/// Runs the recipe, off the test's own thread: the services it waits for run there.
async fn drain(gateway: &Gateway, seconds: &str, quiet: &str) -> Output {
    let mut recipe = Command::new(checkout().join("envoy/drain.sh"));
    recipe.args([gateway.envoy.admin().to_string().as_str(), seconds, quiet]);
    tokio::task::spawn_blocking(move || recipe.output().unwrap()).await.unwrap()
}

#[tokio::test]
async fn after_the_drain_recipe_no_record_is_missing() {
    let mut options = GatewayOptions::of(SHELL).unwrap();
    // Slow enough that the records are still queued when the recipe starts.
    let slow = [("/delivery/flush_interval", json!("1s"))];
    options.envoy.config.filter_options(&slow).unwrap();
    let mut gateway = Gateway::start_with(options).await.unwrap();
    for _ in 0..10 {
        gateway.get("/api/v1/messages", &[]).await.unwrap();
    }
    let drained = drain(&gateway, "20", "3").await;
    assert!(drained.status.success(), "{}", String::from_utf8_lossy(&drained.stderr));
    let ended = gateway.envoy.process().wait(Duration::from_secs(20)).unwrap();
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    exactly(&gateway.database, "info_logs", 10).await.unwrap();
}

#[tokio::test]
async fn the_drain_recipe_says_how_many_records_it_had_to_leave() {
    let mut gateway = Gateway::of(SHELL).await.unwrap();
    gateway.collector.kill().unwrap();
    for _ in 0..3 {
        gateway.get("/api/v1/messages", &[]).await.unwrap();
    }
    let drained = drain(&gateway, "3", "1").await;
    assert_eq!(drained.status.code(), Some(1));
    let said = String::from_utf8_lossy(&drained.stderr).into_owned();
    assert!(said.contains("3 records are still queued"), "{said}");
    let ended = gateway.envoy.process().wait(Duration::from_secs(20)).unwrap();
    assert!(ended.is_some(), "Envoy still runs");
}

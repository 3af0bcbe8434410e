//! The collector down: requests continue, and nothing is lost.

use anyhow::ensure;
use gatelog_testkit::{Gateway, eventually};
use serde_json::Value;

use crate::SHELL;
use crate::stored::{PATIENCE, exactly};

#[tokio::test]
async fn records_made_while_the_collector_is_killed_arrive_when_it_is_back() {
    let mut gateway = Gateway::of(SHELL).await.unwrap();
    for _ in 0..5 {
        gateway.get("/api/v1/messages", &[]).await.unwrap();
    }
    gateway.collector.kill().unwrap();
    for _ in 0..5 {
        assert_eq!(gateway.get("/api/v1/messages", &[]).await.unwrap().status, 200);
    }
    gateway.collector.restart().await.unwrap();
    exactly(&gateway.database, "info_logs", 10).await.unwrap();

    eventually("the accounting adds up", PATIENCE, async || {
        let accounting = gateway.collector.accounting().await?;
        let numbers = |name: &str| sum(&accounting, name);
        ensure!(numbers("assigned") == 10, "{accounting:#}");
        ensure!(numbers("stored") == 10 && numbers("missing") == 0, "{accounting:#}");
        Ok(())
    })
    .await
    .unwrap();
}

/// The sum of all numbers under this key, at any depth.
fn sum(value: &Value, key: &str) -> u64 {
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| match value.as_u64() {
                Some(number) if name == key => number,
                _ => sum(value, key),
            })
            .sum(),
        Value::Array(items) => items.iter().map(|item| sum(item, key)).sum(),
        _ => 0,
    }
}

//! A flow read back and drawn, and the command that prints it.

use std::process::Output;

use gatelog_collector::flow::{self, Style};
use mongodb::bson::Document;
use serde_json::json;

use crate::fixture::{Fixture, all_stored, record};

#[tokio::test]
async fn a_flow_is_drawn_from_what_was_stored() {
    let fixture = Fixture::new().await;
    let exchange = |at: &str, path: &str, took: f64, status: u16, more: serde_json::Value| {
        let mut change = json!({
            "timestamp": format!("2096-01-26T02:11:57.{at}Z"), "function_name": "r",
            "context": {"correlation_id": "corr_456", "request_id": path},
            "trace": {"execution_time_ms": took, "status": if status < 500 { "success" } else { "error" }},
            "http": {"method": "GET", "path": path, "status": status},
        });
        change.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record(if status < 500 { "INFO" } else { "ERROR" }, &change)
    };
    let records = [
        exchange("1", "/orders", 80.25, 200, json!({})),
        exchange(
            "12",
            "/stock",
            20.0,
            503,
            json!({"error": {"flags": ["UH"], "details": "no_healthy_upstream"}}),
        ),
        record(
            "WARNING",
            &json!({
                "timestamp": "2096-01-26T02:11:57.13Z", "message": "again", "logger_name": "app.stock",
                "context": {"correlation_id": "corr_456", "request_id": "/stock"},
                "error": {"type": "Retry", "message": "now"},
            }),
        ),
        record("INFO", &json!({"context": {"correlation_id": "another"}})),
    ];
    assert_eq!(fixture.store.insert(&records).await, all_stored(4));
    let drawn = flow::trace(&fixture.store, "corr_456", Style::Plain).await.unwrap().unwrap();
    assert_eq!(
        drawn,
        "\
corr_456: 3 records, 1 error, 80.3 ms from 2096-01-26T02:11:57.100000+00:00
     +0.0 ms └─ GET /orders  → 200  80.3 ms  [gateway.edge r]
    +20.0 ms    └─ GET /stock  → 503  20.0 ms  [gateway.edge r]  ✗ UH no_healthy_upstream
    +30.0 ms       └─ WARNING  again  [app.stock]
"
    );
    let none = flow::trace(&fixture.store, "unknown", Style::Plain).await.unwrap();
    assert_eq!(none, None);
}

#[tokio::test]
async fn only_the_earliest_records_of_a_huge_flow_are_read() {
    let fixture = Fixture::new().await;
    let at = |second: usize| {
        let timestamp = format!("2096-01-26T02:11:{second:02}Z");
        let context = json!({"correlation_id": "c"});
        record(
            "INFO",
            &json!({"timestamp": timestamp, "context": context, "message": second.to_string()}),
        )
    };
    let records: Vec<_> = (0..20).rev().map(at).collect();
    assert_eq!(fixture.store.insert(&records).await, all_stored(20));
    let found = fixture.store.flow(&["c"], &Document::new(), 3).await.unwrap();
    assert!(found.more);
    let messages: Vec<_> = found
        .documents
        .iter()
        .map(|document| document.get_str("message").unwrap().to_owned())
        .collect();
    assert_eq!(messages, ["0", "1", "2"]);
}

/// Runs `gatelog-collector trace` as a user does, with only the address in its environment.
async fn trace(fixture: &Fixture, arguments: &[&str]) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_gatelog-collector"))
        .arg("trace")
        .args(arguments)
        .env_clear()
        .env("MONGODB_URI", fixture.database.uri())
        .env("GATELOG_DATABASE", fixture.database.name())
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn the_command_prints_a_flow_or_says_that_there_is_none() {
    let fixture = Fixture::new().await;
    let context = json!({"correlation_id": "corr_456"});
    let records = [record("ERROR", &json!({"context": context, "message": "boom"}))];
    assert_eq!(fixture.store.insert(&records).await, all_stored(1));

    let plain = trace(&fixture, &["corr_456"]).await;
    assert!(plain.status.success(), "{plain:?}");
    assert_eq!(
        String::from_utf8(plain.stdout).unwrap(),
        "\
corr_456: 1 record, 1 error, 0.0 ms from 2096-01-26T02:11:57.469652+00:00
     +0.0 ms └─ ERROR  boom  [gateway.edge]  ✗
"
    );
    let coloured = trace(&fixture, &["--color", "always", "corr_456"]).await;
    assert!(String::from_utf8(coloured.stdout).unwrap().contains("\u{1b}[31mERROR\u{1b}[0m"));

    let none = trace(&fixture, &["other"]).await;
    assert_eq!((none.status.code(), none.stdout), (Some(1), vec![]));
    let told = String::from_utf8(none.stderr).unwrap();
    assert!(told.contains("has the correlation id or request id \"other\""), "{told}");
}

//! What a release of Envoy must do to be in the table of docs/support.md: load the module, assign ids,
//! leave records, deliver them. `make test-envoy ENVOY_VERSION=1.37.0` runs these on that release
//! (`GATELOG_ENVOY` is its program); `make test-e2e` on the pinned one.

use std::fs;

use axum::http::Method;
use gatelog_testkit::{EnvoyConfig, Gateway, GatewayOptions, checkout, eventually};

use crate::stored::{PATIENCE, at, exactly};

#[tokio::test]
async fn the_release_of_envoy_is_in_the_table_of_supported_ones() {
    let gateway = Gateway::start().await.unwrap();
    let version = gateway.envoy.version().await.unwrap();
    let table = fs::read_to_string(checkout().join("docs/support.md")).unwrap();
    assert!(
        table.contains(&format!("\n| {version} |")),
        "docs/support.md has no row for {version}"
    );
}

#[tokio::test]
async fn every_configuration_for_plain_envoy_loads_and_its_stats_exist() {
    for file in ["envoy/envoy.yaml", "envoy/container.yaml", "envoy/jwt.yaml"] {
        let mut shipped = EnvoyConfig::file(file).unwrap();
        let mut options = GatewayOptions::shipped().unwrap();
        // Its filter chain, in front of the harness's clusters.
        *options.envoy.config.http_filter("gatelog").unwrap() =
            shipped.http_filter("gatelog").unwrap().clone();
        let manager = shipped.connection_manager().unwrap().clone();
        for part in ["early_header_mutation_extensions", "request_id_extension", "access_log"] {
            options.envoy.config.connection_manager().unwrap()[part] = manager[part].clone();
        }
        let token = ("GATELOG_TOKEN".to_owned(), "a-token-of-more-than-16".to_owned());
        options.envoy.environment = vec![token];
        let gateway = Gateway::start_with(options).await.unwrap();
        let stats = gateway.envoy.stats("wasmcustom.gatelog.records_delivered").await.unwrap();
        assert_eq!(stats.values().sum::<u64>(), 0, "{file}");
        assert_eq!(stats.len(), 1, "{file}: {stats:?}");
        assert_eq!(gateway.get("/healthz", &[]).await.unwrap().status, 200, "{file}");
    }
}

#[tokio::test]
async fn the_ids_are_on_the_response_in_the_record_and_on_stdout() {
    let gateway = Gateway::start().await.unwrap();
    let chosen = [("x-request-id", "mine"), ("x-correlation-id", "corr_456")];
    let reply = gateway.get("/api/v1/messages", &chosen).await.unwrap();
    assert_eq!(reply.header("x-correlation-id"), "corr_456");
    let request_id = reply.header("x-request-id").to_owned();
    assert_eq!(request_id.len(), 36, "{request_id}");
    let record = &exactly(&gateway.database, "info_logs", 1).await.unwrap()[0];
    assert_eq!(at(record, "/context/request_id"), request_id.as_str(), "{record:#}");
    assert_eq!(at(record, "/context/client_request_id"), "mine", "{record:#}");
    let journal = gateway.envoy.journal();
    eventually("the line is on stdout", PATIENCE, async || {
        let records = journal.records()?;
        anyhow::ensure!(records.len() == 1, "{} records", records.len());
        anyhow::ensure!(records[0]["context"]["request_id"] == request_id.as_str());
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn each_outcome_leaves_a_record_of_its_level() {
    let gateway = Gateway::start().await.unwrap();
    for (method, path, status) in [
        (Method::GET, "/api/v1/messages", 200),
        (Method::POST, "/api/v1/messages", 201),
        (Method::GET, "/nowhere", 404),
        (Method::GET, "/api/v1/conversations/c/summary", 500),
        (Method::GET, "/api/v1/reports/daily", 503),
    ] {
        assert_eq!(
            gateway.send(method, path, &[]).await.unwrap().status.as_u16(),
            status,
            "{path}"
        );
    }
    for (collection, records) in [
        ("info_logs", 2),
        ("warning_logs", 1),
        ("error_logs", 1),
        ("critical_logs", 1),
        ("audit_logs", 1),
    ] {
        let stored = exactly(&gateway.database, collection, records).await.unwrap();
        for record in &stored {
            assert_ne!(*at(record, "/trace/execution_time_ms"), serde_json::Value::Null);
            assert_eq!(at(record, "/source/gateway"), "gateway-1");
        }
    }
    let failed = &exactly(&gateway.database, "error_logs", 1).await.unwrap()[0];
    assert_eq!(at(failed, "/http/route"), "conversations", "{failed:#}");
    assert_eq!(at(failed, "/http/cluster"), "conversations", "{failed:#}");
    assert_eq!(at(failed, "/http/attempts"), 1, "{failed:#}");
    assert_ne!(*at(failed, "/trace/upstream_ms"), serde_json::Value::Null, "{failed:#}");
    assert_eq!(gateway.envoy.reloads().await.unwrap(), 0);
}

#[tokio::test]
async fn records_made_while_the_collector_is_away_are_delivered_when_it_is_back() {
    let mut gateway = Gateway::start().await.unwrap();
    gateway.collector.kill().unwrap();
    for _ in 0..5 {
        assert_eq!(gateway.get("/api/v1/messages", &[]).await.unwrap().status, 200);
    }
    gateway.collector.restart().await.unwrap();
    exactly(&gateway.database, "info_logs", 5).await.unwrap();
    eventually("the filter knows that they arrived", PATIENCE, async || {
        let stats = gateway.envoy.stats("wasmcustom.gatelog.records_delivered").await?;
        anyhow::ensure!(stats.values().sum::<u64>() == 5, "{stats:?}");
        Ok(())
    })
    .await
    .unwrap();
}

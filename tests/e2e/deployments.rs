//! The other files under `envoy/` for plain Envoy: each is started for its purpose.

use std::net::SocketAddr;

use axum::http::Method;
use gatelog_testkit::{
    Client, Collector, CollectorOptions, Database, Envoy, EnvoyConfig, EnvoyOptions, FaultProxy,
    Gateway, GatewayOptions, SampleService, unreachable_address,
};
use serde_json::json;
use tempfile::TempDir;

use crate::stored::{at, exactly};

#[tokio::test]
async fn the_minimal_filter_entry_is_enough() {
    let mut options = GatewayOptions::shipped().unwrap();
    let mut entry = EnvoyConfig::file("envoy/filter.yaml").unwrap();
    *options.envoy.config.http_filter("gatelog").unwrap() = entry.at("").unwrap().clone();
    let gateway = Gateway::start_with(options).await.unwrap();
    gateway.get("/api/v1/messages", &[]).await.unwrap();
    exactly(&gateway.database, "info_logs", 1).await.unwrap();
}

/// A collector that accepts only batches with this token.
async fn guarded(database: &Database, directory: &TempDir, token: &str) -> Collector {
    let tokens = directory.path().join("tokens");
    std::fs::write(&tokens, format!("another-token-beside-it\n{token}\n")).unwrap();
    let tokens = tokens.to_str().unwrap().to_owned();
    let environment = vec![("GATELOG_TOKENS_FILE".to_owned(), tokens)];
    Collector::start(database, CollectorOptions { environment }).await.unwrap()
}

#[tokio::test]
async fn the_containers_configuration_delivers_with_the_token_of_its_environment() {
    const TOKEN: &str = "a-token-of-more-than-16";
    let service = SampleService::echo().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let database = Database::fresh().await.unwrap();
    let collector = guarded(&database, &directory, TOKEN).await;

    let mut config = EnvoyConfig::file("envoy/container.yaml").unwrap();
    config.cluster_at("service", service.address()).unwrap();
    config.cluster_at("gatelog_collector", collector.address()).unwrap();
    config.built_filter().unwrap();
    *config.at("/static_resources/listeners/1/address/socket_address/port_value").unwrap() =
        json!(0);
    // The admin interface's port is known once it listens.
    let (nowhere, _socket) = unreachable_address().unwrap();
    let admin = FaultProxy::start(nowhere).await.unwrap();
    config.cluster_at("admin", admin.address()).unwrap();
    let mut options = EnvoyOptions::new(config);
    options.environment = vec![("GATELOG_TOKEN".to_owned(), TOKEN.to_owned())];
    options.arguments = vec!["--service-node".to_owned(), "pod-7".to_owned()];
    let envoy = Envoy::start(options).await.unwrap();
    admin.lead_to(envoy.admin());
    let client = Client::default();
    client.get(envoy.address(), "/hello").await.unwrap();
    let stored = &exactly(&database, "info_logs", 1).await.unwrap()[0];
    assert_eq!(at(stored, "/source/gateway"), "pod-7", "{stored:#}");

    // Scrapes get the metrics; nothing else of the admin interface is reachable.
    let stats = envoy.address_of("stats").await.unwrap();
    let stats = SocketAddr::from(([127, 0, 0, 1], stats.port()));
    let scraped = client.get(stats, "/stats/prometheus").await.unwrap();
    assert_eq!(scraped.status, 200);
    for metric in ["gatelog_records_created_info{} 1", "envoy_wasm_gatelog_vm_reload_success{} 0"] {
        assert!(scraped.text().contains(metric), "no {metric}");
    }
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/config_dump"),
        (Method::GET, "/stats/prometheus/../../config_dump"),
        (Method::POST, "/stats/prometheus"),
        (Method::POST, "/quitquitquit"),
    ] {
        let reply = client.send(stats, method.clone(), path, &[], "").await.unwrap();
        assert_eq!(reply.status, 404, "{method} {path}");
    }
    exactly(&database, "info_logs", 1).await.unwrap();
    exactly(&database, "warning_logs", 0).await.unwrap();
}

#[tokio::test]
async fn the_token_settings_that_the_files_suggest_are_enough() {
    const TOKEN: &str = "a-token-of-more-than-16";
    for file in ["envoy/envoy.yaml", "envoy/jwt.yaml", "envoy/filter.yaml"] {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::fresh().await.unwrap();
        let collector = guarded(&database, &directory, TOKEN).await;
        let mut options = GatewayOptions::shipped().unwrap();
        let mut shipped = EnvoyConfig::file(file).unwrap();
        let entry = match file {
            "envoy/filter.yaml" => shipped.at("").unwrap().clone(),
            _ => shipped.http_filter("gatelog").unwrap().clone(),
        };
        let config = &mut options.envoy.config;
        *config.http_filter("gatelog").unwrap() = entry;
        config.filter_options(&[("/delivery/token", json!("${GATELOG_TOKEN}"))]).unwrap();
        options.envoy.environment = vec![("GATELOG_TOKEN".to_owned(), TOKEN.to_owned())];
        options.collector_via = Some(FaultProxy::start(collector.address()).await.unwrap());
        let gateway = Gateway::start_with(options).await.unwrap();
        gateway.collector_via.as_ref().unwrap().lead_to(collector.address());
        gateway.get("/api/v1/messages", &[]).await.unwrap();
        exactly(&database, "info_logs", 1).await.unwrap();
    }
}

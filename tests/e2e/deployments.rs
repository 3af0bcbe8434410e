//! The other files under `envoy/` for plain Envoy: each is started for its purpose.

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::time::Duration;

use axum::http::Method;
use axum::{Json, Router};
use gatelog_testkit::{
    Client, Collector, CollectorOptions, Database, Envoy, EnvoyConfig, EnvoyOptions, FaultProxy,
    Gateway, GatewayOptions, SampleService, checkout, unreachable_address,
};
use serde_json::{Value, json};
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

/// A key set that an identity provider would publish. The key signs `TOKEN`, and nothing else.
fn keys() -> Value {
    json!({ "keys": [{ "kty": "oct", "alg": "HS256", "kid": "test",
                       "k": "YSBrZXkgZm9yIHRlc3RzLCBrbm93biB0byBldmVyeWJvZHk" }] })
}

/// HS256 of `{"iss":"https://identity.example.com","aud":"gateway","sub":"user_42",
/// "org_id":"org_123","exp":4102444800}`: valid until the year 2100.
const TOKEN: &str = concat!(
    "eyJhbGciOiAiSFMyNTYiLCAia2lkIjogInRlc3QiLCAidHlwIjogIkpXVCJ9.",
    "eyJpc3MiOiAiaHR0cHM6Ly9pZGVudGl0eS5leGFtcGxlLmNvbSIsICJhdWQiOiAiZ2F0ZXdheSIsICJzdWIiOiAidXNlcl80MiIsICJvcmdfaWQiOiAib3JnXzEyMyIsICJleHAiOiA0MTAyNDQ0ODAwfQ.",
    "lfkhV4kOaK0IW46EXqTEae3WjrRhWW9V-LaIo1a2NuE"
);

#[tokio::test]
async fn with_jwt_authn_the_tenant_is_the_tokens_and_never_the_clients() {
    let service = SampleService::echo().await.unwrap();
    let published = Router::new().fallback(async || Json(keys()));
    let provider = SampleService::serve(published).await.unwrap();
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let mut config = EnvoyConfig::file("envoy/jwt.yaml").unwrap();
    config.cluster_at("conversations", service.address()).unwrap();
    config.cluster_at("identity_provider", provider.address()).unwrap();
    config.cluster_at("gatelog_collector", collector.address()).unwrap();
    config.built_filter().unwrap();
    let envoy = Envoy::start(EnvoyOptions::new(config)).await.unwrap();

    let forged: [(&str, &[u8]); 2] =
        [("x-organization-id", b"org_of_others"), ("x-user-id", b"root")];
    let path = "/api/v1/conversations/conv_1";
    let client = Client::default();
    let get = async |headers: &[(&str, &[u8])]| {
        client.send(envoy.address(), Method::GET, path, headers, "").await.unwrap()
    };

    let authorization = format!("Bearer {TOKEN}");
    // Services that follow CGI would read this name as `x-organization-id`.
    let twin: (&str, &[u8]) = ("x_organization_id", b"org_of_others");
    let with_token = [forged[0], forged[1], twin, ("authorization", authorization.as_bytes())];
    let reply = get(&with_token).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = reply.json().unwrap();
    assert_eq!(
        (&seen["x-organization-id"], &seen["x-user-id"]),
        (&json!("org_123"), &json!("user_42"))
    );
    assert_eq!(seen.get(twin.0), None, "{seen:#}");
    let stored = &exactly(&database, "info_logs", 1).await.unwrap()[0];
    assert_eq!(at(stored, "/context/organization_id"), "org_123", "{stored:#}");
    assert_eq!(at(stored, "/context/user_id"), "user_42", "{stored:#}");
    assert_eq!(at(stored, "/context/conversation_id"), "conv_1", "{stored:#}");

    let refused = get(&forged).await;
    assert_eq!(refused.status, 401);
    assert!(!refused.header("x-request-id").is_empty());
    let stored = &exactly(&database, "warning_logs", 1).await.unwrap()[0];
    assert_eq!(at(stored, "/context/organization_id"), &Value::Null, "{stored:#}");
    assert_eq!(at(stored, "/context/request_id"), refused.header("x-request-id"));
    exactly(&database, "audit_logs", 1).await.unwrap();
}

/// Runs the recipe, off the test's own thread: the services it waits for run there.
async fn drain(gateway: &Gateway, seconds: &str, quiet: &str) -> Output {
    let mut recipe = Command::new(checkout().join("envoy/drain.sh"));
    recipe.args([gateway.envoy.admin().to_string().as_str(), seconds, quiet]);
    tokio::task::spawn_blocking(move || recipe.output().unwrap()).await.unwrap()
}

#[tokio::test]
async fn after_the_drain_recipe_no_record_is_missing() {
    let mut options = GatewayOptions::shipped().unwrap();
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
    let mut gateway = Gateway::start().await.unwrap();
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

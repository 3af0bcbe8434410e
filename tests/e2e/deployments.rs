//! The other files under `envoy/`: each is read as what it is for, and Envoy's own are started.

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::time::Duration;

use axum::http::Method;
use axum::{Json, Router};
use gatelog_testkit::{
    Client, Collector, CollectorOptions, Database, Envoy, EnvoyConfig, EnvoyOptions, Gateway,
    GatewayOptions, SampleService, checkout, yaml_documents,
};
use serde_json::{Value, json};

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

#[tokio::test]
async fn the_containers_configuration_delivers_with_the_token_of_its_environment() {
    const TOKEN: &str = "a-token-of-more-than-16";
    let service = SampleService::echo().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let tokens = directory.path().join("tokens");
    std::fs::write(&tokens, format!("another-token-beside-it\n{TOKEN}\n")).unwrap();
    let tokens = tokens.to_str().unwrap().to_owned();
    let environment = vec![("GATELOG_TOKENS_FILE".to_owned(), tokens)];
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions { environment }).await.unwrap();

    let mut config = EnvoyConfig::file("envoy/container.yaml").unwrap();
    config.cluster_at("service", service.address()).unwrap();
    config.cluster_at("gatelog_collector", collector.address()).unwrap();
    config.built_filter().unwrap();
    let mut options = EnvoyOptions::new(config);
    options.environment = vec![("GATELOG_TOKEN".to_owned(), TOKEN.to_owned())];
    options.arguments = vec!["--service-node".to_owned(), "pod-7".to_owned()];
    let envoy = Envoy::start(options).await.unwrap();
    Client::default().get(envoy.address(), "/hello").await.unwrap();
    let stored = &exactly(&database, "info_logs", 1).await.unwrap()[0];
    assert_eq!(at(stored, "/source/gateway"), "pod-7", "{stored:#}");
}

/// A key set that an identity provider would publish. The key signs `TOKEN`, and nothing else.
fn keys() -> Value {
    json!({ "keys": [{ "kty": "oct", "alg": "HS256", "kid": "test",
                       "k": "YSBrZXkgZm9yIHRlc3RzLCBrbm93biB0byBldmVyeWJvZHk" }] })
}

/// HS256 of `{"iss":"https://identity.example.com","aud":"gateway","sub":"user_42",
/// "org_id":"org_123","exp":4102444800}`: good until the year 2100.
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
    let with_token = [forged[0], forged[1], ("authorization", authorization.as_bytes())];
    let reply = get(&with_token).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = reply.json().unwrap();
    assert_eq!(
        (&seen["x-organization-id"], &seen["x-user-id"]),
        (&json!("org_123"), &json!("user_42"))
    );
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
    // So slow that the records are still queued when the recipe starts.
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

fn kinds(documents: &[Value]) -> BTreeSet<&str> {
    documents.iter().map(|document| document["kind"].as_str().unwrap()).collect()
}

/// Starts Envoy with the settings that another control plane would hand to the filter.
async fn accepted(settings: &Value) {
    let mut options = GatewayOptions::shipped().unwrap();
    let mut settings = settings.clone();
    settings["delivery"]["cluster"] = json!("gatelog_collector");
    *options.envoy.config.filter_text().unwrap() = settings.to_string().into();
    let gateway = Gateway::start_with(options).await.unwrap();
    gateway.get("/api/v1/messages", &[]).await.unwrap();
    exactly(&gateway.database, "info_logs", 1).await.unwrap();
}

#[tokio::test]
async fn the_settings_for_istio_are_ones_that_the_filter_takes() {
    let documents = yaml_documents("envoy/istio.yaml").unwrap();
    assert_eq!(kinds(&documents), BTreeSet::from(["Telemetry", "WasmPlugin"]));
    let plugin = &documents[0]["spec"];
    assert_eq!(plugin["failStrategy"], "FAIL_RELOAD");
    accepted(&plugin["pluginConfig"]).await;
}

#[tokio::test]
async fn the_settings_for_envoy_gateway_are_ones_that_the_filter_takes() {
    let documents = yaml_documents("envoy/envoy-gateway.yaml").unwrap();
    let expected = BTreeSet::from(["ClientTrafficPolicy", "EnvoyExtensionPolicy", "EnvoyProxy"]);
    assert_eq!(kinds(&documents), expected);
    let wasm = &documents[0]["spec"]["wasm"][0];
    let bootstrap = documents[2]["spec"]["bootstrap"]["value"].as_str().unwrap();
    let cluster = wasm["config"]["delivery"]["cluster"].as_str().unwrap();
    assert!(bootstrap.contains(&format!("cluster_name: {cluster}")), "{bootstrap}");
    accepted(&wasm["config"]).await;
}

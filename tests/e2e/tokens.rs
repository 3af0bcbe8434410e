//! Tenants from verified tokens, as `envoy/jwt.yaml` has them.

use axum::http::Method;
use axum::{Json, Router};
use gatelog_testkit::{
    Client, Collector, CollectorOptions, Database, Envoy, EnvoyConfig, EnvoyOptions, SampleService,
    Shell, checkout,
};
use serde_json::{Value, json};

use crate::SHELL;
use crate::stored::{at, exactly};

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

/// The filter on the page that gives the module the verified claims.
fn documented_claims() -> Value {
    let page = std::fs::read_to_string(checkout().join("docs/module.md")).unwrap();
    let section = page.split("\n### Claims of verified tokens\n").nth(1).unwrap();
    let snippet = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let filters: Value = serde_saphyr::from_str(snippet).unwrap();
    filters[0].clone()
}

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
    config.run_by(SHELL).unwrap();
    if SHELL == Shell::Module {
        let filters = config.http_filters().unwrap();
        let after = |filter: &Value| filter["name"] == "envoy.filters.http.jwt_authn";
        let place = filters.iter().position(after).unwrap();
        filters.insert(place + 1, documented_claims());
    }
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

//! Chains of filters with and without gatelog: the same upstream, headers, status and body.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::response::IntoResponse;
use axum::routing::any;
use gatelog_testkit::{Client, EnvoyOptions, Reply, SampleService, Shell};
use http_body_util::{BodyExt, Collected};
use serde_json::{Value, json};

use crate::rig::Rig;
use crate::shell::SHELL;

/// Headers that differ by design, or from one request to the next.
const OWN: [&str; 5] = [
    "x-request-id",
    "x-correlation-id",
    "date",
    "x-envoy-upstream-service-time",
    "x-client-request-id",
];

/// Headers that also differ where the gateway's own span is propagated.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];

fn is_own(name: &str, propagate: bool) -> bool {
    OWN.contains(&name) || (propagate && TRACE.contains(&name))
}

/// A service that answers with its name and everything it received.
async fn mirror(name: &'static str, propagate: bool) -> SampleService {
    let app = Router::new().fallback(any(async move |request: Request| {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        let mut headers: Vec<_> =
            head.headers.iter().filter(|(name, _)| !is_own(name.as_str(), propagate)).collect();
        headers.sort_by(|a, b| (a.0.as_str(), a.1.as_bytes()).cmp(&(b.0.as_str(), b.1.as_bytes())));
        format!("{name}: {} {} {headers:?} {body:?}", head.method, head.uri)
    }));
    SampleService::serve(app).await.unwrap()
}

/// An authorization service that allows everything and adds the header that routes match on.
async fn authorization() -> SampleService {
    let app = Router::new().fallback(any(async || ([("x-route", "other")], "").into_response()));
    SampleService::serve(app).await.unwrap()
}

/// HS256 of `{"iss":"https://identity.example.com","aud":"gateway","sub":"user_42",
/// "org_id":"org_123","exp":4102444800}`, by the key below.
const TOKEN: &str = concat!(
    "Bearer eyJhbGciOiAiSFMyNTYiLCAia2lkIjogInRlc3QiLCAidHlwIjogIkpXVCJ9.",
    "eyJpc3MiOiAiaHR0cHM6Ly9pZGVudGl0eS5leGFtcGxlLmNvbSIsICJhdWQiOiAiZ2F0ZXdheSIsICJzdWIiOiAidXNlcl80MiIsICJvcmdfaWQiOiAib3JnXzEyMyIsICJleHAiOiA0MTAyNDQ0ODAwfQ.",
    "lfkhV4kOaK0IW46EXqTEae3WjrRhWW9V-LaIo1a2NuE"
);

fn filter(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.http.{kind}"));
    json!({"name": format!("envoy.filters.http.{name}"), "typed_config": config})
}

/// Makes Envoy select the route right after gatelog.
fn route_keeper() -> Value {
    let mut keeper = filter("cors", "cors.v3.Cors", json!({}));
    keeper["name"] = json!("gatelog.route");
    keeper
}

fn header_mutation() -> Value {
    let append = json!({"append": {"header": {"key": "x-route", "value": "other"}}});
    let config = json!({"mutations": {"request_mutations": [append]}});
    filter("header_mutation", "header_mutation.v3.HeaderMutation", config)
}

fn jwt_authn() -> Value {
    let keys = json!({"keys": [{"kty": "oct", "alg": "HS256", "kid": "test",
                                "k": "YSBrZXkgZm9yIHRlc3RzLCBrbm93biB0byBldmVyeWJvZHk"}]});
    let config = json!({
        "providers": {"provider": {
            "issuer": "https://identity.example.com", "audiences": ["gateway"],
            "claim_to_headers": [{"header_name": "x-organization", "claim_name": "org_id"}],
            "local_jwks": {"inline_string": keys.to_string()},
        }},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "provider"}}],
    });
    filter("jwt_authn", "jwt_authn.v3.JwtAuthentication", config)
}

fn ext_authz() -> Value {
    let config = json!({"http_service": {
        "server_uri": {"uri": "http://authorization", "cluster": "authorization", "timeout": "2s"},
        "authorization_response": {"allowed_upstream_headers": {"patterns": [{"exact": "x-route"}]}},
    }});
    filter("ext_authz", "ext_authz.v3.ExtAuthz", config)
}

fn rbac() -> Value {
    let denied = json!({"header": {"name": "x-denied", "present_match": true}});
    let policy = json!({"permissions": [denied], "principals": [{"any": true}]});
    let config = json!({"rules": {"action": "DENY", "policies": {"denied": policy}}});
    filter("rbac", "rbac.v3.RBAC", config)
}

fn cors() -> Value {
    filter("cors", "cors.v3.Cors", json!({}))
}

/// A request with a different result with gatelog than without it.
#[derive(Debug)]
#[allow(dead_code, reason = "shown by a test that fails")]
struct Difference {
    chain: &'static str,
    sent: Sent,
    with: String,
    without: String,
}

/// A chain: the filters before and after gatelog.
#[derive(Clone)]
struct Chain {
    name: &'static str,
    /// Whether every request gets a `traceparent`.
    propagate: bool,
    before: Vec<Value>,
    behind: Vec<Value>,
}

impl Chain {
    /// The requests whose result differs with and without gatelog.
    async fn differences(self) -> Vec<Difference> {
        let propagate = self.propagate;
        let (first, other) = (mirror("first", propagate).await, mirror("other", propagate).await);
        let authorization = authorization().await;
        let addresses = [first.address(), other.address(), authorization.address()];
        let name = self.name;
        let options = [("/trace/propagate", json!(propagate))];
        let rig = Rig::start_with(&options, |envoy| self.install(envoy, addresses)).await.unwrap();
        let bare = rig.envoy.address_of("bare").await.unwrap();
        let mut differences = Vec::new();
        for sent in requests() {
            let with = exchange(rig.address(), &sent).await;
            let without = exchange(bare, &sent).await;
            if with != without {
                differences.push(Difference { chain: name, sent, with, without });
            }
        }
        assert_eq!(rig.envoy.reloads().await.unwrap(), 0);
        differences
    }

    fn install(self, options: &mut EnvoyOptions, addresses: [SocketAddr; 3]) -> anyhow::Result<()> {
        let config = &mut options.config;
        let [first, other, authorization] = addresses;
        for (name, address) in
            [("first", first), ("other", other), ("authorization", authorization)]
        {
            config.add_cluster(name, address)?;
        }
        let by_header = |name: &str, value: &str| {
            let header = json!({"name": name, "string_match": {"exact": value}});
            json!({"match": {"prefix": "/", "headers": [header]}, "route": {"cluster": "other"}})
        };
        *config.routes()? = vec![
            by_header("x-route", "other"),
            by_header("x-organization", "org_123"),
            json!({"match": {"prefix": "/"}, "route": {"cluster": "first"}}),
        ];
        let host = &mut config.connection_manager()?["route_config"]["virtual_hosts"][0];
        host["typed_per_filter_config"]["envoy.filters.http.cors"] = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
            "allow_origin_string_match": [{"exact": "https://pages.example.com"}],
            "allow_methods": "GET, POST", "allow_headers": "x-any", "expose_headers": "etag",
        });
        let gatelog = config.http_filter("gatelog")?.clone();
        let router = config.http_filter("envoy.filters.http.router")?.clone();
        let others = [self.before.clone(), self.behind.clone()].concat();
        *config.http_filters()? = [vec![gatelog.clone()], others, vec![router.clone()]].concat();
        config.add_bare_listener("bare")?;
        *config.http_filters()? = [self.before, vec![gatelog], self.behind, vec![router]].concat();
        Ok(())
    }
}

/// Method, headers and body of each request.
type Sent = (Method, Vec<(&'static str, &'static str)>, &'static str);

fn requests() -> Vec<Sent> {
    const IDS: [(&str, &str); 2] = [("x-request-id", "r-1"), ("x-correlation-id", "c-1")];
    let origin = ("origin", "https://pages.example.com");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut requests = Vec::new();
    for ids in [
        vec![],
        IDS.to_vec(),
        vec![IDS[0]],
        vec![IDS[1]],
        vec![("x-request-id", "not valid"), ("x-correlation-id", "not valid")],
        vec![IDS[1], IDS[1]],
        vec![("traceparent", trace)],
    ] {
        for (method, headers, body) in [
            (Method::GET, vec![], ""),
            (Method::POST, vec![("content-type", "text/plain")], "a body"),
            (Method::GET, vec![("x-route", "other")], ""),
            (Method::GET, vec![("x-denied", "1")], ""),
            (Method::GET, vec![origin], ""),
            (Method::OPTIONS, vec![origin, ("access-control-request-method", "POST")], ""),
            (Method::GET, vec![("x-organization-id", "org_1"), ("user-agent", "Envoy/HC")], ""),
        ] {
            requests.push((method.clone(), [ids.clone(), headers.clone()].concat(), body));
            let token = vec![("authorization", TOKEN)];
            requests.push((method, [ids.clone(), headers, token].concat(), body));
        }
    }
    requests
}

async fn exchange(address: SocketAddr, (method, headers, body): &Sent) -> String {
    let mut sent: Vec<(&str, &[u8])> = vec![("host", b"gateway")];
    sent.extend(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
    let path = "/a/path?with=query";
    let reply = Client::default().send(address, method.clone(), path, &sent, *body).await.unwrap();
    comparable(&reply)
}

fn comparable(reply: &Reply) -> String {
    let mut headers: Vec<_> =
        reply.headers.iter().filter(|(name, _)| !OWN.contains(&name.as_str())).collect();
    headers.sort_by(|a, b| (a.0.as_str(), a.1.as_bytes()).cmp(&(b.0.as_str(), b.1.as_bytes())));
    format!("{} {headers:?} {}", reply.status, reply.text())
}

#[tokio::test]
async fn a_leading_gatelog_with_its_route_keeper_changes_no_request() {
    let kept = |name, behind: Vec<Value>| Chain {
        name,
        propagate: false,
        before: vec![],
        behind: [vec![route_keeper()], behind].concat(),
    };
    for chain in [
        kept("header_mutation", vec![header_mutation()]),
        kept("jwt_authn", vec![jwt_authn()]),
        kept("ext_authz", vec![ext_authz()]),
        kept("rbac", vec![rbac()]),
        kept("cors", vec![cors()]),
        kept("all", vec![cors(), jwt_authn(), ext_authz(), rbac(), header_mutation()]),
    ] {
        for propagate in [false, true] {
            let differences = Chain { propagate, ..chain.clone() }.differences().await;
            assert!(differences.is_empty(), "propagate {propagate}: {differences:#?}");
        }
    }
}

#[tokio::test]
async fn no_later_filter_that_asks_for_the_route_before_it_adds_headers_needs_the_route_keeper() {
    for (name, behind) in [
        ("rbac", vec![rbac()]),
        ("cors", vec![cors(), rbac()]),
        ("jwt_authn", vec![jwt_authn()]),
        ("ext_authz", vec![ext_authz()]),
    ] {
        for propagate in [false, true] {
            let chain = Chain { name, propagate, before: vec![], behind: behind.clone() };
            let differences = chain.differences().await;
            assert!(differences.is_empty(), "propagate {propagate}: {differences:#?}");
        }
    }
}

/// Checks on a real Envoy what docs/configuration.md says about route selection.
#[tokio::test]
async fn without_the_route_keeper_only_a_request_without_ids_may_go_another_way() {
    for (name, before, behind) in [
        ("header_mutation", vec![], vec![header_mutation()]),
        ("gatelog behind header_mutation", vec![header_mutation()], vec![]),
        ("gatelog and keeper behind", vec![header_mutation()], vec![route_keeper()]),
    ] {
        let differences = Chain { name, propagate: false, before, behind }.differences().await;
        if SHELL == Shell::Module {
            // A module's changes to headers do not make Envoy select the route again.
            assert!(differences.is_empty(), "{differences:#?}");
            continue;
        }
        assert!(!differences.is_empty(), "{name}: Envoy keeps its choice now: say so in the docs");
        for difference in differences {
            let (_, headers, _) = &difference.sent;
            let flow: Vec<_> =
                headers.iter().filter(|(name, _)| *name == "x-correlation-id").collect();
            assert_ne!(
                flow,
                [&("x-correlation-id", "c-1")],
                "nothing was written: {difference:#?}"
            );
            assert!(difference.with.contains("other: "), "{difference:#?}");
            assert!(difference.without.contains("first: "), "{difference:#?}");
        }
    }
}

/// As every request is written to, none is safe without the route keeper.
#[tokio::test]
async fn with_a_propagated_trace_a_request_with_both_ids_may_go_another_way_too() {
    let chain = Chain {
        name: "header_mutation",
        propagate: true,
        before: vec![],
        behind: vec![header_mutation()],
    };
    let differences = chain.differences().await;
    if SHELL == Shell::Module {
        // A module's changes to headers do not make Envoy select the route again.
        assert!(differences.is_empty(), "{differences:#?}");
        return;
    }
    let with_ids = |difference: &&Difference| {
        let (_, headers, _) = &difference.sent;
        ["x-request-id", "x-correlation-id"]
            .iter()
            .all(|name| headers.iter().filter(|(own, _)| own == name).count() == 1)
    };
    assert!(differences.iter().any(|difference| with_ids(&difference)), "{differences:#?}");
}

#[tokio::test]
async fn a_route_that_matches_on_an_id_header_sees_the_id_of_the_record() {
    const ROUTED: u16 = 418;
    let matching = |options: &mut EnvoyOptions, condition: Value| -> anyhow::Result<()> {
        let mut header = json!({"name": "x-correlation-id"});
        header.as_object_mut().unwrap().extend(condition.as_object().unwrap().clone());
        let route = json!({"match": {"prefix": "/", "headers": [header]},
                           "direct_response": {"status": ROUTED}});
        options.config.routes()?.insert(0, route);
        Ok(())
    };
    // With a module, Envoy selects the route by what the client sent: it was selected before.
    let by_the_record = if SHELL == Shell::Wasm { 200 } else { ROUTED };
    let by_the_client = if SHELL == Shell::Wasm { ROUTED } else { 200 };
    let own = ("x-correlation-id", "route-me");
    let begins = json!({"string_match": {"prefix": "route-me"}});
    let adopted = Rig::start_with(&[], |envoy| matching(envoy, begins.clone())).await.unwrap();
    assert_eq!(adopted.get("/raw/ok", &[own]).await.status, ROUTED);
    let ambiguous = adopted.get("/raw/ok", &[own, own]).await;
    assert_eq!(ambiguous.status, by_the_record, "ambiguous: replaced");
    let never = [("/correlation_id/trust", json!("never"))];
    let replaced = Rig::start_with(&never, |envoy| matching(envoy, begins)).await.unwrap();
    let untrusted = replaced.get("/raw/ok", &[own]).await;
    assert_eq!(untrusted.status, by_the_record, "not trusted: replaced");
    let any = |envoy: &mut EnvoyOptions| matching(envoy, json!({"present_match": true}));
    let generated = Rig::start_with(&[], any).await.unwrap();
    let written = generated.get("/raw/ok", &[]).await;
    assert_eq!(written.status, by_the_client, "one that the filter wrote");
}

use std::fs;
use std::net::SocketAddr;

use axum::body::to_bytes;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode};
use gatelog_collector::store::StoreOptions;
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::who::Tokens;

const ALL: &str = "all-0123456789abcdef";
const ONE: &str = "one-0123456789abcdef";

/// A console whose database nobody can reach.
async fn console() -> Router {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens");
    let lines = format!("{ALL} name=on-call all\n{ONE} name=one organizations=a\n");
    fs::write(&file, lines).unwrap();
    let mut options = StoreOptions::new("mongodb://127.0.0.1:1/", "gatelog");
    options.server_selection_timeout = Duration::from_millis(50);
    let metrics = Metrics::new();
    let limits = Limits {
        query_time: Duration::from_secs(1),
        queries: 2,
        viewer_queries: 2,
        tails: 1,
        viewer_tails: 1,
        export_records: 10,
        silent_after: Duration::from_mins(5),
    };
    let tokens = Tokens::from_file(&file).unwrap();
    let who = Who::new(Some(tokens), None, None, Duration::from_hours(1));
    let store = Store::connect(&options).await.unwrap();
    let tails = Tails::new(&[], metrics.clone()).unwrap();
    let views = Views::new(&store, Some("gatelog_console"));
    let sources = Sources { store, tails, views };
    app(App::new(sources, who, Audit::to_log(metrics.clone()), metrics, limits, false))
}

async fn ask(
    console: &Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::from(body.to_owned())).unwrap();
    let from: SocketAddr = "192.0.2.1:7".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(from));
    let response = console.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = to_bytes(body, 16 << 20).await.unwrap();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn get(console: &Router, path: &str, token: &str) -> (StatusCode, Value) {
    let bearer = format!("Bearer {token}");
    let headers: &[(&str, &str)] = &[("authorization", &bearer)];
    let headers = if token.is_empty() { &[] } else { headers };
    let (status, _, body) = ask(console, Method::GET, path, headers, "").await;
    (status, serde_json::from_str(&body).unwrap_or_default())
}

#[tokio::test]
async fn every_answer_has_the_headers_that_keep_others_out() {
    let console = console().await;
    for path in [
        "/",
        "/search",
        "/flow/x%2Fy",
        "/assets/app.js",
        "/assets/none",
        "/nowhere",
        "/healthz",
        "/metrics",
        "/api/v1/session",
        "/api/v1/nowhere",
        "/api/v1/search?query=",
    ] {
        let (_, headers, _) = ask(&console, Method::GET, path, &[], "").await;
        for (name, begin) in [
            ("content-security-policy", "default-src 'none'; script-src 'self'; style-src 'self';"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-"),
        ] {
            let value = headers.get(name).unwrap_or_else(|| panic!("{path} {name}"));
            assert!(value.to_str().unwrap().starts_with(begin), "{path} {name}: {value:?}");
        }
    }
}

#[tokio::test]
async fn nobody_unknown_is_answered_by_any_endpoint() {
    let console = console().await;
    for path in [
        "session",
        "search",
        "records/info/01a20c77-f456-712b-883b-d7d78b41ea9e",
        "flows/x",
        "histogram",
        "overview",
        "delivery",
        "export",
        "tail",
        "views",
    ] {
        let path = format!("/api/v1/{path}");
        let (status, body) = get(&console, &path, "").await;
        assert_eq!((status.as_u16(), &body["error"]["message"]), (401, &json!("sign in first")));
    }
    assert_eq!(get(&console, "/api/v1/session", "wrong-0123456789abcdef").await.0, 401);
}

#[tokio::test]
async fn a_session_begins_with_a_token_and_ends_with_a_sign_out() {
    let console = console().await;
    let json = ("content-type", "application/json");
    let body = format!("{{\"token\":\"{ONE}\"}}");
    let path = "/api/v1/session";
    let (status, headers, _) = ask(&console, Method::POST, path, &[], &body).await;
    assert_eq!((status.as_u16(), headers.get("set-cookie")), (415, None));
    let (status, headers, shown) = ask(&console, Method::POST, path, &[json], &body).await;
    assert_eq!(status, 200);
    let cookie = headers["set-cookie"].to_str().unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Path=/");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let expected = json!({
        "name": "one", "role": "organizations", "organizations": ["a"], "expires": null,
        "live": false,
    });
    assert_eq!(shown, expected);
    let cookie = ("cookie", pair);
    let (status, _, again) = ask(&console, Method::GET, path, &[cookie], "").await;
    assert_eq!((status.as_u16(), serde_json::from_str::<Value>(&again).unwrap()), (200, expected));
    let (status, headers, _) = ask(&console, Method::DELETE, path, &[json, cookie], "").await;
    assert_eq!(status, 204);
    assert!(headers["set-cookie"].to_str().unwrap().ends_with("Max-Age=0"));
    assert_eq!(ask(&console, Method::GET, path, &[cookie], "").await.0, 401);
    // Behind a proxy that serves TLS, the cookie is for TLS only.
    let headers = [json, ("x-forwarded-proto", "https")];
    let (_, headers, _) = ask(&console, Method::POST, path, &headers, &body).await;
    assert!(headers["set-cookie"].to_str().unwrap().contains("; Secure"));
}

#[tokio::test]
async fn a_body_that_is_no_secret_is_refused() {
    let console = console().await;
    let long = format!("{{\"token\":\"{}\"}}", "x".repeat(5_000));
    for body in ["", "{}", "[]", "{\"token\":\"a\",\"code\":\"b\"}", "{\"name\":\"x\"}", &long] {
        let headers = [("content-type", "application/json")];
        let asked = ask(&console, Method::POST, "/api/v1/session", &headers, body).await;
        assert_eq!(asked.0, 400, "{body}");
    }
}

#[tokio::test]
async fn after_ten_failures_a_peer_waits_for_whatever_it_asks() {
    let console = console().await;
    let headers = [("content-type", "application/json")];
    let wrong = "{\"token\":\"wrong-0123456789abcdef\"}";
    for _ in 0..10 {
        let asked = ask(&console, Method::POST, "/api/v1/session", &headers, wrong).await;
        assert_eq!(asked.0, 401);
    }
    let right = format!("{{\"token\":\"{ALL}\"}}");
    let (status, headers, _) =
        ask(&console, Method::POST, "/api/v1/session", &headers, &right).await;
    assert_eq!(status, 429);
    assert!(headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() <= 7);
    assert_eq!(get(&console, "/api/v1/session", ALL).await.0, 429);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_with_its_place() {
    let console = console().await;
    for (path, message, at) in [
        ("search?query=path:%2Fa%20stauts:404", "at character 9: no field is named", json!(8)),
        ("search?limit=0", "limit = \"0\": must be from 1 to 1000", Value::Null),
        ("search?since=1h&until=2h", "since must be before until", Value::Null),
        ("search?after=x", "after = \"x\": must be `next` of another answer", Value::Null),
        ("search?organization=a", "no parameter is named \"organization\"", Value::Null),
        ("search?reach=all", "reach = \"all\": must be flows or everything", Value::Null),
        ("export?format=xml", "format = \"xml\": must be ndjson or csv", Value::Null),
        ("overview?query=x", "no parameter is named \"query\"", Value::Null),
        ("overview?since=401d", "since must be at most 400 days before until", Value::Null),
        ("delivery?colour=blue", "unknown query", Value::Null),
    ] {
        let (status, body) = get(&console, &format!("/api/v1/{path}"), ALL).await;
        assert_eq!(status, 400, "{path}: {body}");
        let told = body["error"]["message"].as_str().unwrap();
        assert!(told.starts_with(message), "{path}: {told}");
        assert_eq!(body["error"]["at"], at, "{path}");
    }
    assert_eq!(get(&console, "/api/v1/delivery", ONE).await.0, 403);
    let (status, headers, _) = ask(&console, Method::PUT, "/api/v1/search", &[], "").await;
    assert_eq!(status, 415, "{headers:?}");
    let json = [("content-type", "application/json")];
    let (status, headers, _) = ask(&console, Method::PUT, "/api/v1/search", &json, "").await;
    assert_eq!((status.as_u16(), headers["allow"].to_str().unwrap()), (405, "GET"));
}

#[tokio::test]
async fn a_database_that_is_away_is_503_and_its_servers_are_not_named() {
    let console = console().await;
    for path in ["search", "histogram", "flows/x", "overview", "delivery", "views"] {
        let (status, body) = get(&console, &format!("/api/v1/{path}"), ALL).await;
        assert_eq!(status, 503, "{path}: {body}");
        let told = body["error"]["message"].as_str().unwrap();
        assert!(told.contains("the console's log says why") && !told.contains("127."), "{told}");
    }
    assert_eq!(get(&console, "/healthz", "").await.0, 200);
}

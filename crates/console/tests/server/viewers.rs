//! Who may ask: tokens, sessions, codes and identities.

use std::fs;
use std::time::Duration;

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatelog_testkit::{Database, Signal, eventually};
use serde_json::json;

use crate::fixture::{A, ALL, Console, cookie};

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_session_ends_when_its_token_is_removed_from_the_file() {
    let database = Database::fresh().await.unwrap();
    let mut console = Console::start(&database).await;
    let begun = console.sign_in(&json!({"token": A})).await;
    assert_eq!((begun.status.as_u16(), &begun.json().unwrap()["name"]), (200, &json!("ann")));
    let cookie = cookie(&begun);
    let path = "/api/v1/session";
    let headers = [("cookie", cookie.as_str())];
    assert_eq!(console.send(Method::GET, path, &headers, "").await.status, 200);
    fs::write(console.file("tokens"), format!("{ALL} name=on-call all")).unwrap();
    console.process.signal(Signal::HUP).unwrap();
    eventually("the session ends", PATIENCE, async || {
        let status = console.send(Method::GET, path, &headers, "").await.status;
        anyhow::ensure!(status == 401, "{status}");
        Ok(())
    })
    .await
    .unwrap();
    // A broken file changes nothing.
    fs::write(console.file("tokens"), "short").unwrap();
    console.process.signal(Signal::HUP).unwrap();
    eventually("the fault is logged", PATIENCE, async || {
        anyhow::ensure!(console.process.stderr().contains("not reloaded"));
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(console.get(ALL, "session").await.status, 200);
}

#[tokio::test]
async fn the_code_of_a_link_signs_in_once() {
    let database = Database::fresh().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("code");
    let settings = [("GATELOG_CONSOLE_CODE_FILE", file.to_str().unwrap())];
    let console = Console::with(&database, &settings).await;
    let code = fs::read_to_string(&file).unwrap();
    let begun = console.sign_in(&json!({"code": code.trim()})).await;
    assert_eq!((begun.status.as_u16(), &begun.json().unwrap()["role"]), (200, &json!("all")));
    assert_eq!(console.sign_in(&json!({"code": code.trim()})).await.status, 401);
    let log = console.process.stderr();
    assert!(!log.contains(code.trim()), "the code is in the log");
}

#[tokio::test]
async fn an_identity_counts_from_listed_proxies_only() {
    let database = Database::fresh().await.unwrap();
    let claims = json!({"sub": "carol", "organizations": ["a", "c"]}).to_string();
    let claims = URL_SAFE_NO_PAD.encode(claims);
    for (peers, status) in [("127.0.0.0/8", 200), ("192.0.2.0/24", 401)] {
        let settings = [
            ("GATELOG_CONSOLE_IDENTITY_HEADER", "x-gatelog-identity"),
            ("GATELOG_CONSOLE_IDENTITY_PEERS", peers),
        ];
        let console = Console::with(&database, &settings).await;
        let headers = [("x-gatelog-identity", claims.as_str())];
        let reply = console.send(Method::GET, "/api/v1/session", &headers, "").await;
        assert_eq!(reply.status, status, "{peers}");
        if status == 200 {
            let shown = reply.json().unwrap();
            assert_eq!(
                (&shown["name"], &shown["organizations"]),
                (&json!("carol"), &json!(["a", "c"]))
            );
        }
    }
}

#[tokio::test]
async fn another_site_can_neither_sign_in_nor_read_nor_sign_out() {
    let database = Database::fresh().await.unwrap();
    let console = Console::start(&database).await;
    let cookie = cookie(&console.sign_in(&json!({"token": A})).await);
    let body = json!({"token": A}).to_string();
    let json = ("content-type", "application/json");
    let own = ("cookie", cookie.as_str());
    for (method, path, headers) in [
        (Method::POST, "session", vec![json, ("sec-fetch-site", "cross-site")]),
        (Method::POST, "session", vec![json, ("origin", "https://evil.example")]),
        (Method::DELETE, "session", vec![json, own, ("sec-fetch-site", "same-site")]),
        (Method::GET, "views", vec![own, ("sec-fetch-site", "cross-site")]),
        (Method::PUT, "views", vec![json, own, ("origin", "https://evil.example")]),
        (Method::DELETE, "views?name=x", vec![json, own, ("sec-fetch-site", "cross-site")]),
        (Method::GET, "search", vec![own, ("sec-fetch-site", "cross-site")]),
        (Method::GET, "export", vec![own, ("sec-fetch-site", "cross-site")]),
    ] {
        let path = format!("/api/v1/{path}");
        let reply = console.send(method, &path, &headers, &body).await;
        assert_eq!(reply.status, 403, "{path} {headers:?}");
        assert_eq!(reply.header("set-cookie"), "");
    }
    let metrics = console.send(Method::GET, "/metrics", &[], "").await.text();
    let counted = "gatelog_console_requests_total{endpoint=\"session\",code=\"403\"} 3";
    assert!(metrics.contains(counted), "{metrics}");
    assert_eq!(console.send(Method::GET, "/api/v1/session", &[own], "").await.status, 200);
    let here = format!("http://{}", console.address);
    let headers = [json, own, ("origin", here.as_str())];
    assert_eq!(console.send(Method::DELETE, "/api/v1/session", &headers, "").await.status, 204);
    assert_eq!(console.send(Method::GET, "/api/v1/session", &[own], "").await.status, 401);
}

//! The ids: on every response, unique, and the same upstream and in the record.

use axum::http::Method;
use gatelog_testkit::{Gateway, GatewayOptions, SampleService, raw_exchange};
use std::collections::BTreeSet;
use std::time::Duration;

use crate::SHELL;
use crate::stored::{at, exactly};

#[tokio::test]
async fn every_response_carries_the_ids_refusals_by_envoy_included() {
    let gateway = Gateway::of(SHELL).await.unwrap();
    let mut seen = BTreeSet::new();
    for (path, status) in [
        ("/api/v1/messages", 200),
        ("/api/v1/messages/none", 404),
        ("/api/v1/conversations/c/summary", 500),
        ("/nowhere", 404),
        ("/api/v1/reports/daily", 503),
        ("/healthz", 200),
    ] {
        let reply = gateway.get(path, &[]).await.unwrap();
        assert_eq!(reply.status.as_u16(), status, "{path}");
        let request_id = reply.header("x-request-id").to_owned();
        assert!(!request_id.is_empty(), "{path}");
        assert_eq!(reply.header("x-correlation-id"), request_id, "{path}: nobody chose another");
        assert!(seen.insert(request_id), "{path}: an id was given twice");

        let chosen = gateway.get(path, &[("x-correlation-id", "corr_456")]).await.unwrap();
        assert_eq!(chosen.header("x-correlation-id"), "corr_456", "{path}");
    }
}

#[tokio::test]
async fn services_see_the_ids_that_the_client_and_the_record_get() {
    let echo = SampleService::echo().await.unwrap();
    let mut options = GatewayOptions::of(SHELL).unwrap();
    let routes = options.envoy.config.routes().unwrap();
    let echo_route = serde_json::json!({
        "name": "echo", "match": { "prefix": "/echo" }, "route": { "cluster": "echo" }
    });
    routes.insert(0, echo_route);
    options.envoy.config.add_cluster("echo", echo.address()).unwrap();
    let gateway = Gateway::start_with(options).await.unwrap();

    let reply = gateway.get("/echo", &[("x-request-id", "the-clients-own")]).await.unwrap();
    let upstream = reply.json().unwrap();
    let record = &exactly(&gateway.database, "info_logs", 1).await.unwrap()[0];
    for (header, key) in
        [("x-request-id", "/context/request_id"), ("x-correlation-id", "/context/correlation_id")]
    {
        assert_eq!(upstream[header], reply.header(header), "{upstream:#}");
        assert_eq!(at(record, key), reply.header(header), "{record:#}");
    }
    assert_ne!(reply.header("x-request-id"), "the-clients-own");
    assert_eq!(at(record, "/context/client_request_id"), "the-clients-own", "{record:#}");
}

#[tokio::test]
async fn bytes_that_are_not_text_stop_neither_the_request_nor_the_record() {
    let gateway = Gateway::of(SHELL).await.unwrap();
    let hostile: [(&str, &[u8]); 6] = [
        ("x-correlation-id", b"\xff\xfe"),
        ("x-organization-id", b"org_\xc3\x28"),
        ("x-user-id", b"\xed\xa0\x80"),
        ("user-agent", b"agent/\x80"),
        ("traceparent", b"\xf0\x9f"),
        ("cookie", b"\xff"),
    ];
    let path = "/api/v1/messages?q=%ff%00";
    let address = gateway.address();
    let reply = gateway.client.send(address, Method::GET, path, &hostile, "").await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("x-correlation-id"), reply.header("x-request-id"));
    let record = &exactly(&gateway.database, "info_logs", 1).await.unwrap()[0];
    assert_eq!(at(record, "/http/user_agent"), "agent/\u{fffd}", "{record:#}");
    assert_eq!(gateway.envoy.reloads().await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_that_envoy_refuses_before_the_filters_is_still_recorded() {
    let gateway = Gateway::of(SHELL).await.unwrap();
    // HTTP/1.1 without a host: rejected by the connection manager.
    let request = b"GET /api/v1/messages HTTP/1.1\r\nconnection: close\r\n\r\n";
    let answer = raw_exchange(gateway.address(), request, Duration::from_secs(10)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    let record = &exactly(&gateway.database, "warning_logs", 1).await.unwrap()[0];
    assert_eq!(at(record, "/http/status"), 400, "{record:#}");
    assert_eq!(gateway.envoy.reloads().await.unwrap(), 0);
}

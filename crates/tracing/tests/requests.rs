//! Requests: ids from headers, across `await` and `spawn`, apart from each other.

#![cfg(feature = "tower")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "records/logged.rs"]
#[allow(dead_code, reason = "shared with the tests of records")]
mod logged;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use gatelog_tracing::{Context, HeaderNames, RequestLayer, builder};
use http::{HeaderMap, HeaderValue, Request};
use serde_json::Value;
use tower::ServiceExt;
use tracing::{Dispatch, Instrument, info};
use tracing_subscriber::prelude::*;

use logged::Kept;

fn app() -> Router {
    let handler = async || {
        info!("at first");
        tokio::task::yield_now().await;
        info!("after an await");
        tokio::spawn(async { info!("spawned") }.in_current_span()).await.unwrap();
        "done"
    };
    Router::new().route("/", get(handler)).layer(RequestLayer::new())
}

fn request(headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

/// What the requests logged, sent at once.
fn recorded(requests: Vec<Request<Body>>) -> Vec<Value> {
    let kept = Kept::default();
    let (layer, guard) = builder("orders").writer(kept.clone()).layer().unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tracing::dispatcher::with_default(&dispatch, || {
        runtime.block_on(async {
            let running = requests.into_iter().map(|request| tokio::spawn(app().oneshot(request)));
            for one in running.collect::<Vec<_>>() {
                assert_eq!(one.await.unwrap().unwrap().status(), 200);
            }
        });
    });
    assert!(guard.flush(Duration::from_secs(10)));
    kept.records()
}

#[test]
fn everything_logged_for_a_request_has_its_ids_and_no_others() {
    let requests = (0..5).map(|number| {
        let (id, flow) = (format!("r-{number}"), format!("c-{number}"));
        request(&[
            ("x-request-id", &id),
            ("x-correlation-id", &flow),
            ("x-organization-id", "org_1"),
            ("x-user-id", "user_7"),
            ("x-conversation-id", "conv_789"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ])
    });
    let records = recorded(requests.collect());
    assert_eq!(records.len(), 15);
    for number in 0..5 {
        let own: Vec<&Value> = records
            .iter()
            .filter(|record| record["context"]["request_id"] == format!("r-{number}"))
            .collect();
        assert_eq!(own.len(), 3, "{records:#?}");
        for record in &own {
            assert_eq!(record["context"]["correlation_id"], format!("c-{number}"));
            assert_eq!(record["context"]["organization_id"], "org_1");
            assert_eq!(record["context"]["user_id"], "user_7");
            assert_eq!(record["context"]["conversation_id"], "conv_789");
            assert_eq!(record["trace"]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
            assert_eq!(record["trace"]["parent_span_id"], "b7ad6b7169203331");
            assert_eq!(record["trace"]["span_id"], own[0]["trace"]["span_id"]);
            assert!(record.get("extra").is_none(), "{record:#}");
        }
    }
}

#[test]
fn ids_follow_the_gateways_precedence_and_alphabet() {
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = format!("00-{trace}-b7ad6b7169203331-01");
    let context = |headers: &[(&str, &str)]| {
        Context::of_headers(request(headers).headers(), &HeaderNames::default())
    };
    let none = context(&[]);
    assert_eq!(none.request_id.as_ref().unwrap().len(), 36);
    assert_eq!(none.correlation_id, none.request_id);
    assert_eq!(context(&[("traceparent", &traceparent)]).correlation_id.unwrap(), trace);
    let chosen = context(&[("traceparent", &traceparent), ("x-correlation-id", "c-1")]);
    assert_eq!(chosen.correlation_id.unwrap(), "c-1");
    for bad in ["", "a b", "a\"b", &"x".repeat(129)] {
        let context = context(&[("x-request-id", bad), ("x-correlation-id", bad)]);
        assert_ne!(context.request_id.as_deref(), Some(bad));
        assert_eq!(context.correlation_id, context.request_id);
    }
    let twice = context(&[("x-correlation-id", "a"), ("x-correlation-id", "b")]);
    assert_eq!(twice.correlation_id, twice.request_id);
    let long = "é".repeat(400);
    let tenant = context(&[("x-user-id", &long)]).user_id.unwrap();
    assert_eq!(tenant.len(), 256);
}

#[test]
fn a_context_goes_on_in_headers_and_overrides_none() {
    let mut incoming = HeaderMap::new();
    for (name, value) in [
        ("x-request-id", "r-1"),
        ("x-correlation-id", "c-1"),
        ("x-organization-id", "org_1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "vendor=1"),
    ] {
        incoming.insert(name, HeaderValue::from_static(value));
    }
    let names = HeaderNames::default();
    let context = Context::of_headers(&incoming, &names);
    let mut outgoing = HeaderMap::new();
    outgoing.insert("x-organization-id", HeaderValue::from_static("org_2"));
    context.add_to(&mut outgoing, &names);
    assert_eq!(outgoing["x-correlation-id"], "c-1");
    assert_eq!(outgoing["x-organization-id"], "org_2", "the caller's own choice");
    let span = context.span_id.clone().unwrap();
    assert_eq!(outgoing["traceparent"], format!("00-0af7651916cd43dd8448eb211c80319c-{span}-01"));
    assert_eq!(outgoing["tracestate"], "vendor=1");
    assert!(!outgoing.contains_key("x-request-id") && !outgoing.contains_key("x-user-id"));

    let mut hostile = HeaderMap::new();
    let context = Context {
        correlation_id: Some("a\r\nb".into()),
        trace_id: Some("x".into()),
        span_id: Some("y".into()),
        ..Context::default()
    };
    context.add_to(&mut hostile, &names);
    assert!(hostile.is_empty(), "{hostile:?}");
}

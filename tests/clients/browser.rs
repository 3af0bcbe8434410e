//! A browser: Chromium, driven by playwright-core.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::{Html, Json};
use axum::routing::get;
use futures_util::StreamExt;
use futures_util::stream::{once, pending};
use gatelog_testkit::stored::one;
use gatelog_testkit::{Gateway, GatewayOptions, SampleService};
use serde_json::{Value, json};

use crate::SHELL;
use crate::contains::assert_contains;
use crate::program::{Service, output_of, script};
use crate::websocket;

/// The value of the page's cookie.
const SECRET: &str = "s3cret-session";

/// The pages for the browser.
async fn pages() -> SampleService {
    let page = async || {
        let cookie = format!("session={SECRET}; Path=/; HttpOnly");
        ([("set-cookie", cookie)], Html("<!doctype html><title>a page</title>"))
    };
    let endless = async || {
        let first = once(async { Ok::<_, Infallible>(Bytes::from_static(b"some")) });
        Body::from_stream(first.chain(pending()))
    };
    let app = Router::new()
        .route("/app/", get(page))
        .route("/app/data", get(async || ([("x-application", "1")], Json(json!({"data": 1})))))
        .route("/app/endless", get(endless));
    SampleService::serve(app).await.unwrap()
}

/// The gateway in front of these pages, with Envoy's CORS filter.
async fn start(pages: &SampleService, chat: &Service, expose: bool) -> Gateway {
    let mut options = GatewayOptions::of(SHELL).unwrap();
    let config = &mut options.envoy.config;
    config.add_cluster("pages", pages.address()).unwrap();
    let route =
        json!({"name": "pages", "match": {"prefix": "/app/"}, "route": {"cluster": "pages"}});
    config.routes().unwrap().insert(0, route);
    websocket::route(config, chat).unwrap();

    let origin = format!("http://{}", pages.address());
    let cors = "type.googleapis.com/envoy.extensions.filters.http.cors.v3";
    let filter = json!({
        "name": "envoy.filters.http.cors",
        "typed_config": {"@type": format!("{cors}.Cors")},
    });
    config.http_filters().unwrap().insert(1, filter);
    config.connection_manager().unwrap()["route_config"]["virtual_hosts"][0]["typed_per_filter_config"] = json!({
        "envoy.filters.http.cors": {
            "@type": format!("{cors}.CorsPolicy"),
            "allow_origin_string_match": [{"exact": origin}],
            "allow_headers": "x-correlation-id",
            "expose_headers": "x-application",
            "allow_credentials": true,
        },
    });
    let exposed =
        [("/request_id/expose", json!(expose)), ("/correlation_id/expose", json!(expose))];
    config.filter_options(&exposed).unwrap();
    Gateway::start_with(options).await.unwrap()
}

/// What the browser reports about its visit.
async fn visit(gateway: &Gateway, pages: &SampleService) -> Value {
    let mut browser = script("browser.js");
    browser.args([gateway.address(), pages.address()].map(|address| format!("http://{address}")));
    let told = output_of(browser).await;
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

async fn of(gateway: &Gateway, path: &str, value: &Value) -> Value {
    one(&gateway.database, path, value.as_str().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_browsers_requests_are_recorded_and_its_pages_can_read_the_ids() {
    let (pages, chat) = (pages().await, Service::start("websocket_service.py").await);
    let gateway = start(&pages, &chat, true).await;
    let told = visit(&gateway, &pages).await;
    let agent = &told["userAgent"];
    assert!(agent.as_str().unwrap().contains("Chrome/"), "{agent}");

    // The page itself, and its fetches from the same and from another origin.
    assert_contains(&told["page"], &json!({"status": 200, "title": "a page"}));
    for (fetch, id) in [("same", "same-origin"), ("cross", "cross-origin")] {
        let expected = json!({"status": 200, "correlationId": id, "application": "1"});
        assert_contains(&told[fetch], &expected);
    }
    for fetch in ["page", "same", "cross"] {
        let record = of(&gateway, "context.request_id", &told[fetch]["requestId"]).await;
        let expected = json!({
            "level": "INFO",
            "context": {"correlation_id": told[fetch]["correlationId"]},
            "http": {"method": "GET", "status": 200, "user_agent": agent, "protocol": "HTTP/1.1"},
        });
        assert_contains(&record, &expected);
    }
    // The browser sent a preflight before it sent the header to another origin.
    let preflight = of(&gateway, "http.method", &json!("OPTIONS")).await;
    let expected = json!({"level": "INFO", "http": {"status": 200, "path": "/app/data"}});
    assert_contains(&preflight, &expected);

    assert_eq!(told["aborted"], "AbortError");
    let record = of(&gateway, "context.correlation_id", &json!("aborted")).await;
    let expected = json!({
        "level": "WARNING", "trace": {"status": "error"}, "error": {"flags": ["DC"]},
        "http": {"status": 200, "user_agent": agent},
    });
    assert_contains(&record, &expected);

    // A WebSocket that the script closed, and one whose page was left.
    assert_eq!(told["chat"], json!(["hello", {"code": 1000, "wasClean": true}]));
    assert_eq!(told["left"], "hello");
    for query in ["closed", "left"] {
        let record = of(&gateway, "http.query", &json!(query)).await;
        let expected = json!({"level": "INFO", "http": {"status": 101}, "error": null});
        assert_contains(&record, &expected);
    }

    let lines = gateway.envoy.journal().lines().unwrap().concat();
    assert!(lines.contains("cross-origin") && !lines.contains(SECRET), "{lines}");
    assert_eq!(gateway.envoy.reloads().await.unwrap(), 0);
}

#[tokio::test]
async fn pages_of_another_origin_cannot_read_ids_that_are_not_exposed() {
    let (pages, chat) = (pages().await, Service::start("websocket_service.py").await);
    let gateway = start(&pages, &chat, false).await;
    let told = visit(&gateway, &pages).await;
    let hidden = json!({
        "status": 200, "requestId": null, "correlationId": null, "application": "1",
    });
    assert_contains(&told["cross"], &hidden);
    assert_eq!(told["same"]["correlationId"], "same-origin");
    let record = of(&gateway, "context.correlation_id", &json!("cross-origin")).await;
    assert_contains(&record, &json!({"level": "INFO", "http": {"status": 200}}));
}

//! A filter of gatelog's layer that takes the ids away while another layer has the span. A process of its
//! own, as `filtered.rs`.

#![cfg(feature = "tower")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use gatelog_tracing::{RequestLayer, builder};
use http::Request;
use tower::ServiceExt;
use tracing::Dispatch;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// A layer that wants every span.
struct Other;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Other {}

#[test]
fn ids_that_only_another_layer_has_are_counted_as_lost() {
    let (layer, guard) = builder("orders").writer(std::io::sink()).layer().unwrap();
    let filter = Targets::new().with_target("requests", tracing::Level::INFO);
    let registry = tracing_subscriber::registry().with(layer.with_filter(filter)).with(Other);
    let dispatch = Dispatch::new(registry);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let app = Router::new().route("/", get(async || "done")).layer(RequestLayer::new());
    let before = guard.counters().read().contexts_lost;
    tracing::dispatcher::with_default(&dispatch, || {
        runtime.block_on(app.oneshot(Request::get("/").body(Body::empty()).unwrap())).unwrap();
    });
    assert_eq!(guard.counters().read().contexts_lost, before + 1);
}

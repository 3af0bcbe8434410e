//! A filter of the subscriber's that takes the ids away. A process of its own: whether `tracing` asks a
//! filter at all is decided once for the process, from all subscribers that it has.

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

#[test]
fn a_filter_that_takes_the_ids_away_is_counted() {
    let (layer, guard) = builder("orders").writer(std::io::sink()).layer().unwrap();
    let filter = Targets::new().with_target("requests", tracing::Level::INFO);
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer.with_filter(filter)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let app = Router::new().route("/", get(async || "done")).layer(RequestLayer::new());
    let before = guard.counters().read().contexts_lost;
    tracing::dispatcher::with_default(&dispatch, || {
        runtime.block_on(app.oneshot(Request::get("/").body(Body::empty()).unwrap())).unwrap();
    });
    assert_eq!(guard.counters().read().contexts_lost, before + 1);
}

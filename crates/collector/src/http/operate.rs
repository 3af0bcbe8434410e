//! Endpoints for operators and their tools: health, readiness, metrics, accounting.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use http_body_util::channel::{Channel, Sender};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::App;
use super::answer::{Refusal, json as answer};
use crate::accounting::report::{self, Report};
use crate::accounting::{BootKey, Statement};
use crate::clock::now_millis;
use crate::metrics::Snapshot;
use crate::spool::Health;

/// Maximum accounting reports read at once: each takes up to 1 MiB while its client reads.
pub(super) const MAX_REPORTS: usize = 16;
/// Maximum time for a client to read one part of a report, some dozens of kilobytes.
const REPORT_PART_TIME: Duration = Duration::from_secs(10);

/// 200 while the process can work at all. Fails once the spool is broken, or a task has panicked:
/// then only a restart helps, and a liveness probe should trigger one.
pub(super) async fn health(State(app): State<App>) -> Response<Body> {
    let fault = match app.inner.spool.health() {
        Health::Broken(text) => Some(text),
        Health::Good | Health::Refusing(_) => {
            app.dead().map(|task| format!("the task \"{task}\" stopped unexpectedly"))
        }
    };
    match fault {
        Some(text) => {
            answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "broken", "error": text}))
        }
        None => answer(StatusCode::OK, &json!({"status": "ok"})),
    }
}

/// 200 while a batch would be acknowledged. MongoDB is reported, but not required: the spool covers
/// for it.
pub(super) async fn ready(State(app): State<App>) -> Response<Body> {
    let spool = &app.inner.spool;
    let waiting = spool.waiting();
    let reason = match spool.health() {
        _ if app.stopping() => Some("the collector is stopping".to_owned()),
        Health::Refusing(text) | Health::Broken(text) => Some(text),
        Health::Good if nearly_full(waiting.bytes, spool.max_bytes()) => {
            Some("spool full".to_owned())
        }
        Health::Good => None,
    };
    let status = if reason.is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let body = json!({
        "ready": reason.is_none(),
        "reason": reason,
        "spool": {"bytes": waiting.bytes, "limit": spool.max_bytes(), "batches": waiting.rows},
        "mongodb": if app.inner.metrics.mongodb_up() { "up" } else { "down" },
    });
    answer(status, &body)
}

/// Whether an ordinary batch would hardly fit: above 95 % of the bound.
fn nearly_full(bytes: u64, limit: u64) -> bool {
    bytes > limit.saturating_sub(limit / 20)
}

pub(super) async fn metrics(State(app): State<App>) -> Response<Body> {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let spool = &app.inner.spool;
    let waiting = spool.waiting();
    let (boots, accounted) = sums(&app).await;
    let age = waiting.oldest.map_or(0, |oldest| now_millis().saturating_sub(oldest));
    let snapshot = Snapshot {
        waiting,
        parked: spool.parked(),
        spool_limit: spool.max_bytes(),
        oldest: Duration::from_millis(u64::try_from(age).unwrap_or(0)),
        writable: spool.health() == Health::Good,
        letters: spool.letters(),
        unnumbered: spool.unnumbered(),
        rollups: spool.rollup_count(),
        boots,
        accounted,
    };
    let mut response = Response::new(Body::from(app.inner.metrics.render(&snapshot)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
    response
}

/// The sum of all statements, computed off the network threads.
async fn sums(app: &App) -> (usize, Statement) {
    let app = app.clone();
    let made = tokio::task::spawn_blocking(move || {
        let App { inner } = &app;
        let ledger = |key: Option<&BootKey>, count| inner.spool.ledger().after(key, count);
        inner.sums.get(&inner.peers, ledger, app.silent_before())
    });
    made.await.unwrap_or_default()
}

/// `GET /v1/accounting`: `?gateway=…` and `?boot=…` filter, `?limit=…` and `?after=…` page.
pub(super) async fn accounting(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    match app.inner.auth.grant(&headers) {
        None => return Refusal::Unauthorized.into_response(),
        Some(grant) if !grant.read => {
            let text = "this token may not read the accounting: give it the role read";
            return Refusal::Forbidden(text.into()).into_response();
        }
        Some(_) => {}
    }
    let filter = match report::Filter::parse(query.as_deref().unwrap_or_default()) {
        Ok(filter) => filter,
        Err(text) => return answer(StatusCode::BAD_REQUEST, &json!({"error": text})),
    };
    let Ok(place) = Arc::clone(&app.inner.reports).try_acquire_owned() else {
        let error = format!("{MAX_REPORTS} responses are in progress: try again in a second");
        return answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": error}));
    };
    let report = Report::new(
        app.inner.spool.collector(),
        app.inner.spool.unnumbered(),
        app.silent_before(),
        filter,
    );
    let (sender, body) = Channel::new(1);
    tokio::spawn(send(app, report, sender, place));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Sends a report part by part, as fast as the client reads it.
async fn send(
    app: App,
    mut report: Report,
    mut sender: Sender<Bytes, io::Error>,
    _place: OwnedSemaphorePermit,
) {
    loop {
        let app = app.clone();
        let made = tokio::task::spawn_blocking(move || {
            let App { inner } = &app;
            let ledger = |key: Option<&BootKey>, count| inner.spool.ledger().after(key, count);
            let part = report.next_part(&inner.peers, ledger);
            (report, part)
        });
        let Ok((same, Some(part))) = made.await else { return };
        report = same;
        match tokio::time::timeout(REPORT_PART_TIME, sender.send_data(part.into())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => {
                sender.abort(io::Error::other("the client reads too slowly"));
                return;
            }
        }
    }
}

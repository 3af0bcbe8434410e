//! The collector's HTTP API: posting records, and the endpoints for operators.

mod answer;
mod auth;
pub mod event_stream;
pub mod held;
mod logs;
mod operate;
mod post;
pub mod server;
mod tail;
pub mod tokens_file;

use std::future::{Ready, ready};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use serde_json::json;

use tokio::sync::Semaphore;

use crate::accounting::{Peers, Sums};
use crate::clock::now_millis;
use crate::ingest::otlp::Mapping;
use crate::ingest::{BatchLimits, Budget};
use crate::metrics::Metrics;
use crate::spool::{Append, Spool};
use crate::tail::Tail;

pub use answer::Refusal;
pub use auth::{Auth, Grant, Sources, TokensError};
use held::{Answers, held};
use server::Peer;

pub use logs::LogsPost;
pub use post::Post;

/// Maximum posts decoded at once, however many processors there are: a record being decoded takes
/// many times the memory of its text.
pub(crate) const MAX_DECODERS: usize = 4;

/// Maximum concurrent responses to `GET /v1/accounting` that are still being read: each may take
/// megabytes.
const MAX_ACCOUNTS: usize = 2;
/// Maximum concurrent responses to `GET /metrics` that are still being read, about ten KiB each.
const MAX_METRICS: usize = 32;

/// The limits on posts.
#[derive(Clone, Copy, Debug)]
pub struct IngestLimits {
    /// Maximum bytes of a body as sent.
    pub encoded_bytes: usize,
    /// Maximum bytes of a body after decompression.
    pub decoded_bytes: usize,
    /// Maximum time for a body to arrive.
    pub body_time: Duration,
    /// Memory for all bodies being read, in bytes.
    pub memory: usize,
    /// The bounds of a batch.
    pub batch: BatchLimits,
    /// After this time without news, the accounting considers a gateway gone.
    pub silent_after: Duration,
}

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    spool: Spool,
    auth: Auth,
    limits: IngestLimits,
    mapping: Mapping,
    budget: Budget,
    /// One permit for every post that may be decoded at once.
    decoders: Arc<Semaphore>,
    metrics: Metrics,
    peers: Peers,
    sums: Sums,
    tail: Tail,
    /// One permit for every accounting report that may be read at once.
    reports: Arc<Semaphore>,
    stopping: AtomicBool,
    died: OnceLock<&'static str>,
}

impl App {
    /// The state of a server that accepts batches into this spool.
    pub fn new(
        spool: Spool,
        auth: Auth,
        limits: IngestLimits,
        mapping: Mapping,
        metrics: Metrics,
    ) -> Self {
        let tail = Tail::new(limits.batch.spooled(), metrics.clone());
        let processors = available_parallelism().map_or(1, NonZero::get);
        let inner = Inner {
            spool,
            auth,
            limits,
            mapping,
            budget: Budget::new(limits.memory),
            decoders: Arc::new(Semaphore::new(processors.min(MAX_DECODERS))),
            metrics,
            peers: Peers::default(),
            sums: Sums::default(),
            tail,
            reports: Arc::new(Semaphore::new(operate::MAX_REPORTS)),
            stopping: AtomicBool::new(false),
            died: OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What other collectors know, used by the accounting.
    pub fn peers(&self) -> &Peers {
        &self.inner.peers
    }

    fn silent_before(&self) -> i64 {
        let after = i64::try_from(self.inner.limits.silent_after.as_millis()).unwrap_or(i64::MAX);
        now_millis().saturating_sub(after)
    }

    /// The tokens that may post.
    pub fn auth(&self) -> &Auth {
        &self.inner.auth
    }

    /// From now on posts get 503, readiness fails, and live tails end.
    pub fn stop(&self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
        self.inner.tail.stop();
    }

    /// Records a task that stopped unexpectedly, which only a restart fixes: `/healthz` names the
    /// first.
    pub fn died(&self, task: &'static str) {
        let _ = self.inner.died.set(task);
    }

    /// The first task that stopped unexpectedly.
    pub fn dead(&self) -> Option<&'static str> {
        self.inner.died.get().copied()
    }

    fn stopping(&self) -> bool {
        self.inner.stopping.load(Ordering::SeqCst)
    }
}

/// The routes.
pub fn app(state: App) -> Router {
    Router::new()
        .route("/v1/records", post(records).fallback(|| method("POST")))
        .route("/v1/logs", post(logs::logs).fallback(|| method("POST")))
        .route(
            "/v1/accounting",
            get(operate::accounting)
                .route_layer(from_fn_with_state(Answers::new(MAX_ACCOUNTS), held))
                .fallback(|| method("GET")),
        )
        .route("/v1/tail", get(tail::tail).fallback(|| method("GET")))
        .route("/healthz", get(operate::health).fallback(|| method("GET")))
        .route("/readyz", get(operate::ready).fallback(|| method("GET")))
        .route(
            "/metrics",
            get(operate::metrics)
                .route_layer(from_fn_with_state(Answers::new(MAX_METRICS), held))
                .fallback(|| method("GET")),
        )
        .fallback(any(|| async { Refusal::NotFound }))
        .with_state(state)
}

fn method(allowed: &'static str) -> Ready<Refusal> {
    ready(Refusal::Method(allowed))
}

async fn records(State(app): State<App>, request: Request) -> Response<Body> {
    let response = match accept(&app, request).await {
        Ok((accepted, quarantined)) => answer::json(
            StatusCode::ACCEPTED,
            &json!({"accepted": accepted, "quarantined": quarantined}),
        ),
        Err(refusal) => refusal.into_response(),
    };
    app.inner.metrics.request(response.status().as_u16());
    response
}

/// Accepts one batch; returns how many records are durable and how many are dead letters.
async fn accept(app: &App, request: Request) -> Result<(u64, usize), Refusal> {
    let (grant, headers, body) = admit(app, request)?;
    let App { inner } = app;
    let post = Post::read(headers, body, &inner.limits, &inner.budget).await?;
    // When a client disconnects, this request's future is dropped. What its post holds must be held
    // while it is decoded and waits for the disk, so that part runs in a separate task.
    let taken = tokio::spawn(take_in(app.clone(), grant, post));
    taken.await.map_err(|_| Refusal::Stopping)?
}

/// The parts needed from an authorized post; the rest of the request is dropped while its body
/// arrives.
fn admit(app: &App, request: Request) -> Result<(Arc<Grant>, HeaderMap, Body), Refusal> {
    let (head, body) = request.into_parts();
    let grant = app.inner.auth.grant(&head.headers).ok_or(Refusal::Unauthorized)?;
    if grant.send().is_none() {
        return Err(Refusal::Forbidden("this token may not send records: its role is read".into()));
    }
    if app.stopping() {
        return Err(Refusal::Stopping);
    }
    if let Some(peer) = head.extensions.get::<Peer>() {
        peer.trust();
    }
    Ok((grant, head.headers, body))
}

/// Decodes a post and makes it durable.
async fn take_in(app: App, grant: Arc<Grant>, post: Post) -> Result<(u64, usize), Refusal> {
    let App { inner } = app;
    let started = Instant::now();
    let turn = Arc::clone(&inner.decoders).acquire_owned().await;
    let turn = turn.map_err(|_| Refusal::Stopping)?;
    // Off the network threads: a large body takes a while to decode.
    let decoded = tokio::task::spawn_blocking(move || {
        let decoded = post.decode();
        drop(turn);
        decoded
    });
    let (batch, share) = decoded.await.map_err(|_| Refusal::Stopping)??;
    if let Some(source) = grant.send().and_then(|sources| sources.forbids(&batch)) {
        let text = format!("this token may not send records of the source {source:?}");
        return Err(Refusal::Forbidden(text));
    }
    let answer = (batch.records, batch.letters.len());
    let kinds = kinds(&batch);
    let copied = inner.tail.copy(&batch);
    inner.spool.append(batch).await.map_err(Refusal::Spool)?;
    inner.tail.publish(copied);
    drop(share);
    inner.metrics.made_durable(answer.0);
    inner.metrics.acknowledged(started.elapsed());
    for kind in &kinds {
        inner.metrics.quarantined(kind);
    }
    Ok(answer)
}

fn kinds(batch: &Append) -> Vec<String> {
    batch.letters.iter().map(|letter| letter.kind.clone()).collect()
}

#[cfg(test)]
mod tests;

//! The API, version 1, and the pages that are its client. docs/console.md describes it.

mod answer;
mod caller;
mod cursor;
mod delivery;
mod export;
mod flow;
mod guard;
mod histogram;
mod overview;
mod params;
mod record;
mod search;
mod session;
mod span;
mod tail;
mod turns;
mod views;
mod walk;

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Response, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, any, get};
use gatelog_collector::store::Store;
use gatelog_search::Searcher;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::audit::Audit;
use crate::metrics::Metrics;
use crate::pages;
use crate::tail::Tails;
use crate::views::Views;
use crate::who::{Viewer, Who};
use answer::Refusal;
use delivery::Accounts;
use turns::{Bound, Turn, Turns};

/// Maximum exports at once, in all and of one viewer.
const EXPORTS: (usize, usize) = (4, 1);
/// Maximum flows read at once, in all and of one viewer: each may take tens of megabytes.
const FLOWS: (usize, usize) = (2, 1);
/// Maximum overviews that are waited for or being sent, in all and of one viewer.
const OVERVIEWS: (usize, usize) = (16, 1);
/// Maximum overviews made at once: each may take tens of megabytes.
const OVERVIEWS_MADE: usize = 2;
/// Maximum changes of saved views at once, in all and of one viewer: so no other change of this console
/// comes between counting and saving.
const VIEW_CHANGES: (usize, usize) = (1, 1);
/// How long a request waits for its turn. They come in the order in which viewers asked.
const TURN_TIME: Duration = Duration::from_secs(5);

/// The bounds of what is asked.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum time that one query searches.
    pub query_time: Duration,
    /// Maximum queries at once.
    pub queries: usize,
    /// Maximum queries of one viewer at once.
    pub viewer_queries: usize,
    /// Maximum live tails at once.
    pub tails: usize,
    /// Maximum live tails of one viewer at once.
    pub viewer_tails: usize,
    /// Maximum records of one export.
    pub export_records: usize,
    /// After this time without news, the accounting considers a gateway gone.
    pub silent_after: Duration,
}

/// Where the records come from, and the saved views.
pub struct Sources {
    /// Those that are stored.
    pub store: Store,
    /// Those that arrive.
    pub tails: Tails,
    /// The saved views.
    pub views: Views,
}

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    searcher: Searcher,
    who: Who,
    audit: Audit,
    metrics: Metrics,
    limits: Limits,
    /// Whether the console itself serves TLS.
    tls: bool,
    tails: Tails,
    views: Views,
    queries: Turns,
    flows: Turns,
    exports: Turns,
    tail_turns: Turns,
    overviews: Turns,
    overviews_made: Semaphore,
    shared_overviews: overview::Shared,
    view_turns: Turns,
    accounts: Accounts,
}

impl App {
    /// The state of a server that shows what is there.
    pub fn new(
        Sources { store, tails, views }: Sources,
        who: Who,
        audit: Audit,
        metrics: Metrics,
        limits: Limits,
        tls: bool,
    ) -> Self {
        let inner = Inner {
            searcher: Searcher::new(store.database().clone()),
            store,
            who,
            audit,
            tails,
            views,
            metrics,
            limits,
            tls,
            queries: Turns::new("query", limits.queries, limits.viewer_queries),
            flows: Turns::new("flow", FLOWS.0, FLOWS.1),
            exports: Turns::new("export", EXPORTS.0, EXPORTS.1),
            tail_turns: Turns::new("tail", limits.tails, limits.viewer_tails),
            overviews: Turns::new("overview", OVERVIEWS.0, OVERVIEWS.1),
            overviews_made: Semaphore::new(OVERVIEWS_MADE),
            shared_overviews: overview::Shared::default(),
            view_turns: Turns::new("view", VIEW_CHANGES.0, VIEW_CHANGES.1),
            accounts: Accounts::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Who may see what.
    pub fn who(&self) -> &Who {
        &self.inner.who
    }

    /// The live tails.
    pub fn tails(&self) -> &Tails {
        &self.inner.tails
    }

    /// The turn of a viewer's query, held until its answer was read.
    async fn turn(&self, viewer: &Viewer) -> Result<Turn, Refusal> {
        self.turn_of(&self.inner.queries, viewer).await
    }

    async fn turn_of(&self, turns: &Turns, viewer: &Viewer) -> Result<Turn, Refusal> {
        self.turn_within(turns, viewer, TURN_TIME).await
    }

    /// A turn that nobody waits for.
    async fn turn_at_once(&self, turns: &Turns, viewer: &Viewer) -> Result<Turn, Refusal> {
        self.turn_within(turns, viewer, Duration::ZERO).await
    }

    async fn turn_within(
        &self,
        turns: &Turns,
        viewer: &Viewer,
        wait: Duration,
    ) -> Result<Turn, Refusal> {
        turns.take(viewer, wait).await.map_err(|bound| self.busy(turns.kind, bound))
    }

    /// A refusal, and its count, as a bound is reached.
    fn busy(&self, kind: &'static str, bound: Bound) -> Refusal {
        self.inner.metrics.turn_refused(kind, bound.name());
        Refusal::busy(kind, bound)
    }
}

/// The routes.
pub fn app(state: App) -> Router {
    let api = Router::new()
        .route(
            "/session",
            only(
                get(session::get).post(session::post).delete(session::delete),
                "GET, POST, DELETE",
            ),
        )
        .route("/search", only(get(search::search), "GET"))
        .route("/records/{level}/{id}", only(get(record::record), "GET"))
        .route("/flows/{id}", only(get(flow::flow), "GET"))
        .route("/histogram", only(get(histogram::histogram), "GET"))
        .route("/overview", only(get(overview::overview), "GET"))
        .route("/delivery", only(get(delivery::delivery), "GET"))
        .route("/export", only(get(export::export), "GET"))
        .route("/tail", only(get(tail::tail), "GET"))
        .route(
            "/views",
            only(get(views::get).put(views::put).delete(views::delete), "GET, PUT, DELETE"),
        )
        .fallback(any(|| async { Refusal::no_path() }))
        .layer(from_fn(guard::same_site))
        .layer(from_fn_with_state(state.clone(), guard::counted));
    let mut router = Router::new()
        .nest("/api/v1", api)
        .route("/healthz", only(get(health), "GET"))
        .route("/metrics", only(get(metrics), "GET"))
        .route("/assets/{name}", only(get(asset), "GET"));
    for page in pages::PAGES {
        router = router.route(page, only(get(shell), "GET"));
    }
    router
        .fallback(any(|| async { Refusal::no_path() }))
        .layer(from_fn(guard::headers))
        .with_state(state)
}

fn only(methods: MethodRouter<App>, allowed: &'static str) -> MethodRouter<App> {
    methods.fallback(move || refused(allowed))
}

fn refused(allowed: &'static str) -> Ready<Refusal> {
    ready(Refusal::method(allowed))
}

async fn shell(headers: HeaderMap) -> Response<Body> {
    pages::shell(&headers)
}

async fn asset(uri: Uri, headers: HeaderMap) -> Response<Body> {
    pages::asset(uri.path(), &headers).unwrap_or_else(|| Refusal::no_path().into_response())
}

/// 200 while the process can answer at all; the database is not asked.
async fn health() -> Response<Body> {
    answer::json(&json!({"status": "ok"}))
}

async fn metrics(State(app): State<App>) -> Response<Body> {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = app.inner.metrics.render(app.inner.who.sessions());
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
    response
}

#[cfg(test)]
mod tests;

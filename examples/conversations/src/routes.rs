//! What the service answers, and what it logs on the way.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use gatelog_tracing::{Outgoing, RequestLayer, timed};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use serde_json::json;
use tracing::{Instrument, error, info, info_span, instrument, warn};

/// Longer than what the gateway calls slow.
const EXPORT: Duration = Duration::from_millis(1_200);

/// The routes. [`RequestLayer`] is the outermost layer: everything within it has the request's ids.
pub(crate) fn app() -> Router {
    let conversation = "/api/v1/conversations/{id}";
    Router::new()
        .route(conversation, get(conversation_with_messages))
        .route(&format!("{conversation}/messages"), post(send_message))
        .route(&format!("{conversation}/summary"), get(summary))
        .route(&format!("{conversation}/export"), get(export))
        .fallback(async || (StatusCode::NOT_FOUND, "no such resource\n"))
        .with_state(Messages::new())
        .layer(RequestLayer::new())
}

/// The other service, behind the gateway.
#[derive(Clone)]
struct Messages {
    client: ClientWithMiddleware,
}

impl Messages {
    fn new() -> Self {
        // The gateway, and nobody else, is told whose request it is.
        let client = ClientBuilder::new(reqwest::Client::new());
        Self { client: client.with(Outgoing::to(["127.0.0.1"])).build() }
    }

    #[instrument(skip(self))]
    async fn call(&self, method: Method) -> anyhow::Result<StatusCode> {
        let file = std::env::var("GATEWAY_FILE")?;
        let gateway = tokio::task::spawn_blocking(|| std::fs::read_to_string(file)).await??;
        let url = format!("http://{}/api/v1/messages", gateway.trim());
        let reply = self.client.request(method, url).send().await?;
        Ok(reply.status())
    }
}

fn bad_gateway(error: &anyhow::Error) -> Response {
    error!(error = AsRef::<dyn Error>::as_ref(error), "messages could not be reached");
    (StatusCode::BAD_GATEWAY, "messages could not be reached\n").into_response()
}

#[instrument(skip(messages))]
async fn conversation_with_messages(
    State(messages): State<Messages>,
    Path(id): Path<String>,
) -> Response {
    if id == "missing" {
        warn!("no such conversation");
        return (StatusCode::NOT_FOUND, "no such conversation\n").into_response();
    }
    match messages.call(Method::GET).await {
        Ok(status) => {
            info!(messages = status.as_u16(), "conversation read");
            // A task of its own takes the ids along.
            tokio::spawn(async { info!("counted as read") }.in_current_span());
            Json(json!({ "id": id, "messages": status.as_u16() })).into_response()
        }
        Err(error) => bad_gateway(&error),
    }
}

#[instrument(skip(messages))]
async fn send_message(State(messages): State<Messages>, Path(id): Path<String>) -> Response {
    match messages.call(Method::POST).await {
        Ok(status) => {
            info!(audit = true, "message sent");
            status.into_response()
        }
        Err(error) => bad_gateway(&error),
    }
}

#[instrument]
async fn summary(Path(id): Path<String>) -> Response {
    let loaded = load_model("summary-1").instrument(info_span!("load_model")).await;
    if let Err(error) = loaded {
        error!(error = &error as &dyn Error, api_key = "s3cret", "the summary could not be made");
        return (StatusCode::INTERNAL_SERVER_ERROR, "the summary could not be made\n")
            .into_response();
    }
    "summary\n".into_response()
}

#[instrument]
async fn export(Path(id): Path<String>) -> Response {
    let mut work = timed("export");
    tokio::time::sleep(EXPORT).await;
    work.metric("messages_exported", 2);
    "exported\n".into_response()
}

/// Why there is no summary.
#[derive(Debug)]
struct ModelUnavailable {
    name: &'static str,
    cause: std::io::Error,
}

impl fmt::Display for ModelUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model {} is unavailable", self.name)
    }
}

impl Error for ModelUnavailable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

async fn load_model(name: &'static str) -> Result<(), ModelUnavailable> {
    tokio::task::yield_now().await;
    let cause = std::io::Error::from(std::io::ErrorKind::NotFound);
    Err(ModelUnavailable { name, cause })
}

//! Upstreams: small services whose response depends on the path, and that call each other through
//! the gateway, as in a real platform.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::Client;

/// Headers that a well-behaved service passes on to the services it calls.
const FORWARDED: [&str; 4] =
    ["x-correlation-id", "x-organization-id", "x-user-id", "x-conversation-id"];

/// Delay of the slow response: longer than the default of `record.slow_ms`.
const SLOW: Duration = Duration::from_millis(1200);

/// The gateway's address, once it runs: services start first, and are called only later.
pub type GatewayAddress = Arc<OnceLock<SocketAddr>>;

/// A service; it stops when this value is dropped.
#[derive(Debug)]
pub struct SampleService {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Drop for SampleService {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Calls {
    gateway: GatewayAddress,
    client: Client,
}

impl SampleService {
    /// Conversations: reads its messages from the other service, through the gateway.
    pub async fn conversations(gateway: GatewayAddress) -> Result<Self> {
        let conversation = "/api/v1/conversations/{id}";
        let app = Router::new()
            .route(conversation, get(conversation_with_messages))
            .route(&format!("{conversation}/messages"), post(send_message))
            .route(&format!("{conversation}/summary"), get(failing))
            .route(&format!("{conversation}/export"), get(slow))
            .fallback(async || (StatusCode::NOT_FOUND, "no such resource\n"))
            .with_state(Calls { gateway, client: Client::default() });
        Self::serve(app).await
    }

    /// Messages: responds immediately.
    pub async fn messages() -> Result<Self> {
        let app = Router::new()
            .route("/api/v1/messages", get(async || Json(json!(["hello", "hi"]))))
            .route("/api/v1/messages", post(async || (StatusCode::CREATED, Json(json!({})))))
            .fallback(async || (StatusCode::NOT_FOUND, "no such resource\n"));
        Self::serve(app).await
    }

    /// Responds to every request with the headers it received, as JSON, whatever the path.
    pub async fn echo() -> Result<Self> {
        Self::serve(Router::new().fallback(any(echo))).await
    }

    /// Serves `app` on a free port.
    pub async fn serve(app: Router) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            // Serves until aborted.
            drop(axum::serve(listener, app).await);
        });
        Ok(Self { address, server })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A local address that refuses every connection while the socket is kept: it is bound, so that
/// nothing else can take it, and never listens.
pub fn unreachable_address() -> Result<(SocketAddr, TcpSocket)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    Ok((socket.local_addr()?, socket))
}

impl Calls {
    async fn messages(&self, method: Method, incoming: &HeaderMap) -> Result<StatusCode> {
        let gateway = *self.gateway.get().context("the gateway has not started")?;
        let forwarded: Vec<(&str, &[u8])> = FORWARDED
            .iter()
            .filter_map(|name| Some((*name, incoming.get(*name)?.as_bytes())))
            .collect();
        let reply = self.client.send(gateway, method, "/api/v1/messages", &forwarded, "").await?;
        Ok(reply.status)
    }
}

fn bad_gateway(error: &anyhow::Error) -> Response {
    (StatusCode::BAD_GATEWAY, format!("{error:#}\n")).into_response()
}

async fn conversation_with_messages(
    State(calls): State<Calls>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if id == "missing" {
        return (StatusCode::NOT_FOUND, "no such conversation\n").into_response();
    }
    match calls.messages(Method::GET, &headers).await {
        Ok(status) => Json(json!({ "id": id, "messages": status.as_u16() })).into_response(),
        Err(error) => bad_gateway(&error),
    }
}

async fn send_message(State(calls): State<Calls>, headers: HeaderMap, _body: Bytes) -> Response {
    match calls.messages(Method::POST, &headers).await {
        Ok(status) => status.into_response(),
        Err(error) => bad_gateway(&error),
    }
}

async fn failing() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "the summary could not be made\n").into_response()
}

async fn slow() -> Response {
    sleep(SLOW).await;
    Body::from("exported\n").into_response()
}

async fn echo(headers: HeaderMap) -> Json<Value> {
    let seen = headers.iter().map(|(name, value)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned().into())
    });
    Json(Value::Object(seen.collect::<Map<_, _>>()))
}

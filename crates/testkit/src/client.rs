//! A plain HTTP client that can also send what a well-behaved client would not.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client as Connections;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Timeout of one request.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends requests over kept-alive HTTP/1.1 connections.
#[derive(Clone, Debug)]
pub struct Client {
    connections: Connections<HttpConnector, Body>,
}

/// A complete response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// A header as text; empty if it is absent or not text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {:?}", self.text()))
    }
}

impl Default for Client {
    fn default() -> Self {
        Self { connections: Connections::builder(TokioExecutor::new()).build_http() }
    }
}

impl Client {
    /// `GET path` without extra headers.
    pub async fn get(&self, address: SocketAddr, path: &str) -> Result<Reply> {
        self.send(address, Method::GET, path, &[], "").await
    }

    /// Sends one request. Header values are bytes: they need not be UTF-8.
    pub async fn send(
        &self,
        address: SocketAddr,
        method: Method,
        path: &str,
        headers: &[(&str, &[u8])],
        body: impl Into<Body>,
    ) -> Result<Reply> {
        let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.request(request.body(body.into())?).await
    }

    /// Sends `request` and reads the whole response.
    pub async fn request(&self, request: Request<Body>) -> Result<Reply> {
        let what = format!("{} {}", request.method(), request.uri());
        let exchange = async {
            let (head, body) = self.connections.request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            anyhow::Ok(Reply { status: head.status, headers: head.headers, body })
        };
        timeout(PATIENCE, exchange)
            .await
            .with_context(|| format!("{what}: no whole response within {PATIENCE:?}"))?
            .context(what)
    }
}

/// Writes `bytes` verbatim and reads until the peer closes; closes the connection itself after
/// `patience`.
pub async fn raw_exchange(
    address: SocketAddr,
    bytes: &[u8],
    patience: Duration,
) -> Result<Vec<u8>> {
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(bytes).await?;
    let mut answer = Vec::new();
    // Whatever arrived before the timeout is the response.
    drop(timeout(patience, connection.read_to_end(&mut answer)).await);
    Ok(answer)
}

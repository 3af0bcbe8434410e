//! Upstreams that misbehave on purpose, below HTTP libraries.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, Response};
use axum::routing::post;
use gatelog_testkit::SampleService;
use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Longer than any test waits: a client or Envoy ends it.
const NEVER: Duration = Duration::from_mins(5);

/// An HTTP/1.1 upstream over plain TCP; the path says what it does.
pub(crate) struct RawUpstream {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Drop for RawUpstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl RawUpstream {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut connection = connection;
                    // These cases are about broken connections.
                    drop(serve(&mut connection).await);
                });
            }
        });
        Ok(Self { address, server })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(connection: &mut TcpStream) -> Result<()> {
    loop {
        let head = read_head(connection).await?;
        let path = head.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
        let attempt = header(&head, "x-envoy-attempt-count").unwrap_or("1");
        let answer = match path.rsplit('/').next().unwrap_or_default() {
            "close" => return Ok(()),
            "half" => {
                connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await?;
                // The response's headers must be sent before the connection ends.
                connection.flush().await?;
                sleep(Duration::from_millis(50)).await;
                return Ok(());
            }
            "garbage" => {
                connection.write_all(b"this is no HTTP\r\n\r\n").await?;
                return Ok(());
            }
            "never" => {
                sleep(NEVER).await;
                return Ok(());
            }
            "endless" => {
                connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome").await?;
                sleep(NEVER).await;
                return Ok(());
            }
            "flaky" if attempt == "1" => "503 Service Unavailable\r\ncontent-length: 0".to_owned(),
            "redirect" => {
                "302 Found\r\nlocation: http://gateway/raw/ok\r\ncontent-length: 0".to_owned()
            }
            "timing" => {
                "200 OK\r\nserver-timing: db;dur=12.5, app;dur=3\r\nserver-timing: cache;dur=1\r\n\
                 content-length: 0"
                    .to_owned()
            }
            "tunnel:80" => {
                connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                return echo(connection).await;
            }
            "bytes" => {
                "200 OK\r\nserver-timing: \u{fffd};dur=1\r\nx-odd: \u{1f}\r\ncontent-length: 0"
                    .replace('\u{1f}', "\t")
            }
            "websocket" => {
                connection
                    .write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
                    .await?;
                return echo(connection).await;
            }
            status if status.parse::<u16>().is_ok() => {
                format!("{status} Status\r\ncontent-length: 0")
            }
            _ => "200 OK\r\ncontent-length: 2".to_owned(),
        };
        let body = if answer.ends_with("length: 2") { "ok" } else { "" };
        connection.write_all(format!("HTTP/1.1 {answer}\r\n\r\n{body}").as_bytes()).await?;
    }
}

/// Echoes what a WebSocket carries, unchanged.
async fn echo(connection: &mut TcpStream) -> Result<()> {
    let mut bytes = [0; 1024];
    loop {
        match connection.read(&mut bytes).await? {
            0 => return Ok(()),
            read => connection.write_all(&bytes[..read]).await?,
        }
    }
}

/// Reads a request's head, and discards its body of known length.
async fn read_head(connection: &mut TcpStream) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = header(&head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await?;
    Ok(head)
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A gRPC upstream over HTTP/2: `/grpc.Test/<code>` answers with that status in its trailers,
/// `/grpc.Test/none` with trailers that have none, `/grpc.Test/html-<status>` with a page.
pub(crate) async fn grpc() -> Result<SampleService> {
    let app = Router::new().route("/grpc.Test/{code}", post(call));
    SampleService::serve(app).await
}

async fn call(Path(code): Path<String>) -> Response<Body> {
    if let Some(status) = code.strip_prefix("html-").and_then(|status| status.parse().ok()) {
        let mut page = Response::new(Body::from("<p>not a gRPC service</p>"));
        *page.status_mut() = axum::http::StatusCode::from_u16(status).unwrap_or_default();
        page.headers_mut().insert("content-type", HeaderValue::from_static("text/html"));
        return page;
    }
    let mut trailers = HeaderMap::new();
    match HeaderValue::from_str(&code) {
        Ok(value) if code != "none" => drop(trailers.insert("grpc-status", value)),
        _ => drop(trailers.insert("x-trailer", HeaderValue::from_static("1"))),
    }
    let frames = [
        Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(b"\0\0\0\0\0"))),
        Ok(Frame::trailers(trailers)),
    ];
    let mut response =
        Response::new(Body::new(StreamBody::new(futures_util::stream::iter(frames))));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

//! Everything that can be sent, each by one sender that sends it repeatedly.

mod logs;

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Result;
use axum::body::HttpBody;
use axum::http::Method;
use flate2::Compression;
use flate2::write::GzEncoder;
use gatelog_record::Uuid;
use gatelog_testkit::{Client, Reply};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::{Bytes, Frame};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(crate) type Sender = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Longer than the collector allows anything to wait.
const HELD: Duration = Duration::from_secs(6);
/// Silent connections of each kind.
const SILENT: usize = 60;
/// HTTP/2 connections that open as many posts as allowed, and more.
const CROWDED: usize = 64;
const STREAMS: usize = 32;
/// Connections whose head is not finished, and its size in bytes.
const UNFINISHED: usize = 700;
const UNFINISHED_BYTES: usize = 12 << 10;

/// A path and the type of what is posted there.
pub(crate) type Door = (&'static str, &'static [u8]);

const RECORDS: Door = ("/v1/records", b"application/x-ndjson");

/// All senders; each ends after `rounds` rounds.
pub(crate) fn all(address: SocketAddr, rounds: usize) -> Vec<Sender> {
    let mut senders: Vec<Sender> = Vec::new();
    for body in [boots(), records(), letters(), values(), names(), reasons()] {
        let zipped = zip(&body);
        senders.push(Box::pin(posts(address, rounds, RECORDS, body, false)));
        senders.push(Box::pin(posts(address, rounds, RECORDS, zipped, true)));
    }
    senders.push(Box::pin(posts(address, rounds, RECORDS, bomb(), true)));
    for (door, body) in logs::all() {
        let zipped = zip(&body);
        senders.push(Box::pin(posts(address, rounds, door, body, false)));
        senders.push(Box::pin(posts(address, rounds, door, zipped, true)));
    }
    senders.push(Box::pin(floods(address, rounds)));
    senders.push(Box::pin(silent(address, rounds)));
    senders.push(Box::pin(unfinished(address, rounds)));
    senders.push(Box::pin(crowded(address, rounds)));
    senders.push(Box::pin(cancelled(address, rounds)));
    senders.push(Box::pin(large_heads(address, rounds)));
    for path in ["/v1/accounting", "/metrics"] {
        for _ in 0..8 {
            senders.push(Box::pin(readers(address, rounds, path)));
        }
        senders.push(Box::pin(unread(address, rounds, path)));
    }
    senders
}

fn zip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bomb() -> Vec<u8> {
    zip(&vec![b'\n'; 64 << 20])
}

fn line(more: &str) -> String {
    let id = Uuid::new_v4();
    format!(
        r#"{{"timestamp":"2026-01-26T02:11:57.469652+00:00","level":"INFO","message":"m","id":"{id}"{more}}}"#
    )
}

/// Every record belongs to a different boot.
pub(crate) fn boots() -> Vec<u8> {
    let source = |seq: u32| {
        format!(r#","source":{{"gateway":"edge-{seq}","boot":"{}","seq":{seq}}}"#, Uuid::new_v4())
    };
    let lines: Vec<String> = (1..=10_000).map(|seq| line(&source(seq))).collect();
    lines.join("\n").into_bytes()
}

/// Records of one boot, with only every other number.
fn records() -> Vec<u8> {
    let boot = Uuid::new_v4();
    let source = |seq: u32| {
        let seq = seq * 2;
        format!(
            r#","extra":{{"x":"{}"}},"source":{{"gateway":"edge","boot":"{boot}","seq":{seq}}}"#,
            "x".repeat(100)
        )
    };
    let lines: Vec<String> = (1..=9_000).map(|seq| line(&source(seq))).collect();
    lines.join("\n").into_bytes()
}

fn letters() -> Vec<u8> {
    b"x\n".repeat(10_000)
}

/// Values with two bytes of text each that take many times that in memory; some records too deep,
/// some with too many.
fn values() -> Vec<u8> {
    let of = |count: usize| line(&format!(r#","extra":{{"x":[{}0]}}"#, "0,".repeat(count)));
    let parsed = line(&format!(
        r#","extra":{{"a":{{"$serde_json::private::RawValue":"{}"}}}}"#,
        "[".repeat(6_000)
    ));
    let mut lines = vec![of(400_000), line(&format!(r#","x":{}"#, "[".repeat(100_000))), parsed];
    lines.extend((0..20).map(|_| of(16_000)));
    lines.join("\n").into_bytes()
}

/// Gateways with long names, in records and in quarantined lines.
fn names() -> Vec<u8> {
    let source = |name: usize, seq: i64| {
        let (name, boot) = ("g".repeat(name), Uuid::new_v4());
        line(&format!(r#","source":{{"gateway":"{name}","boot":"{boot}","seq":{seq}}}"#))
    };
    let lines = [source(128, 1), source(900_000, 1), source(3 << 20, 1), source(900_000, -1)];
    lines.join("\n").into_bytes()
}

fn reasons() -> Vec<u8> {
    let reasons: Vec<String> =
        (0..100_000).map(|reason| format!("\"reason-{reason}\":1")).collect();
    let boot = Uuid::new_v4();
    format!(
        r#"{{"batch":{{"v":1,"gateway":"{}","boot":"{boot}","assigned":18446744073709551615,"queued":0,"dropped":{{{}}}}}}}"#,
        "g".repeat(1 << 20),
        reasons.join(",")
    )
    .into_bytes()
}

/// Posts once.
pub(crate) async fn post(address: SocketAddr, body: Vec<u8>) -> Result<Reply> {
    let headers: [(&str, &[u8]); 1] = [("content-type", b"application/x-ndjson")];
    Client::default().send(address, Method::POST, "/v1/records", &headers, body).await
}

async fn posts(address: SocketAddr, rounds: usize, door: Door, body: Vec<u8>, zipped: bool) {
    let (path, content_type) = door;
    let body = Bytes::from(body);
    for _ in 0..rounds {
        let client = Client::default();
        let mut headers = vec![("content-type", content_type)];
        if zipped {
            headers.push(("content-encoding", b"gzip"));
        }
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let (client, headers, body) = (client.clone(), headers.clone(), body.clone());
            tasks.spawn(async move {
                // Accepted or refused, or closed because it was idle when others arrived.
                let _ = client.send(address, Method::POST, path, &headers, body).await;
            });
        }
        tasks.join_all().await;
    }
}

/// A hundred megabytes of unannounced length, written until the collector stops reading.
async fn floods(address: SocketAddr, rounds: usize) {
    let head = b"POST /v1/records HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = [&b"10000\r\n"[..], &vec![b'['; 64 << 10], b"\r\n"].concat();
    for _ in 0..rounds {
        let mut tasks = JoinSet::new();
        for _ in 0..12 {
            let chunk = chunk.clone();
            tasks.spawn(async move {
                let Ok(mut stream) = TcpStream::connect(address).await else { return };
                let _ = stream.write_all(head).await;
                for _ in 0..1_600 {
                    if !matches!(timeout(HELD, stream.write_all(&chunk)).await, Ok(Ok(()))) {
                        return;
                    }
                }
            });
        }
        tasks.join_all().await;
    }
}

/// Connections that send nothing, or not enough.
async fn silent(address: SocketAddr, rounds: usize) {
    for _ in 0..rounds {
        let mut open = Vec::new();
        for text in [&b""[..], b"PRI * HT", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"POST /v1/rec"] {
            for _ in 0..SILENT {
                let Ok(mut stream) = TcpStream::connect(address).await else { continue };
                let _ = stream.write_all(text).await;
                open.push(stream);
            }
        }
        tokio::time::sleep(HELD / 2).await;
    }
}

/// Connections that send a long head and do not finish it.
async fn unfinished(address: SocketAddr, rounds: usize) {
    let head = [&b"GET / HTTP/1.1\r\nx: "[..], &vec![b'x'; UNFINISHED_BYTES]].concat();
    for _ in 0..rounds {
        let mut open = Vec::new();
        for _ in 0..UNFINISHED {
            let Ok(mut stream) = TcpStream::connect(address).await else { continue };
            let _ = timeout(HELD, stream.write_all(&head)).await;
            open.push(stream);
        }
        tokio::time::sleep(HELD / 2).await;
    }
}

type Out = BoxBody<Bytes, Infallible>;

/// A body that never arrives.
struct Never;

impl HttpBody for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

async fn connect(address: SocketAddr, window: u32) -> Option<SendRequest<Out>> {
    let io = TokioIo::new(TcpStream::connect(address).await.ok()?);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (sender, connection) = builder.handshake(io).await.ok()?;
    tokio::spawn(connection);
    Some(sender)
}

fn request(
    method: &str,
    address: SocketAddr,
    path: &str,
    headers: usize,
    body: Out,
) -> Request<Out> {
    let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    request = request.header("content-type", "application/x-ndjson");
    // Each counts 32 bytes on top of its own size, and takes more than that.
    for number in 0..headers {
        request = request.header(format!("x-{number:03}"), "v");
    }
    request.body(body).unwrap()
}

/// Concurrent posts on many connections, with as many headers as allowed, and no body.
async fn crowded(address: SocketAddr, rounds: usize) {
    for _ in 0..rounds.div_ceil(2) {
        let mut open = Vec::new();
        let mut waiting = JoinSet::new();
        for _ in 0..CROWDED {
            let Some(sender) = connect(address, 1).await else { continue };
            for _ in 0..STREAMS {
                let (mut sender, body) = (sender.clone(), Never.boxed());
                let post = request("POST", address, "/v1/records", 380, body);
                waiting.spawn(async move {
                    let _ = timeout(HELD, sender.send_request(post)).await;
                });
            }
            open.push(sender);
        }
        waiting.join_all().await;
    }
}

/// Posts whose client disconnects as soon as they are sent.
async fn cancelled(address: SocketAddr, rounds: usize) {
    let body = Bytes::from(b"x\n".repeat(200_000));
    for _ in 0..rounds * 5 {
        let Some(sender) = connect(address, 1 << 16).await else { continue };
        let mut waiting = JoinSet::new();
        for wait in 0..40 {
            let (mut sender, body) = (sender.clone(), Full::new(body.clone()).boxed());
            waiting.spawn(async move {
                let post = sender.send_request(request("POST", address, "/v1/records", 0, body));
                let _ = timeout(Duration::from_millis(wait * 3), post).await;
            });
        }
        waiting.join_all().await;
    }
}

/// Request heads that exceed every bound.
async fn large_heads(address: SocketAddr, rounds: usize) {
    let head = [&b"GET / HTTP/1.1\r\nx: "[..], &vec![b'x'; 1 << 20]].concat();
    for _ in 0..rounds {
        for _ in 0..20 {
            let Ok(mut stream) = TcpStream::connect(address).await else { continue };
            let _ = timeout(HELD, stream.write_all(&head)).await;
        }
        if let Some(mut sender) = connect(address, 1 << 16).await {
            let get = request("GET", address, "/healthz", 20_000, Never.boxed());
            let _ = timeout(HELD, sender.send_request(get)).await;
        }
    }
}

async fn readers(address: SocketAddr, rounds: usize, path: &str) {
    let client = Client::default();
    for _ in 0..rounds * 20 {
        let _ = client.get(address, path).await;
    }
}

/// Responses that are never read.
async fn unread(address: SocketAddr, rounds: usize, path: &'static str) {
    let pipelined = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").repeat(50);
    for _ in 0..rounds.div_ceil(2) {
        let (mut open, mut waiting) = (Vec::new(), JoinSet::new());
        for _ in 0..20 {
            if let Ok(mut stream) = TcpStream::connect(address).await {
                let _ = stream.write_all(pipelined.as_bytes()).await;
                open.push(stream);
            }
            let Some(sender) = connect(address, 1).await else { continue };
            for _ in 0..16 {
                let mut sender = sender.clone();
                waiting.spawn(async move {
                    let get = request("GET", address, path, 0, Full::default().boxed());
                    // The response's head arrives; its body is left unread.
                    let answer = sender.send_request(get).await;
                    tokio::time::sleep(HELD).await;
                    drop(answer);
                });
            }
        }
        waiting.join_all().await;
    }
}

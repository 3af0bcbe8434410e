//! Connections: their limits, HTTP/2, TLS, changing tokens.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gatelog_record::Uuid;
use gatelog_testkit::{
    Client, Collector, CollectorOptions, Database, Signal, eventually, raw_exchange,
};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::load::{PATIENCE, batch, post};

async fn start(environment: &[(&str, &str)]) -> Collector {
    let database = Database::fresh().await.unwrap();
    let environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Collector::start(&database, CollectorOptions { environment }).await.unwrap()
}

/// Posts over HTTP/2 and returns the status.
async fn post_h2<S>(stream: S, scheme: &str, address: SocketAddr) -> Result<u16>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
    tokio::spawn(connection);
    let request = Request::post(format!("{scheme}://{address}/v1/records"))
        .header("content-type", "application/x-ndjson")
        .body(Full::new(Bytes::from(batch(Uuid::new_v4(), 1..=3, 3))))?;
    Ok(sender.send_request(request).await?.status().as_u16())
}

/// Regression: its connection was closed while it was writing, and the response was lost, which
/// Envoy turned into a 503.
#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_writes_all_of_a_body_that_is_too_large_reads_the_answer() {
    let collector =
        start(&[("GATELOG_MAX_BODY_BYTES", "64KiB"), ("GATELOG_MAX_DECODED_BYTES", "64KiB")]).await;
    let body = vec![b'x'; 8 << 20];
    for framing in ["content-length: 8388608", "transfer-encoding: chunked"] {
        let mut stream = TcpStream::connect(collector.address()).await.unwrap();
        let head = format!(
            "POST /v1/records HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n{framing}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        if framing.ends_with("chunked") {
            stream.write_all(b"800000\r\n").await.unwrap();
        }
        stream.write_all(&body).await.unwrap();
        if framing.ends_with("chunked") {
            stream.write_all(b"\r\n0\r\n\r\n").await.unwrap();
        }
        let mut answer = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413", "{framing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_without_tls_is_understood() {
    let collector = start(&[]).await;
    let stream = TcpStream::connect(collector.address()).await.unwrap();
    assert_eq!(post_h2(stream, "http", collector.address()).await.unwrap(), 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_of_slow_headers_is_cut_off() {
    let collector = start(&[("GATELOG_HEADER_TIMEOUT", "1s")]).await;
    let began = Instant::now();
    let head = b"POST /v1/records HTTP/1.1\r\nhost: x\r\n";
    raw_exchange(collector.address(), head, PATIENCE).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_of_a_slow_body_is_told_so() {
    let collector = start(&[("GATELOG_BODY_TIMEOUT", "1s")]).await;
    let head = b"POST /v1/records HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n[";
    let answer = raw_exchange(collector.address(), head, Duration::from_secs(10)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_gets_no_record_and_harms_nobody() {
    let collector = start(&[]).await;
    for junk in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"\x00\xff\xfe",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\njunk",
    ] {
        raw_exchange(collector.address(), junk, Duration::from_millis(200)).await.unwrap();
    }
    let long = [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'x'; 1 << 20]].concat();
    // The collector may close while this is still being written.
    let _ = raw_exchange(collector.address(), &long, Duration::from_secs(5)).await;
    assert_eq!(collector.get("/healthz").await.unwrap().status, 200);
}

/// A metric's value.
async fn metric(collector: &Collector, name: &str) -> Result<u64> {
    let metrics = collector.get("/metrics").await?.text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {name}"))?.trim().parse()?)
}

/// Things that a connection may send that are not a request.
const MUTE: [&[u8]; 6] = [
    b"",
    b"PRI * HT",
    b"PRI * HTTP/2.0\r\n\r\nSM",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    b"POST /v1/rec",
    b"POST /v1/records HTTP/1.1\r\nhost: x\r\ncontent-type: app",
];

async fn say(address: SocketAddr, text: &[u8]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(text).await?;
    Ok(stream)
}

/// Returns when the peer has closed the connection.
async fn closed(mut stream: impl AsyncRead + Unpin) {
    let mut rest = Vec::new();
    // A reset counts as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("still open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_request_is_closed_in_time_whatever_it_says() {
    let collector = start(&[("GATELOG_HEADER_TIMEOUT", "1s")]).await;
    let address = collector.address();
    let mut tasks = JoinSet::new();
    for text in MUTE {
        let stream = say(address, text).await.unwrap();
        tasks.spawn(closed(stream));
    }
    // After a response as well.
    let health = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    tasks.spawn(closed(say(address, health).await.unwrap()));
    // A connection that answers pings is told to close in an orderly way.
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), io).await.unwrap();
    tasks.spawn(async move {
        timeout(PATIENCE, connection).await.expect("still open").unwrap();
        drop(sender);
    });
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let idle = metric(&collector, "gatelog_collector_connections_idle_total").await.unwrap();
    assert_eq!(idle, MUTE.len() as u64 + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_shut_nobody_out() {
    let collector = start(&[("GATELOG_MAX_CONNECTIONS", "8")]).await;
    let address = collector.address();
    let mut held = Vec::new();
    for text in MUTE {
        for _ in 0..8 {
            held.push(say(address, text).await.unwrap());
        }
        let client = Client::default();
        let reply = post(&client, address, batch(Uuid::new_v4(), 1..=3, 3)).await.unwrap();
        assert_eq!(reply.status, 202, "beside {}", text.escape_ascii());
    }
    let evicted = metric(&collector, "gatelog_collector_connections_evicted_total").await.unwrap();
    assert!(evicted >= 40, "{evicted} gave way");
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_bound_of_connections_with_a_request_new_ones_are_closed_and_counted() {
    let collector =
        start(&[("GATELOG_MAX_CONNECTIONS", "4"), ("GATELOG_BODY_TIMEOUT", "60s")]).await;
    let address = collector.address();
    let head = b"POST /v1/records HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = say(address, head).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100");
        open.push(stream);
    }
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = raw_exchange(address, request, PATIENCE).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.is_empty()), "answered");
    drop(open);
    eventually("places are given back", PATIENCE, async || {
        let refused = metric(&collector, "gatelog_collector_connections_refused_total").await?;
        ensure!(refused > 0, "none was refused");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_changed_without_a_restart() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tokens");
    fs::write(&file, "old-0123456789abcdef\n").unwrap();
    let mut collector = start(&[("GATELOG_TOKENS_FILE", file.to_str().unwrap())]).await;
    assert_eq!(asks(&collector, "old-0123456789abcdef").await, 200);
    fs::write(&file, "old-0123456789abcdef\nnew-0123456789abcdef\n").unwrap();
    eventually("the new token is in force", PATIENCE, async || {
        ensure!(asks(&collector, "new-0123456789abcdef").await == 200, "not yet");
        Ok(())
    })
    .await
    .unwrap();
    fs::write(&file, "new-0123456789abcdef\n").unwrap();
    collector.process().signal(Signal::HUP).unwrap();
    eventually("the old token is no more", PATIENCE, async || {
        ensure!(asks(&collector, "old-0123456789abcdef").await == 401, "still");
        Ok(())
    })
    .await
    .unwrap();
}

async fn asks(collector: &Collector, token: &str) -> u16 {
    let value = format!("Bearer {token}");
    let headers: [(&str, &[u8]); 1] = [("authorization", value.as_bytes())];
    let get = axum::http::Method::GET;
    let client = Client::default();
    let reply = client.send(collector.address(), get, "/v1/accounting", &headers, "");
    reply.await.unwrap().status.as_u16()
}

/// A certificate authority, a server's certificate and a client's, as files.
fn certificates(directory: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    fs::write(directory.join("ca.pem"), authority.pem()).unwrap();
    let issuer = Issuer::new(params, authority_key);
    for name in ["server", "client"] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

async fn post_tls(directory: &Path, address: SocketAddr, identity: bool) -> Result<u16> {
    post_h2(connect_tls(directory, address, identity).await?, "https", address).await
}

async fn connect_tls(
    directory: &Path,
    address: SocketAddr,
    identity: bool,
) -> Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(directory.join("ca.pem"))?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = if identity {
        let chain = vec![CertificateDer::from_pem_file(directory.join("client.pem"))?];
        let key = PrivateKeyDer::from_pem_file(directory.join("client.key"))?;
        config.with_client_auth_cert(chain, key)?
    } else {
        config.with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::new(config));
    Ok(connector.connect(ServerName::try_from("localhost")?, stream).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_connection_without_a_request_is_closed_in_time() {
    let directory = TempDir::new().unwrap();
    certificates(directory.path());
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (cert, key) = (path("server.pem"), path("server.key"));
    let collector = start(&[
        ("GATELOG_TLS_CERT", cert.as_str()),
        ("GATELOG_TLS_KEY", key.as_str()),
        ("GATELOG_HEADER_TIMEOUT", "1s"),
    ])
    .await;
    // The beginning of a handshake, and a complete one.
    closed(say(collector.address(), b"\x16\x03\x01\x02\0\x01\0\x01\xfc").await.unwrap()).await;
    closed(connect_tls(directory.path(), collector.address(), false).await.unwrap()).await;
    assert_eq!(post_tls(directory.path(), collector.address(), false).await.unwrap(), 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_served_and_a_client_certificate_asked_for() {
    let directory = TempDir::new().unwrap();
    certificates(directory.path());
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (cert, key, ca) = (path("server.pem"), path("server.key"), path("ca.pem"));
    let tls = [("GATELOG_TLS_CERT", cert.as_str()), ("GATELOG_TLS_KEY", key.as_str())];
    let collector = start(&tls).await;
    assert_eq!(post_tls(directory.path(), collector.address(), false).await.unwrap(), 202);
    assert!(post(&Client::default(), collector.address(), "").await.is_err(), "plain HTTP");

    let mutual = [tls[0], tls[1], ("GATELOG_TLS_CLIENT_CA", ca.as_str())];
    let collector = start(&mutual).await;
    assert_eq!(post_tls(directory.path(), collector.address(), true).await.unwrap(), 202);
    assert!(post_tls(directory.path(), collector.address(), false).await.is_err());
    // The collector's own client works the same way.
    let journal = directory.path().join("journal");
    fs::write(&journal, crate::load::record(Uuid::new_v4(), 1)).unwrap();
    let url = format!("https://localhost:{}", collector.address().port());
    let (cert, key) = (path("client.pem"), path("client.key"));
    let mut replay = collector
        .command(&["replay", "--url", &url, "--ca", &ca, "--cert", &cert, "--key", &key])
        .unwrap();
    let output = replay.arg(&journal).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"sent\":1"));
}

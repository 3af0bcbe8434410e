//! Hostile bytes, with and without the filter: the answers must be the same, apart from the ids, and
//! every stream has one well-formed record.
//!
//! `GATELOG_HOSTILE_REQUESTS` and `GATELOG_HOSTILE_SEED` choose the length and the bytes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use gatelog_record::Uuid;
use gatelog_record::decode::{DecodeLimits, decode_record};
use gatelog_testkit::{SampleService, eventually};
use http_body_util::{BodyExt, Collected};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::rig::Rig;

/// The short form; the long one is a million.
const REQUESTS: u64 = 3_000;

/// Maximum time for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Headers that differ by design, or from one request to the next.
const OWN: [&str; 5] = [
    "x-request-id",
    "x-correlation-id",
    "date",
    "x-envoy-upstream-service-time",
    "x-forwarded-for",
];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A small generator of pseudorandom numbers (SplitMix64): the same bytes for the same seed.
struct Random(u64);

impl Random {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.draw() % bound as u64).unwrap_or(0)
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// Bytes of a header's value that the codec accepts, unless `wild`.
    fn value(&mut self, most: usize, wild: bool) -> Vec<u8> {
        let length = self.below(most + 1);
        let opaque = self.below(2) == 0;
        let byte = |random: &mut Self| {
            let [byte, ..] = random.draw().to_le_bytes();
            match (wild, opaque) {
                (true, _) if byte < 0x30 => byte.max(1),
                (_, true) => byte | 0x80,
                (_, false) => b' ' + byte % 95,
            }
        };
        let bytes: Vec<u8> = (0..length).map(|_| byte(self)).collect();
        bytes
            .into_iter()
            .map(|byte| if matches!(byte, b'\r' | b'\n') { b'x' } else { byte })
            .collect()
    }

    /// Bytes of a path or query that Envoy accepts, unless `wild`.
    fn target(&mut self, most: usize, wild: bool) -> Vec<u8> {
        let plain: &[u8] = if wild {
            b"aZ0-._~!$&'()*+,;=:@/?[]{}|^`<>\"\\%#"
        } else {
            b"aZ0-._~!$&'()*+,;=:@/?%"
        };
        let length = self.below(most + 1);
        let mut target = Vec::new();
        while target.len() < length {
            match (wild && self.below(8) == 0, plain[self.below(plain.len())]) {
                (true, _) => {
                    target.extend(self.value(2, true).iter().filter(|byte| **byte != b' '));
                }
                (false, b'%') => {
                    target.extend(format!("%{:02x}", 0x20 + self.below(0xe0)).as_bytes());
                }
                (false, byte) => target.push(byte),
            }
        }
        target
    }
}

/// Methods whose requests always belong to the audit trail.
const CHANGES: [&[u8]; 5] = [b"POST", b"PUT", b"DELETE", b"PATCH", b"PURGE"];

/// One marked request, which Envoy's codec mostly accepts, so that it reaches the filter. Also returns
/// whether it changes something.
fn request(random: &mut Random, mark: &str) -> (Vec<u8>, bool) {
    let wild = random.below(4) == 0;
    let mut request = Vec::new();
    let known = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "PURGE"];
    let method = match random.below(10) {
        0 if wild => random.value(12, true),
        _ => random.pick(&known).as_bytes().to_vec(),
    };
    request.extend(&method);
    if random.below(8) == 0 {
        request.extend(b" ");
        request.extend(random.pick(&["/healthz", "/metrics", "/ready"]).as_bytes());
    } else {
        request.extend(b" /echo/");
        request.extend(random.target(200, wild));
    }
    if random.below(2) == 0 {
        request.extend(b"?token=");
        request.extend(random.target(60, wild));
    }
    request.extend(format!(" HTTP/1.1\r\nhost: g\r\nx-hostile: {mark}\r\n").as_bytes());
    let names = [
        "x-request-id",
        "x-client-request-id",
        "x-correlation-id",
        "traceparent",
        "tracestate",
        "x-organization-id",
        "x-user-id",
        "x-conversation-id",
        "user-agent",
        "authorization",
        "cookie",
        "referer",
        "server-timing",
        "content-type",
        "x-forwarded-for",
        "x-region",
        "x-http-method-override",
    ];
    for _ in 0..random.below(10) {
        request.extend(random.pick(&names).as_bytes());
        request.extend(b": ");
        match random.below(6) {
            0 => request.extend(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            1 => request.extend(
                random.pick(&["application/grpc", "Envoy/HC", "kube-probe/1.33", "GET"]).as_bytes(),
            ),
            2 => request.extend(random.value(3_000, wild)),
            _ => request.extend(random.value(100, wild)),
        }
        request.extend(b"\r\n");
    }
    match random.below(4) {
        0 => {
            let body = random.value(300, true);
            request.extend(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
            request.extend(body);
        }
        1 => {
            request.extend(b"transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-trailer: ");
            request.extend(random.value(80, wild));
            request.extend(b"\r\n\r\n");
        }
        _ => request.extend(b"\r\n"),
    }
    (request, CHANGES.contains(&method.as_slice()))
}

/// Sends requests over one connection, as long as the peer keeps it open.
struct Connection {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Connection {
    /// The answer's status line, headers and body, without what differs by design.
    async fn exchange(&mut self, request: &[u8]) -> Result<String> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufReader::new(TcpStream::connect(self.address).await?),
        };
        stream.write_all(request).await?;
        let mut answer = Vec::new();
        let head = request.starts_with(b"HEAD");
        // Whatever has arrived by then, complete or not, is the answer.
        if let Ok(Ok(true)) = timeout(PATIENCE, read_answer(&mut stream, &mut answer, head)).await {
            self.stream = Some(stream);
        }
        Ok(comparable(&answer))
    }
}

/// Reads one answer; returns whether the connection can be reused.
async fn read_answer(
    stream: &mut BufReader<TcpStream>,
    answer: &mut Vec<u8>,
    bodiless: bool,
) -> Result<bool> {
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(answer).to_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split('\r').next()?.parse().ok());
    let mut body = vec![0; if bodiless { 0 } else { length.unwrap_or(0) }];
    stream.read_exact(&mut body).await?;
    answer.extend(body);
    Ok(!head.contains("connection: close") && head.starts_with("http/1.1 200"))
}

fn comparable(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let own =
        |line: &str| OWN.iter().any(|name| line.to_lowercase().starts_with(&format!("{name}:")));
    text.lines().filter(|line| !own(line)).collect::<Vec<_>>().join("\n")
}

/// Answers with everything it received, so that an altered request shows in the answer.
async fn mirror() -> SampleService {
    let app = Router::new().fallback(any(async |request: Request| {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        let own = |name: &str| OWN.contains(&name) || name == "x-client-request-id";
        let mut headers: Vec<_> =
            head.headers.iter().filter(|(name, _)| !own(name.as_str())).collect();
        headers.sort_by(|a, b| (a.0.as_str(), a.1.as_bytes()).cmp(&(b.0.as_str(), b.1.as_bytes())));
        format!("{} {} {headers:?} {body:?}", head.method, head.uri)
    }));
    SampleService::serve(app).await.unwrap()
}

async fn rig(mirror: SocketAddr) -> Rig {
    let options = [
        ("/level", json!("DEBUG")),
        (
            "/record/request_headers",
            json!(["x-hostile", "user-agent", "referer", "x-region", "authorization"]),
        ),
        ("/redact/path", json!(["/echo/{secret}"])),
        (
            "/rules",
            json!([{"match": {"host": ["*.g"], "path": "/echo/*/x", "status": ["2xx"]}, "audit": true}]),
        ),
    ];
    Rig::start_with(&options, |options| {
        options.config.add_cluster("mirror", mirror)?;
        let route =
            json!({"name": "mirror", "match": {"prefix": "/"}, "route": {"cluster": "mirror"}});
        *options.config.routes()? = vec![route];
        options.config.add_bare_listener("bare")
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bytes_a_client_can_send_change_an_answer_or_break_a_record() {
    let mirror = mirror().await;
    let rig = rig(mirror.address()).await;
    let bare = rig.envoy.address_of("bare").await.unwrap();
    let requests = setting("GATELOG_HOSTILE_REQUESTS", REQUESTS);
    let seed = setting("GATELOG_HOSTILE_SEED", 1);
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let (with, without) = (rig.address(), bare);
            tokio::spawn(async move {
                let mut random = Random(seed.wrapping_mul(1_000).wrapping_add(client));
                let mut with = Connection { address: with, stream: None };
                let mut without = Connection { address: without, stream: None };
                let mut statuses = [0_u64; 6];
                let mut changes = Vec::new();
                for number in 0..requests / 4 {
                    let mark = format!("{client}-{number}");
                    let (request, change) = request(&mut random, &mark);
                    let (answer, bare) =
                        tokio::join!(with.exchange(&request), without.exchange(&request));
                    let (answer, bare) = (answer.unwrap(), bare.unwrap());
                    assert_eq!(answer, bare, "{:?}", String::from_utf8_lossy(&request));
                    let class = answer
                        .as_bytes()
                        .get(9)
                        .map_or(0, |digit| usize::from(digit.saturating_sub(b'0')));
                    statuses[class.min(5)] += 1;
                    if change && class == 2 {
                        changes.push(mark);
                    }
                }
                (statuses, changes)
            })
        })
        .collect();
    let mut statuses = [0; 6];
    let mut changes = BTreeSet::new();
    for client in clients {
        let (own, its_changes) = client.await.unwrap();
        changes.extend(its_changes);
        statuses.iter_mut().zip(own).for_each(|(all, own)| *all += own);
    }
    assert!(statuses[2] > requests / 2, "most requests must get past the codec: {statuses:?}");
    assert_eq!(rig.envoy.reloads().await.unwrap(), 0, "a VM died:\n{}", rig.envoy.log());

    let created = async || {
        let stats = rig.envoy.stats("gatelog.records_created").await?;
        anyhow::Ok(stats.values().sum::<u64>())
    };
    let records = eventually("every record is delivered", Duration::from_mins(1), async || {
        let (created, delivered) = (created().await?, rig.sink.records().len() as u64);
        let excluded = rig.envoy.stats("gatelog.requests_excluded").await?;
        let excluded: u64 = excluded.values().sum();
        ensure!(
            created + excluded >= requests && delivered == created,
            "{delivered} of {created}, {excluded} without, for {requests}"
        );
        let records = rig.sink.records();
        let audited = records.iter().filter(|record| record["audit"] == true);
        let audited: BTreeSet<_> = audited
            .filter_map(|record| record["http"]["request_headers"]["x-hostile"].as_str())
            .collect();
        let hidden: Vec<_> =
            changes.iter().filter(|mark| !audited.contains(mark.as_str())).collect();
        ensure!(hidden.is_empty(), "changes without an audited record: {hidden:?}");
        anyhow::Ok(records)
    })
    .await
    .unwrap();
    rig.sink.ensure_well_formed().unwrap();
    assert!(!changes.is_empty());
    ensure_decodable(&rig.envoy.journal().lines().unwrap());
    println!(
        "{requests} requests, seed {seed}, answers by class {statuses:?}, {} records",
        records.len()
    );
}

fn ensure_decodable(lines: &[String]) {
    for line in lines {
        let read = decode_record(line.as_bytes(), &DecodeLimits::default(), Uuid::nil());
        assert!(read.is_ok(), "{:?}: {line}", read.err());
        let value: Value = serde_json::from_str(line).unwrap();
        assert!(line.bytes().all(|byte| byte >= 0x20), "{value:#}");
    }
}

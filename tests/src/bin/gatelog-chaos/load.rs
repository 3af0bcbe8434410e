//! Steady load: known ids, all levels, several tenants; every answer is compared with that of the
//! same Envoy without the filter.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::http::Method;
use gatelog_tests::{Client, Reply};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Between two requests of a client.
const INTERVAL: Duration = Duration::from_millis(40);

/// Clients at once.
const CLIENTS: usize = 2;

/// What is asked, in turn: method, path, level of the record.
pub(crate) const REQUESTS: [(&str, &str, &str); 5] = [
    ("GET", "/api/v1/messages", "info"),
    ("GET", "/api/v1/messages/unknown", "warning"),
    ("POST", "/api/v1/messages", "info"),
    ("GET", "/api/v1/conversations/c1/summary", "error"),
    ("GET", "/api/v1/reports/r1", "critical"),
];

/// Headers that the filter sets, or that differ from one answer to the next.
const OWN: [&str; 5] =
    ["x-request-id", "x-correlation-id", "date", "x-envoy-upstream-service-time", "connection"];

/// The load, running.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Sent>>>,
}

/// One request that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Its correlation id.
    pub(crate) id: String,
    /// Its record's level.
    pub(crate) level: &'static str,
    /// What was wrong with its answer, if anything was.
    pub(crate) harm: Option<String>,
    /// How long it took.
    pub(crate) took: Duration,
}

/// What an answer must be.
type Expected = Arc<Vec<(u16, Vec<String>, Vec<u8>)>>;

impl Load {
    /// Starts, with the answers of `bare` as the measure.
    pub(crate) async fn start(filtered: SocketAddr, bare: SocketAddr) -> Result<Self> {
        let client = Client::default();
        let mut expected = Vec::new();
        for (method, path, _) in REQUESTS {
            let reply = send(&client, bare, method, path, "chaos-reference").await;
            expected.push(comparable(&reply.context("the listener without the filter")?));
        }
        let (stop, next, expected) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(expected));
        let client = |_| {
            tokio::spawn(run(filtered, Arc::clone(&stop), Arc::clone(&next), Arc::clone(&expected)))
        };
        let clients = (0..CLIENTS).map(client).collect();
        Ok(Self { stop, clients })
    }

    /// Ends it and gives what was sent.
    pub(crate) async fn stop(self) -> Result<Vec<Sent>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sent = Vec::new();
        for client in self.clients {
            sent.extend(client.await?);
        }
        Ok(sent)
    }
}

async fn run(
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    next: Arc<AtomicU64>,
    expected: Expected,
) -> Vec<Sent> {
    let client = Client::default();
    let mut sent = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let kind = usize::try_from(number).unwrap_or(0) % REQUESTS.len();
        let Some(((method, path, level), expected)) = REQUESTS.get(kind).zip(expected.get(kind))
        else {
            continue;
        };
        let id = format!("chaos-{number}");
        let begun = Instant::now();
        let harm = match send(&client, address, method, path, &id).await {
            Ok(reply) if reply.header("x-correlation-id") != id => {
                Some("its correlation id is not on the answer".to_owned())
            }
            Ok(reply) if comparable(&reply) != *expected => {
                Some(format!("{:?} is not {expected:?}", comparable(&reply)))
            }
            Ok(_) => None,
            Err(error) => Some(format!("{error:#}")),
        };
        sent.push(Sent { id, level, harm, took: begun.elapsed() });
        // The pace of the load, not a wait for anything.
        sleep(INTERVAL).await;
    }
    sent
}

async fn send(
    client: &Client,
    address: SocketAddr,
    method: &str,
    path: &str,
    id: &str,
) -> Result<Reply> {
    let tenant = format!("org_{}", id.len() % 3);
    let headers: [(&str, &[u8]); 3] = [
        ("x-correlation-id", id.as_bytes()),
        ("x-organization-id", tenant.as_bytes()),
        ("x-user-id", b"u1"),
    ];
    client.send(address, Method::from_bytes(method.as_bytes())?, path, &headers, "").await
}

fn comparable(reply: &Reply) -> (u16, Vec<String>, Vec<u8>) {
    let own = |name: &str| OWN.contains(&name);
    let headers = reply.headers.iter().filter(|(name, _)| !own(name.as_str()));
    let mut headers: Vec<String> =
        headers.map(|(name, value)| format!("{name}: {value:?}")).collect();
    headers.sort();
    (reply.status.as_u16(), headers, reply.body.to_vec())
}

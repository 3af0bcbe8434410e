//! Steady load: known ids, all levels, several tenants. Every request goes to the filter and to a
//! listener of the same Envoy without it; the two responses are compared and timed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::http::Method;
use gatelog_testkit::{Client, Reply};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Concurrent clients.
const CLIENTS: usize = 2;

/// The requests, in rotation: method, path, level of the record, status of the response.
const REQUESTS: [(&str, &str, &str, u16); 5] = [
    ("GET", "/api/v1/messages", "info", 200),
    ("GET", "/api/v1/messages/unknown", "warning", 404),
    ("POST", "/api/v1/messages", "info", 201),
    ("GET", "/api/v1/conversations/c1/summary", "error", 500),
    ("GET", "/api/v1/reports/r1", "critical", 503),
];

/// Tenants, in rotation.
const TENANTS: [&str; 3] = ["org_1", "org_2", "org_3"];

/// Headers that the filter sets, or that vary between responses.
const OWN: [&str; 5] =
    ["x-request-id", "x-correlation-id", "date", "x-envoy-upstream-service-time", "connection"];

/// The running load.
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
    /// Its record's level. Each has a second record, of level DEBUG.
    pub(crate) level: &'static str,
    /// Whether its record also belongs in the audit trail.
    pub(crate) audited: bool,
    /// What was wrong with its response, if anything.
    pub(crate) harm: Option<String>,
    /// How long it took.
    pub(crate) took: Duration,
    /// How long the same request took without the filter, immediately before or after it.
    pub(crate) without: Duration,
}

impl Load {
    /// Starts the load; each client pauses for `interval` between two requests.
    pub(crate) async fn start(
        filtered: SocketAddr,
        bare: SocketAddr,
        interval: Duration,
    ) -> Result<Self> {
        // Measurements then start with warm connections and with responses known to be right.
        for (method, path, _, status) in REQUESTS {
            let reply = send(&Client::default(), bare, (method, path), "reference", "none").await;
            let reply = reply.context("the listener without the filter")?;
            ensure!(reply.status == status, "{method} {path}: {} is not {status}", reply.status);
        }
        let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |_| {
            let (stop, next) = (Arc::clone(&stop), Arc::clone(&next));
            tokio::spawn(run([filtered, bare], interval, stop, next))
        };
        let clients = (0..CLIENTS).map(client).collect();
        Ok(Self { stop, clients })
    }

    /// Stops the load and returns what was sent.
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
    [filtered, bare]: [SocketAddr; 2],
    interval: Duration,
    stop: Arc<AtomicBool>,
    next: Arc<AtomicU64>,
) -> Vec<Sent> {
    let client = Client::default();
    let mut sent = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let of = |length: usize| usize::try_from(number).unwrap_or(0) % length;
        let Some(((method, path, level, _), tenant)) =
            REQUESTS.get(of(REQUESTS.len())).zip(TENANTS.get(of(TENANTS.len())))
        else {
            continue;
        };
        let id = format!("chaos-{number}");
        let to = |address| timed(send(&client, address, (method, path), &id, tenant));
        // Alternate: the first of the two runs with cold caches.
        let ((reply, took), (plain, without)) = if number.is_multiple_of(2) {
            (to(filtered).await, to(bare).await)
        } else {
            let plain = to(bare).await;
            (to(filtered).await, plain)
        };
        let harm = harm(&id, reply, plain);
        sent.push(Sent { id, level, audited: *method == "POST", harm, took, without });
        // Paces the load; it does not wait for anything.
        sleep(interval).await;
    }
    sent
}

async fn timed<T>(what: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    let result = what.await;
    (result, begun.elapsed())
}

async fn send(
    client: &Client,
    address: SocketAddr,
    (method, path): (&str, &str),
    id: &str,
    tenant: &str,
) -> Result<Reply> {
    let headers: [(&str, &[u8]); 3] = [
        ("x-correlation-id", id.as_bytes()),
        ("x-organization-id", tenant.as_bytes()),
        ("x-user-id", b"u1"),
    ];
    client.send(address, Method::from_bytes(method.as_bytes())?, path, &headers, "").await
}

/// What is wrong with a response, compared with the one without the filter.
fn harm(id: &str, reply: Result<Reply>, plain: Result<Reply>) -> Option<String> {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return Some(format!("{error:#}")),
    };
    if reply.header("x-correlation-id") != id {
        return Some(format!("{}: its correlation id is not on the answer", reply.status));
    }
    match plain {
        Ok(plain) if comparable(&reply) == comparable(&plain) => None,
        Ok(plain) => Some(format!("{:?} is not {:?}", comparable(&reply), comparable(&plain))),
        Err(error) => Some(format!("no answer without the filter to measure it by: {error:#}")),
    }
}

fn comparable(reply: &Reply) -> (u16, Vec<String>, &[u8]) {
    let own = |name: &str| OWN.contains(&name);
    let headers = reply.headers.iter().filter(|(name, _)| !own(name.as_str()));
    let mut headers: Vec<String> =
        headers.map(|(name, value)| format!("{name}: {value:?}")).collect();
    headers.sort();
    (reply.status.as_u16(), headers, &reply.body)
}

//! Steady load of known requests, each on its own connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gatelog_testkit::raw_exchange;
use tokio::task::JoinHandle;

/// Maximum time for a request before it counts as harmed.
const PATIENCE: Duration = Duration::from_secs(10);

/// One in this many requests asks for a 500: few enough that their records fit a small queue.
const FAILING: u64 = 200;

/// Clients that send until they are told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    next: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

/// What was sent.
pub(crate) struct Sent {
    /// Correlation ids are `load-1` to `load-<requests>`.
    pub(crate) requests: u64,
    /// Requests with an unexpected answer.
    pub(crate) harmed: Vec<String>,
}

impl Sent {
    /// The correlation ids, in order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = String> {
        (1..=self.requests).map(|number| format!("load-{number}"))
    }

    /// Those of the requests that failed.
    pub(crate) fn failing_ids(&self) -> impl Iterator<Item = String> {
        (1..=self.requests)
            .filter(|number| number % FAILING == 0)
            .map(|number| format!("load-{number}"))
    }
}

impl Load {
    /// Starts this many clients.
    pub(crate) fn start(address: SocketAddr, clients: usize) -> Self {
        let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = || tokio::spawn(send(address, Arc::clone(&stop), Arc::clone(&next)));
        let clients = (0..clients).map(|_| client()).collect();
        Self { stop, next, clients }
    }

    /// Number of requests started.
    pub(crate) fn requests(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Stops the load and returns what was sent.
    pub(crate) async fn stop(self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        let mut harmed = Vec::new();
        for client in self.clients {
            harmed.extend(client.await.unwrap());
        }
        Sent { requests: self.next.load(Ordering::Relaxed), harmed }
    }
}

async fn send(address: SocketAddr, stop: Arc<AtomicBool>, next: Arc<AtomicU64>) -> Vec<String> {
    let mut harmed = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed) + 1;
        let status = if number.is_multiple_of(FAILING) { "500" } else { "200" };
        let request = format!(
            "GET /raw/{status} HTTP/1.1\r\nhost: g\r\nconnection: close\r\nx-correlation-id: load-{number}\r\n\r\n"
        );
        let answer = raw_exchange(address, request.as_bytes(), PATIENCE).await;
        let answer = answer.map_or_else(
            |error| error.to_string(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        );
        if !answer.starts_with(&format!("HTTP/1.1 {status}"))
            || !answer.contains(&format!("x-correlation-id: load-{number}\r\n"))
        {
            harmed.push(format!("load-{number}: {answer:?}"));
        }
    }
    harmed
}

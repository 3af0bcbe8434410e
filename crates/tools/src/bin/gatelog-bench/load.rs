//! Load by `h2load`.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// Connections at once.
const CLIENTS: u64 = 8;

/// What the load speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// How much load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Requests of one round.
    pub(crate) requests: u64,
    /// Requests a second of the latency runs; 0: half of what Envoy's core can do.
    pub(crate) rps: u64,
}

/// A number from the environment.
pub(crate) fn setting(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Err(_) => Ok(default),
        Ok(text) => text.parse().with_context(|| format!("{name} = {text:?}: must be a number")),
    }
}

impl Load {
    pub(crate) fn from_environment() -> Result<Self> {
        Ok(Self { requests: setting("BENCH_REQUESTS", 10_000)?, rps: setting("BENCH_RPS", 0)? })
    }

    pub(crate) fn requests_f64(&self) -> f64 {
        f64::from(u32::try_from(self.requests).unwrap_or(u32::MAX))
    }

    /// One round: a fixed number of requests, as fast as they go.
    pub(crate) async fn run(&self, address: SocketAddr, protocol: Protocol) -> Result<()> {
        h2load(address, protocol, &["-n", &self.requests.to_string()]).await
    }

    /// Latencies of single requests at a fixed rate over HTTP/1, in microseconds.
    pub(crate) async fn latencies(
        &self,
        address: SocketAddr,
        rps: u64,
        seconds: u64,
    ) -> Result<Vec<f64>> {
        let log = tempfile::NamedTempFile::new()?;
        let path = log.path().to_str().context("no UTF-8 path")?;
        let rps = (rps / CLIENTS).max(1);
        let (requests, rps) = ((rps * CLIENTS * seconds).to_string(), rps.to_string());
        h2load(address, Protocol::Http1, &["-n", &requests, "--rps", &rps, "--log-file", path])
            .await?;
        // A line a request: start, status, microseconds.
        let text = tokio::fs::read_to_string(log.path()).await?;
        let micros = text.lines().filter_map(|line| line.split('\t').nth(2)?.parse().ok());
        Ok(micros.collect())
    }
}

async fn h2load(address: SocketAddr, protocol: Protocol, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("h2load");
    command.args(["-c", &CLIENTS.to_string(), "-t", "1"]).args(arguments);
    if protocol == Protocol::Http1 {
        command.arg("--h1");
    }
    for header in [
        "x-organization-id: org_123",
        "x-user-id: user_42",
        "x-conversation-id: conv_789",
        "x-correlation-id: corr_456",
    ] {
        command.args(["-H", header]);
    }
    command.arg(format!("http://{address}/api/v1/conversations/conv_789?limit=20"));
    let output = command.stdin(Stdio::null()).output().await;
    let output = output.context("h2load: install nghttp2-client")?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "h2load: {}", String::from_utf8_lossy(&output.stderr));
    let unharmed =
        told.contains(" 0 failed, 0 errored, 0 timeout") && told.contains(" 0 3xx, 0 4xx, 0 5xx");
    ensure!(unharmed, "some requests failed:\n{told}");
    Ok(())
}

//! A service that logs by OTLP to the first collector throughout a case, and what MongoDB has of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use axum::http::Method;
use gatelog_testkit::{Client, Database, eventually};
use mongodb::bson::doc;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// The name of the service.
pub(crate) const SERVICE: &str = "chaos-logs";
/// Log records of one request.
const PER_REQUEST: u64 = 20;
/// Pause between two requests, and before a request is sent again.
const PAUSE: Duration = Duration::from_millis(50);
/// Maximum time for the collector to take the last request, and for MongoDB to have it.
const PATIENCE: Duration = Duration::from_mins(1);

/// The running service. It sends each request until it is acknowledged, as an SDK does for a while.
pub(crate) struct Logs {
    stop: Arc<AtomicBool>,
    service: JoinHandle<u64>,
}

/// What became of its log records.
#[derive(Debug, Default)]
pub(crate) struct LogsFinding {
    /// Acknowledged by the collector.
    pub(crate) acknowledged: u64,
    /// Acknowledged, but not in MongoDB.
    pub(crate) lost: u64,
    /// Documents in excess of one each.
    pub(crate) duplicate: u64,
}

impl Logs {
    pub(crate) fn start(collector: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let service = tokio::spawn(run(collector, Arc::clone(&stop)));
        Self { stop, service }
    }

    /// Stops the service once its request was acknowledged, and looks for everything that was.
    pub(crate) async fn audit(self, database: &Database) -> Result<LogsFinding> {
        self.stop.store(true, Ordering::Relaxed);
        let acknowledged = tokio::time::timeout(PATIENCE, self.service).await??;
        let mut found = BTreeMap::new();
        let waited = eventually("the log records are stored", PATIENCE, async || {
            found = stored(database).await?;
            let count = u64::try_from(found.len())?;
            ensure!(count >= acknowledged, "{count} of {acknowledged}");
            Ok(())
        })
        .await;
        if let Err(error) = waited {
            println!("    {error:#}");
        }
        let lost = (0..acknowledged).filter(|line| !found.contains_key(&message(*line))).count();
        let duplicate = found.values().map(|copies| copies.saturating_sub(1)).sum();
        Ok(LogsFinding { acknowledged, lost: u64::try_from(lost)?, duplicate })
    }
}

fn message(line: u64) -> String {
    format!("line {line}")
}

/// How often each message is in MongoDB.
async fn stored(database: &Database) -> Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    for record in database.find("info_logs", doc! {"extra.service_name": SERVICE}).await? {
        *found.entry(record.get_str("message")?.to_owned()).or_default() += 1;
    }
    Ok(found)
}

/// Returns how many log records were acknowledged.
async fn run(collector: SocketAddr, stop: Arc<AtomicBool>) -> u64 {
    let (client, mut acknowledged) = (Client::default(), 0);
    while !stop.load(Ordering::Relaxed) {
        let body = request(acknowledged);
        let headers = [("content-type", &b"application/json"[..])];
        loop {
            let reply =
                client.send(collector, Method::POST, "/v1/logs", &headers, body.clone()).await;
            sleep(PAUSE).await;
            if reply.is_ok_and(|reply| reply.status == 200) {
                break;
            }
        }
        acknowledged += PER_REQUEST;
    }
    acknowledged
}

/// A request with the log records from this one on.
fn request(first: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let record = |line| json!({"timeUnixNano": now.to_string(), "severityNumber": 9, "body": {"stringValue": message(line)}});
    let records: Vec<_> = (first..first + PER_REQUEST).map(record).collect();
    let service = json!({"key": "service.name", "value": {"stringValue": SERVICE}});
    json!({"resourceLogs": [{
        "resource": {"attributes": [service]}, "scopeLogs": [{"logRecords": records}],
    }]})
    .to_string()
}

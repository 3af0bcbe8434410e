//! Load from a gateway: batches whose acknowledgements are remembered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use axum::http::Method;
use gatelog_record::{Timestamp, Uuid};
use gatelog_testkit::{Client, Collector, Database, Reply, eventually};
use mongodb::bson::doc;
use serde_json::json;

/// Maximum time for anything in these tests.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Pause between two batches of a gateway.
const PAUSE: Duration = Duration::from_millis(250);

/// The record's id, derived from its number so that a batch can be sent again.
pub(crate) fn id(boot: Uuid, seq: u64) -> Uuid {
    Uuid::new_v5(&boot, &seq.to_le_bytes())
}

/// Four levels in turn; every tenth record is audited.
pub(crate) fn record(boot: Uuid, seq: u64) -> String {
    let level = ["INFO", "WARNING", "ERROR", "CRITICAL"][usize::try_from(seq % 4).unwrap()];
    // Uses the current time: the server removes records that are older than their retention in its
    // next pass, once a minute.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let timestamp = Timestamp::from_unix_nanos(u64::try_from(since.as_nanos()).unwrap());
    json!({
        "timestamp": timestamp.to_string(), "level": level,
        "logger_name": "gateway.edge", "function_name": "route", "line_number": null,
        "message": format!("GET /{seq} -> 200 in 1.00 ms"),
        "context": {
            "request_id": format!("r{seq}"), "correlation_id": format!("c{}", seq / 3),
            "organization_id": "org_1", "user_id": null, "conversation_id": null,
        },
        "trace": {"execution_time_ms": 1.0, "status": "success"},
        "http": {"method": "GET", "path": format!("/{seq}"), "status": 200},
        "audit": seq.is_multiple_of(10),
        "id": id(boot, seq).hyphenated().to_string(),
        "source": {"gateway": "edge", "boot": boot.hyphenated().to_string(), "seq": seq},
    })
    .to_string()
}

/// A batch with its header.
pub(crate) fn batch(boot: Uuid, seqs: std::ops::RangeInclusive<u64>, assigned: u64) -> String {
    let boot_text = boot.hyphenated().to_string();
    let header = json!({"batch": {
        "v": 1, "gateway": "edge", "boot": boot_text, "assigned": assigned, "queued": 0,
        "dropped": {"queue_full": 0, "sampled": 0, "rejected": 0, "too_large": 0},
    }});
    seqs.fold(format!("{header}\n"), |batch, seq| batch + &record(boot, seq) + "\n")
}

pub(crate) async fn post(
    client: &Client,
    address: SocketAddr,
    body: impl Into<axum::body::Body>,
) -> Result<Reply> {
    let headers: [(&str, &[u8]); 1] = [("content-type", b"application/x-ndjson")];
    client.send(address, Method::POST, "/v1/records", &headers, body).await
}

/// A gateway that sends batches one after the other, repeating each until it is acknowledged.
pub(crate) struct Load {
    pub(crate) boot: Uuid,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    /// Sends `per_batch` records at a time to the addresses, round-robin.
    pub(crate) fn start(addresses: Vec<SocketAddr>, per_batch: u64) -> Self {
        let (boot, stop) = (Uuid::new_v4(), Arc::new(AtomicBool::new(false)));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(send(
            addresses,
            per_batch,
            boot,
            Arc::clone(&stop),
            Arc::clone(&acknowledged),
        ));
        Self { boot, stop, acknowledged, task }
    }

    /// How many records have been acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Waits until this many more have been acknowledged.
    pub(crate) async fn progress(&self, records: u64) {
        let goal = self.acknowledged() + records;
        eventually("records are acknowledged", PATIENCE, async || {
            ensure!(self.acknowledged() >= goal, "{} of {goal}", self.acknowledged());
            Ok(())
        })
        .await
        .unwrap();
    }

    /// Stops once the current batch is acknowledged; returns how many records there were in total.
    pub(crate) async fn finish(self) -> (Uuid, u64) {
        self.stop.store(true, Ordering::SeqCst);
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
        (self.boot, self.acknowledged.load(Ordering::SeqCst))
    }
}

async fn send(
    addresses: Vec<SocketAddr>,
    per_batch: u64,
    boot: Uuid,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
) {
    let client = Client::default();
    let mut first = 1;
    let mut turn = addresses.iter().cycle();
    while !stop.load(Ordering::SeqCst) {
        let last = first + per_batch - 1;
        let body = batch(boot, first..=last, last);
        // Like the filter: the same batch again until it is accepted.
        loop {
            let address = *turn.next().unwrap();
            match post(&client, address, body.clone()).await {
                Ok(reply) if reply.status == 202 => break,
                Ok(reply) => assert_eq!(reply.status, 503, "{}", reply.text()),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        acknowledged.store(last, Ordering::SeqCst);
        first = last + 1;
        // The database, not the collector, bounds what is stored: a few thousand records a second.
        tokio::time::sleep(PAUSE).await;
    }
}

/// The number of records waiting in a collector's spool.
async fn spooled(collector: &Collector) -> Result<u64> {
    let metrics = collector.get("/metrics").await?.text();
    let line =
        metrics.lines().find_map(|line| line.strip_prefix("gatelog_collector_spool_records "));
    Ok(line.context("no such metric")?.trim().parse()?)
}

/// An external audit: every record up to `last` is in the database exactly once, in the collections
/// where it belongs, and the accounts of all collectors agree.
pub(crate) async fn audit(database: &Database, collectors: &[&Collector], boot: Uuid, last: u64) {
    // Asks the collectors when they are done: counting in the database meanwhile, without an index,
    // would slow down the very work being waited for. Waits as long as there is progress: a busy
    // machine is not the collector's fault.
    let mut before = u64::MAX;
    while before > 0 {
        before = eventually("the spools shrink", PATIENCE, async || {
            let mut waiting = 0;
            for collector in collectors {
                waiting += spooled(collector).await?;
            }
            ensure!(waiting < before, "{waiting} records wait");
            Ok(waiting)
        })
        .await
        .unwrap();
    }
    let of_boot = doc! {"source.boot": boot.hyphenated().to_string()};
    let levels = ["info_logs", "warning_logs", "error_logs", "critical_logs"];
    let mut seqs = Vec::new();
    for level in levels {
        for found in database.find(level, of_boot.clone()).await.unwrap() {
            let source = found.get_document("source").unwrap();
            seqs.push(
                source.get_i64("seq").or_else(|_| source.get_i32("seq").map(i64::from)).unwrap(),
            );
        }
    }
    seqs.sort_unstable();
    let twice: Vec<_> =
        seqs.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    let absent: Vec<_> =
        (1..=i64::try_from(last).unwrap()).filter(|seq| seqs.binary_search(seq).is_err()).collect();
    assert!(
        twice.is_empty() && absent.is_empty(),
        "twice: {twice:?}, absent: {absent:?}, of {last}"
    );
    assert_eq!(database.count("audit_logs", of_boot.clone()).await.unwrap(), last / 10);
    for collector in collectors {
        eventually("the account adds up", PATIENCE, async || {
            let accounts = collector.accounting().await?;
            let boot = boot.hyphenated().to_string();
            let boots = accounts["boots"].as_array().cloned().unwrap_or_default();
            let account = boots.into_iter().find(|account| account["boot"] == boot);
            let account = account.unwrap_or_default();
            ensure!(account["assigned"] == last && account["stored"] == last, "{account}");
            ensure!(account["missing"] == 0 && account["spooled"] == 0, "{account}");
            Ok(())
        })
        .await
        .unwrap();
    }
}

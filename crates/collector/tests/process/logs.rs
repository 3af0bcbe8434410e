//! OTLP logs under the faults that batches of a gateway are put through: nothing that was
//! acknowledged is lost, and what a client sends again is stored once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use axum::http::Method;
use gatelog_collector::ingest::otlp::to_protobuf;
use gatelog_testkit::{
    Client, Collector, CollectorOptions, Database, DatabaseServer, Reply, eventually,
};
use mongodb::bson::doc;
use serde_json::json;

use crate::load::PATIENCE;

/// Log records of one request.
const PER_REQUEST: u64 = 50;
/// Pause between two requests of a client: the database bounds what is stored.
const PAUSE: Duration = Duration::from_millis(100);

/// The request with this number, as JSON or as protobuf.
fn request(service: &str, number: u64) -> (&'static str, Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let first = number * PER_REQUEST;
    let records = (first..first + PER_REQUEST).map(|line| {
        json!({
            "timeUnixNano": now.to_string(), "severityNumber": 9 + 4 * (line % 3),
            "body": {"stringValue": format!("line {line}")},
            "traceId": format!("{:032x}", number + 1), "spanId": "b7ad6b7169203331",
        })
    });
    let service = json!({"key": "service.name", "value": {"stringValue": service}});
    let text = json!({"resourceLogs": [{"resource": {"attributes": [service]}, "scopeLogs": [
        {"scope": {"name": "app"}, "logRecords": records.collect::<Vec<_>>()},
    ]}]})
    .to_string();
    if number.is_multiple_of(2) {
        ("application/json", text.into_bytes())
    } else {
        ("application/x-protobuf", to_protobuf(text.as_bytes()).unwrap())
    }
}

async fn post(
    client: &Client,
    address: SocketAddr,
    kind: &str,
    body: impl Into<axum::body::Body>,
) -> Result<Reply> {
    let headers = [("content-type", kind.as_bytes())];
    client.send(address, Method::POST, "/v1/logs", &headers, body).await
}

/// A service that sends requests one after the other, each until it is acknowledged.
struct Service {
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Service {
    fn start(address: SocketAddr, name: &'static str) -> Self {
        let (stop, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (until, done) = (Arc::clone(&stop), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            let client = Client::default();
            while !until.load(Ordering::SeqCst) {
                let (kind, body) = request(name, done.load(Ordering::SeqCst));
                loop {
                    match post(&client, address, kind, body.clone()).await {
                        Ok(reply) if reply.status == 200 => break,
                        Ok(reply) => assert_eq!(reply.status, 503, "{}", reply.text()),
                        Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                }
                done.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { stop, requests, task }
    }

    /// Waits until this many more requests were acknowledged.
    async fn progress(&self, requests: u64) {
        let goal = self.requests.load(Ordering::SeqCst) + requests;
        eventually("requests are acknowledged", PATIENCE, async || {
            ensure!(self.requests.load(Ordering::SeqCst) >= goal, "not {goal} yet");
            Ok(())
        })
        .await
        .unwrap();
    }

    /// Stops it; returns how many log records were acknowledged.
    async fn finish(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
        self.requests.load(Ordering::SeqCst) * PER_REQUEST
    }
}

/// Every log record of a service up to this number is in the database once, at its level.
async fn audit(database: &Database, service: &str, records: u64) {
    let of_service = doc! {"extra.service_name": service};
    eventually("every log record is stored", PATIENCE, async || {
        let mut found = 0;
        for collection in ["info_logs", "warning_logs", "error_logs"] {
            found += database.count(collection, of_service.clone()).await?;
        }
        ensure!(found >= records, "{found} of {records}");
        Ok(())
    })
    .await
    .unwrap();
    let mut lines = BTreeMap::<String, u64>::new();
    for collection in ["info_logs", "warning_logs", "error_logs"] {
        for record in database.find(collection, of_service.clone()).await.unwrap() {
            *lines.entry(record.get_str("message").unwrap().to_owned()).or_default() += 1;
        }
    }
    let expected = (0..records).map(|line| (format!("line {line}"), 1)).collect();
    assert_eq!(lines, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_records_that_were_acknowledged_are_stored_once_though_the_collector_is_killed() {
    let database = Database::fresh().await.unwrap();
    let mut collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let services = ["one", "two"].map(|name| (name, Service::start(collector.address(), name)));
    for _ in 0..3 {
        services[0].1.progress(2).await;
        collector.kill().unwrap();
        collector.restart().await.unwrap();
    }
    let mut total = 0;
    for (name, service) in services {
        let records = service.finish().await;
        audit(&database, name, records).await;
        total += records;
    }
    // Counted across restarts; a request that was sent again counts again.
    let accepted = collector.accounting().await.unwrap()["unnumbered"]["accepted"].as_u64();
    assert!(accepted.unwrap() >= total, "{accepted:?} of {total}");
    collector.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn log_records_wait_while_the_database_hangs() {
    let mut server = DatabaseServer::start().await.unwrap();
    let database = Database::on(&server.uri(), "logs").await.unwrap();
    let environment = vec![("GATELOG_MONGODB_TIMEOUT".into(), "1s".into())];
    let collector = Collector::start(&database, CollectorOptions { environment }).await.unwrap();
    let service = Service::start(collector.address(), "one");
    service.progress(2).await;
    server.freeze().unwrap();
    service.progress(10).await;
    server.thaw().unwrap();
    let records = service.finish().await;
    audit(&database, "one", records).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_are_refused_and_the_next_one_is_served() {
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let client = Client::default();
    // A resource of a megabyte, and ten thousand records of two bytes each that would repeat it.
    let field = |number: u8, content: &[u8]| {
        let mut length = content.len();
        let mut bytes = vec![number << 3 | 2];
        while length >= 0x80 {
            bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        [bytes, content.to_vec()].concat()
    };
    let key = field(1, &field(1, &vec![b'k'; 1 << 20]));
    let resource_logs =
        |records: usize| field(1, &[field(1, &key), field(2, &[0x12, 0].repeat(records))].concat());
    let attributes = |count: usize| field(1, &field(2, &field(2, &[0x32, 0].repeat(count))));
    let mut nested = Vec::new();
    for _ in 0..50_000 {
        nested = field(5, &field(1, &nested[nested.len().saturating_sub(60_000)..]));
    }
    let deep = field(1, &field(2, &field(2, &field(5, &nested))));
    let deep_json = [br#"{"resourceLogs":"#.to_vec(), vec![b'['; 1 << 20]].concat();
    for (kind, body, status) in [
        ("application/x-protobuf", resource_logs(10_000), 413),
        ("application/x-protobuf", resource_logs(10), 200),
        ("application/x-protobuf", attributes(1_900_000), 200),
        ("application/x-protobuf", field(1, &[0x12, 0].repeat(500_000)), 200),
        ("application/x-protobuf", field(1, &field(2, &[0x12, 0].repeat(500_000))), 413),
        ("application/x-protobuf", vec![0xff; 1 << 20], 400),
        ("application/x-protobuf", deep, 200),
        ("application/json", deep_json, 400),
        ("application/json", vec![b'{'; 3 << 20], 400),
        ("application/json", vec![b'{'; 5 << 20], 413),
        ("application/jsonp", vec![b'{'; 10], 415),
    ] {
        let length = body.len();
        let reply = post(&client, collector.address(), kind, body).await.unwrap();
        assert_eq!(reply.status, status, "{kind} {length}: {}", reply.text());
        let (kind, body) = request("good", 1);
        assert_eq!(post(&client, collector.address(), kind, body).await.unwrap().status, 200);
    }
    assert_eq!(collector.get("/healthz").await.unwrap().status, 200);
}

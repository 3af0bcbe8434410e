//! Live records: from a collector's post to the command that prints them.

use anyhow::{Context, Result, ensure};
use gatelog_testkit::{Client, Collector, CollectorOptions, Database, Process, eventually};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::load::PATIENCE;

const READS: &str = "reads-0123456789abcdef";
const SENDS: &str = "sends-0123456789abcdef";

async fn post(collector: &Collector, message: &str, org: &str) {
    let record = json!({"timestamp": "2096-01-26T02:11:57Z", "level": "ERROR", "message": message,
        "logger_name": "app", "context": {"organization_id": org}});
    let headers = [("content-type", &b"application/json"[..])];
    let client = Client::default();
    let method = axum::http::Method::POST;
    let reply =
        client.send(collector.address(), method, "/v1/records", &headers, record.to_string());
    assert_eq!(reply.await.unwrap().status, 202);
}

/// A running `tail`.
struct Tail {
    process: Process,
    _directory: TempDir,
}

impl Tail {
    fn start(collectors: &[&Collector], arguments: &[&str]) -> Result<Self> {
        let directory = TempDir::new()?;
        let mut command = collectors.first().context("none")?.command(&["tail"])?;
        for collector in collectors {
            command.args(["--collector", &format!("http://{}", collector.address())]);
        }
        command.args(arguments);
        let process = Process::start("tail", command, directory.path())?;
        Ok(Self { process, _directory: directory })
    }

    fn out(&self) -> String {
        std::fs::read_to_string(self.process.stdout()).unwrap()
    }

    async fn says(&self, count: usize, text: &str) {
        eventually("tail says it", PATIENCE, async || {
            let told = self.process.stderr();
            ensure!(told.matches(text).count() >= count, "{count} times {text:?} in {told}");
            Ok(())
        })
        .await
        .unwrap();
    }

    async fn shows(&self, text: &str) {
        eventually("tail shows it", PATIENCE, async || {
            ensure!(self.out().contains(text), "{text:?} not in {}", self.out());
            Ok(())
        })
        .await
        .unwrap();
    }
}

async fn collector(environment: &[(&str, &str)]) -> Collector {
    let database = Database::fresh().await.unwrap();
    let environment = environment.iter().map(|&(name, value)| (name.into(), value.into()));
    let options = CollectorOptions { environment: environment.collect() };
    Collector::start(&database, options).await.unwrap()
}

/// Returns once the collector has closed a connection that came later and sent nothing.
async fn outlive_idle(collector: &Collector) {
    let mut idle = TcpStream::connect(collector.address()).await.unwrap();
    let end = tokio::time::timeout(PATIENCE, idle.read(&mut [0])).await;
    assert_eq!(end.unwrap().unwrap_or(0), 0);
}

/// The header time is shorter than the tail lasts: a stream is a request, not an idle connection.
#[tokio::test(flavor = "multi_thread")]
async fn records_of_all_collectors_are_printed_as_they_arrive() {
    let header_time = [("GATELOG_HEADER_TIMEOUT", "1s")];
    let (one, mut other) = (collector(&header_time).await, collector(&header_time).await);
    let tail = Tail::start(&[&one, &other], &["\"stock\"", "--level", "ERROR"]).unwrap();
    tail.says(2, "following").await;
    post(&one, "stock is low \u{1b}[2J", "a").await;
    tail.shows("ERROR  stock is low \\u{1b}[2J  [app]").await;
    outlive_idle(&one).await;
    outlive_idle(&other).await;
    post(&one, "something else", "a").await;
    post(&other, "stock is out", "a").await;
    tail.shows("stock is out").await;
    assert!(!tail.out().contains("something else"));
    assert!(!tail.process.stderr().contains("trying again"), "{}", tail.process.stderr());
    // A collector that stops says so, does not wait for its tails, and is found again.
    other.stop().unwrap();
    tail.says(1, "the collector is stopping; trying again until it answers").await;
    other.restart().await.unwrap();
    tail.says(3, "following").await;
    post(&other, "stock is back", "a").await;
    tail.shows("stock is back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_token_that_may_read_follows() {
    let directory = TempDir::new().unwrap();
    let tokens = directory.path().join("tokens");
    std::fs::write(&tokens, format!("{READS} read\n{SENDS} send\n")).unwrap();
    let collector = collector(&[("GATELOG_TOKENS_FILE", tokens.to_str().unwrap())]).await;
    let file = |token: &str| {
        let file = directory.path().join(token);
        std::fs::write(&file, token).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let tail = Tail::start(&[&collector], &["--token-file", &file(READS)]).unwrap();
    tail.says(1, "following").await;
    for (token, says) in
        [(SENDS, "give it the role read"), ("none-0123456789abcdef", "unauthorized")]
    {
        let mut tail = Tail::start(&[&collector], &["--token-file", &file(token)]).unwrap();
        tail.says(1, says).await;
        let ended = tail.process.wait(PATIENCE).unwrap();
        assert_eq!(ended.and_then(|status| status.code()), Some(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sees_the_organizations_that_it_asks_for() {
    let collector = collector(&[]).await;
    let url = |rest: &str| format!("http://{}/v1/tail?{rest}", collector.address());
    let curl = |rest: &str| {
        let directory = TempDir::new().unwrap();
        let mut command = std::process::Command::new("curl");
        command.args(["-sS", "-N", &url(rest)]);
        (Process::start("curl", command, directory.path()).unwrap(), directory)
    };
    let (scoped, _one) = curl("org=a&query=level%3AERROR");
    let (nobody, _two) = curl("org=");
    let out = |process: &Process| std::fs::read_to_string(process.stdout()).unwrap();
    let metric = "gatelog_collector_tail_subscribers 2";
    eventually("both are there", PATIENCE, async || {
        ensure!(collector.get("/metrics").await?.text().contains(metric));
        Ok(())
    })
    .await
    .unwrap();
    post(&collector, "first", "b").await;
    post(&collector, "second", "a").await;
    eventually("its record arrives", PATIENCE, async || {
        ensure!(out(&scoped).contains("event: record\ndata: {"), "{}", out(&scoped));
        Ok(())
    })
    .await
    .unwrap();
    assert!(out(&scoped).contains("second") && !out(&scoped).contains("first"));
    assert!(!out(&nobody).contains("record"), "{}", out(&nobody));
}

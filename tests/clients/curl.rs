//! curl, over each version of HTTP that it speaks without TLS.

use std::process::Stdio;

use anyhow::ensure;
use gatelog_testkit::stored::{PATIENCE, exactly, one};
use gatelog_testkit::{Gateway, eventually};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::SHELL;
use crate::contains::assert_contains;
use crate::program::{command, output_of, start};

const VERSIONS: [(&str, &str); 2] =
    [("--http1.1", "HTTP/1.1"), ("--http2-prior-knowledge", "HTTP/2")];

/// A response as curl printed it, and the record that has its request id.
struct Exchange {
    status: String,
    headers: Vec<String>,
    record: Value,
}

impl Exchange {
    /// The only value of a header.
    fn header(&self, name: &str) -> &str {
        let values = self.headers.iter().filter_map(|line| {
            let (own, value) = line.split_once(": ")?;
            own.eq_ignore_ascii_case(name).then_some(value)
        });
        let values: Vec<_> = values.collect();
        assert_eq!(values.len(), 1, "{name} in {:#?}", self.headers);
        values[0]
    }
}

fn curl(gateway: &Gateway, path: &str, arguments: &[&str]) -> Command {
    let mut command = command("curl");
    command.args(["--noproxy", "*", "--silent", "--show-error"]);
    command.args(["--dump-header", "-", "--output", "/dev/null"]);
    command.args(arguments).arg(format!("http://{}{path}", gateway.address()));
    command
}

async fn exchange(gateway: &Gateway, path: &str, arguments: &[&str]) -> Exchange {
    let printed = output_of(curl(gateway, path, arguments)).await;
    // An interim response (100) has a head of its own, before the one that counts.
    let last = printed.trim_end().rsplit("\r\n\r\n").next().unwrap();
    let mut lines = last.lines().map(str::to_owned);
    let start = lines.next().unwrap_or_default();
    let status = start.split(' ').nth(1).unwrap_or_else(|| panic!("{printed:?}")).to_owned();
    let mut exchange = Exchange { status, headers: lines.collect(), record: Value::Null };
    let id = exchange.header("x-request-id");
    exchange.record = one(&gateway.database, "context.request_id", id).await.unwrap();
    exchange
}

#[tokio::test]
async fn curl_gets_both_ids_and_its_record_has_them() {
    let gateway = Gateway::of(SHELL).await.unwrap();
    for (flag, protocol) in VERSIONS {
        for (path, status, level) in [
            ("/api/v1/messages?limit=5", 200, "INFO"),
            ("/nowhere", 404, "WARNING"),
            ("/api/v1/conversations/c/summary", 500, "ERROR"),
            ("/api/v1/reports/daily", 503, "CRITICAL"),
        ] {
            let got = exchange(&gateway, path, &[flag]).await;
            assert_eq!(got.status, status.to_string(), "{flag} {path}");
            let id = got.header("x-request-id");
            assert_eq!(got.header("x-correlation-id"), id, "nobody chose another");
            let expected = json!({
                "level": level,
                "context": {"correlation_id": id, "client_request_id": null},
                "http": {
                    "method": "GET", "path": path.split('?').next(), "protocol": protocol,
                    "status": status, "client_ip": "127.0.0.1", "scheme": "http",
                    "host": gateway.address().to_string(),
                },
            });
            assert_contains(&got.record, &expected);
            let agent = got.record["http"]["user_agent"].as_str().unwrap();
            assert!(agent.starts_with("curl/"), "{agent}");
        }
    }
}

#[tokio::test]
async fn ids_that_curl_sends_are_handled_as_documented() {
    let gateway = Gateway::of(SHELL).await.unwrap();
    let path = "/api/v1/messages";
    for (flag, _) in VERSIONS {
        // The request id is the gateway's, the correlation id the client's.
        let chosen = ["-H", "X-Request-ID: mine", "-H", "X-Correlation-ID: corr_456"];
        let got = exchange(&gateway, path, &[&[flag], &chosen[..]].concat()).await;
        assert_ne!(got.header("x-request-id"), "mine");
        assert_eq!(got.header("x-correlation-id"), "corr_456");
        let expected = json!({"correlation_id": "corr_456", "client_request_id": "mine"});
        assert_contains(&got.record["context"], &expected);

        // An invalid id is not adopted, and is kept beside the generated one.
        let faulty = ["-H", "X-Correlation-ID: two words"];
        let got = exchange(&gateway, path, &[&[flag], &faulty[..]].concat()).await;
        let id = got.header("x-request-id");
        assert_eq!(got.header("x-correlation-id"), id);
        let expected = json!({"correlation_id": id, "client_correlation_id": "two words"});
        assert_contains(&got.record["context"], &expected);

        // A trace is a flow.
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let header = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01");
        let got = exchange(&gateway, path, &[flag, "-H", &header]).await;
        assert_eq!(got.header("x-correlation-id"), trace);
        let expected = json!({
            "context": {"correlation_id": trace},
            "trace": {"trace_id": trace, "parent_span_id": "00f067aa0ba902b7"},
        });
        assert_contains(&got.record, &expected);
    }
}

#[tokio::test]
async fn what_curl_keeps_secret_is_in_no_record() {
    let gateway = Gateway::of(SHELL).await.unwrap();
    let secrets = ["s3cret-password", "s3cret-session", "s3cret-token"];
    let [password, session, token] = secrets;
    let path = format!("/api/v1/messages?token={token}&limit=5");
    let (user, cookie) = (format!("me:{password}"), format!("session={session}"));
    let got = exchange(&gateway, &path, &["--user", &user, "--cookie", &cookie]).await;
    assert_eq!(got.status, "200");
    let trace = exactly(&gateway.database, "trace_logs", 1).await.unwrap();
    let journal = gateway.envoy.journal().lines().unwrap();
    let told = format!("{} {trace:?} {journal:?}", got.record);
    for secret in secrets {
        assert!(!told.contains(secret), "{secret} is in {told}");
    }
    assert!(!told.contains("bWU6"), "the basic credentials are in {told}");
}

#[tokio::test]
async fn an_upload_that_waits_for_100_continue_is_a_record_of_its_final_status() {
    let gateway = Gateway::of(SHELL).await.unwrap();
    let upload = tempfile::NamedTempFile::new().unwrap();
    upload.as_file().set_len(1 << 20).unwrap();
    let data = format!("@{}", upload.path().display());
    for (flag, _) in VERSIONS {
        let arguments = [flag, "--header", "expect: 100-continue", "--data-binary", &data];
        let path = "/api/v1/conversations/c/messages";
        let got = exchange(&gateway, path, &arguments).await;
        assert_eq!(got.status, "201", "{flag}");
        let expected = json!({
            "level": "INFO", "audit": true, "http": {"method": "POST", "path": path, "status": 201},
        });
        assert_contains(&got.record, &expected);
        assert!(got.record["http"]["request_bytes"].as_u64().unwrap() > 1 << 20);
    }
    // Each upload made the service call another service.
    exactly(&gateway.database, "audit_logs", 2 * VERSIONS.len()).await.unwrap();
}

#[tokio::test]
async fn a_curl_stopped_during_its_upload_is_a_warning() {
    let gateway = Gateway::of(SHELL).await.unwrap();
    for (flag, protocol) in VERSIONS {
        let id = format!("stopped{flag}");
        let header = format!("x-correlation-id: {id}");
        // A body that never ends: curl's standard input stays open.
        let arguments = [flag, "-H", &header, "--request", "POST", "--upload-file", "-"];
        let mut command = curl(&gateway, "/api/v1/conversations/c/messages", &arguments);
        command.stdin(Stdio::piped());
        let mut curl = start(command);
        eventually("the request is in progress", PATIENCE, async || {
            let active = gateway.envoy.stats("http.ingress.downstream_rq_active").await?;
            ensure!(active.values().any(|count| *count > 0), "{active:?}");
            Ok(())
        })
        .await
        .unwrap();
        curl.kill().await.unwrap();
        let record = one(&gateway.database, "context.correlation_id", &id).await.unwrap();
        let expected = json!({
            "level": "WARNING", "trace": {"status": "error"}, "error": {"flags": ["DC"]},
            "http": {"method": "POST", "status": null, "protocol": protocol},
        });
        assert_contains(&record, &expected);
    }
}

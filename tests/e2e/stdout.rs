//! Records on standard output: one JSON line each, for `jq`.

use std::fs::File;
use std::process::Command;

use anyhow::ensure;
use gatelog_testkit::{Gateway, eventually};
use serde_json::Value;

use crate::SHELL;
use crate::stored::PATIENCE;

/// Runs the real `jq` over the journal, as a person would over a pipe.
fn jq(gateway: &Gateway, filter: &str) -> Vec<Value> {
    let journal = File::open(gateway.envoy.journal().path()).unwrap();
    let output = Command::new("jq")
        .args(["--compact-output", filter])
        .stdin(journal)
        .output()
        .expect("jq is missing: apt-get install jq, or your system's package");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn the_documented_jq_filters_work_on_standard_output() {
    let gateway = Gateway::of(SHELL).await.unwrap();
    for path in ["/api/v1/messages", "/nowhere", "/api/v1/conversations/c/summary"] {
        gateway.get(path, &[]).await.unwrap();
    }
    eventually("three lines are printed", PATIENCE, async || {
        let lines = gateway.envoy.journal().lines()?;
        ensure!(lines.len() == 3, "{lines:#?}");
        Ok(())
    })
    .await
    .unwrap();

    let errors = jq(&gateway, r#"select(.level=="ERROR")"#);
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0]["http"]["status"], 500);
    assert_eq!(jq(&gateway, r#"select(.logger_name | contains("gateway"))"#).len(), 3);
}

#[tokio::test]
async fn a_health_check_leaves_no_record_and_no_line() {
    let gateway = Gateway::of(SHELL).await.unwrap();
    for _ in 0..3 {
        let reply = gateway.get("/healthz", &[]).await.unwrap();
        assert_eq!(reply.text(), "ok\n");
    }
    // Later records have arrived, so records of the health checks would have arrived too.
    gateway.get("/api/v1/messages", &[]).await.unwrap();
    crate::stored::exactly(&gateway.database, "trace_logs", 1).await.unwrap();
    eventually("the line is printed", PATIENCE, async || {
        let lines = gateway.envoy.journal().lines()?;
        ensure!(!lines.is_empty(), "nothing yet");
        Ok(())
    })
    .await
    .unwrap();
    let records = gateway.envoy.journal().records().unwrap();
    assert_eq!(records.len(), 1, "{records:#?}");
    assert_eq!(records[0]["http"]["path"], "/api/v1/messages");
}

#[tokio::test]
async fn a_quote_or_a_line_break_in_a_header_does_not_break_the_line() {
    let gateway = Gateway::of(SHELL).await.unwrap();
    let hostile = r#"x","level":"ERROR","y":"\u0000"#;
    gateway.get("/api/v1/messages", &[("user-agent", hostile)]).await.unwrap();
    eventually("the line is printed", PATIENCE, async || {
        let records = gateway.envoy.journal().records()?;
        ensure!(records.len() == 1, "{records:#?}");
        ensure!(records[0]["level"] == "INFO");
        ensure!(records[0]["http"]["user_agent"] == hostile, "{records:#?}");
        Ok(())
    })
    .await
    .unwrap();
}

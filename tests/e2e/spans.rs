//! Services join the flow: with the gateway's own span, or with the request's id, in one tree.

use axum::http::Method;
use gatelog_testkit::{Collector, Gateway, GatewayOptions, SampleService, eventually};
use serde_json::{Value, json};

use crate::SHELL;
use crate::stored::{PATIENCE, exactly};

/// The shipped system with the gateway's span propagated, and a service that says what it received.
async fn gateway(echo: &SampleService) -> Gateway {
    let mut options = GatewayOptions::of(SHELL).unwrap();
    let config = &mut options.envoy.config;
    config.filter_options(&[("/trace/propagate", json!(true))]).unwrap();
    config.add_cluster("echo", echo.address()).unwrap();
    let route = json!({"name": "echo", "match": {"prefix": "/echo"}, "route": {"cluster": "echo"}});
    config.routes().unwrap().insert(0, route);
    Gateway::start_with(options).await.unwrap()
}

/// What a service that got these headers posts of its own: one record that knows its spans, one from a
/// plain logger that knows only its own span, one that knows only the request.
fn of_service(got: &Value) -> Vec<Value> {
    let traceparent: Vec<_> = got["traceparent"].as_str().unwrap().split('-').collect();
    let [_, trace, gateway, _] = traceparent.as_slice() else { panic!("{got:#}") };
    let now = gatelog_record::Timestamp::from_unix_micros(now_micros());
    let said = |message: &str, level: &str, context: Value, trace: Value| {
        json!({
            "timestamp": now.to_string(), "level": level, "message": message,
            "logger_name": "app.orders", "context": context, "trace": trace,
        })
    };
    let flow = json!({"correlation_id": got["x-correlation-id"]});
    let own = json!({"trace_id": trace, "span_id": "00f067aa0ba902b7", "parent_span_id": gateway});
    let mut failed = said("no such order", "ERROR", flow, own);
    failed["error"] =
        json!({"type": "KeyError", "message": "o-1", "stack_trace": ["app.py:42 in get"]});
    vec![
        failed,
        said(
            "by trace",
            "INFO",
            json!({}),
            json!({"trace_id": trace, "span_id": "00f067aa0ba902b7"}),
        ),
        said("by request", "WARNING", json!({"request_id": got["x-request-id"]}), json!({})),
    ]
}

fn now_micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

async fn post(collector: &Collector, gateway: &Gateway, records: &[Value]) {
    let body = serde_json::to_string(records).unwrap();
    let headers: [(&str, &[u8]); 1] = [("content-type", b"application/json")];
    let address = collector.address();
    let reply = gateway.client.send(address, Method::POST, "/v1/records", &headers, body).await;
    let reply = reply.unwrap();
    assert_eq!(reply.status, 202, "{}", reply.text());
}

/// The tree that `gatelog-collector trace` prints, without the header, times and durations.
fn tree(gateway: &Gateway, id: &str) -> anyhow::Result<Vec<String>> {
    let output = gateway.collector.command(&["trace", id])?.output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let branch = |line: &str| Some(line.split_once(" ms")?.1.to_owned());
    Ok(text.lines().skip(1).filter_map(branch).collect())
}

#[tokio::test]
async fn a_services_records_are_found_below_their_request_by_flow_and_by_request_id() {
    let echo = SampleService::echo().await.unwrap();
    let gateway = gateway(&echo).await;
    let reply = gateway.get("/echo", &[("x-correlation-id", "corr_456")]).await.unwrap();
    let got = reply.json().unwrap();
    post(&gateway.collector, &gateway, &of_service(&got)).await;
    exactly(&gateway.database, "trace_logs", 4).await.unwrap();

    let request_id = reply.header("x-request-id");
    for (id, mark) in [("corr_456", " "), (request_id, "▸")] {
        let tree = eventually("the whole tree", PATIENCE, async || {
            let tree = tree(&gateway, id)?;
            anyhow::ensure!(tree.len() == 4, "{tree:#?}");
            Ok(tree)
        })
        .await
        .unwrap();
        assert!(tree[0].starts_with(&format!("{mark}└─ GET /echo  → 200")), "{tree:#?}");
        for (message, marked) in [
            ("ERROR  no such order", false),
            ("INFO  by trace", false),
            ("WARNING  by request", true),
        ] {
            let mark = if marked { mark } else { " " };
            let branch = |turn| format!("{mark}   {turn} {message}");
            let below =
                |line: &String| line.starts_with(&branch("├─")) || line.starts_with(&branch("└─"));
            assert!(tree.iter().any(below), "{message}: {tree:#?}");
        }
        assert!(tree.iter().any(|line| line.ends_with("✗ KeyError: o-1")), "{tree:#?}");
    }
}

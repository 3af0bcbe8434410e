//! Services behind the gateway that log with the OpenTelemetry SDKs of Python and Node, directly to
//! the collector.

use anyhow::{Context, ensure};
use gatelog_testkit::stored::{PATIENCE, exactly, one};
use gatelog_testkit::{
    FaultProxy, Gateway, GatewayOptions, checkout, eventually, unreachable_address,
};
use mongodb::bson::doc;
use serde_json::{Value, json};

use crate::contains::assert_contains;
use crate::program::Service;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// The gateway with a service behind it that sends its log records to the gateway's collector.
async fn start(script: &str) -> (Gateway, FaultProxy, Service) {
    start_with(script, GatewayOptions::shipped().unwrap()).await
}

async fn start_with(script: &str, mut options: GatewayOptions) -> (Gateway, FaultProxy, Service) {
    // The service starts before the collector has an address.
    let (nowhere, _socket) = unreachable_address().unwrap();
    let collector = FaultProxy::start(nowhere).await.unwrap();
    let endpoint = format!("http://{}/v1/logs", collector.address());
    let service =
        Service::start_with(script, &[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &endpoint)]).await;
    let config = &mut options.envoy.config;
    config.add_cluster("orders", service.address()).unwrap();
    let route =
        json!({"name": "orders", "match": {"prefix": "/orders/"}, "route": {"cluster": "orders"}});
    config.routes().unwrap().insert(0, route);
    let gateway = Gateway::start_with(options).await.unwrap();
    collector.lead_to(gateway.collector.address());
    (gateway, collector, service)
}

/// A failing request: what the service logged, found by the request's correlation id.
async fn failure(script: &str, service: &str, expected: Value, frame: &str) {
    let (gateway, _collector, _service) = start(script).await;
    let headers = [
        ("x-correlation-id", "corr_otlp"),
        ("x-organization-id", "org_123"),
        ("x-user-id", "user_7"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    let reply = gateway.get("/orders/missing", &headers).await.unwrap();
    assert_eq!(reply.status, 500, "{}", reply.text());

    // The gateway says that it failed, the service why.
    let gateway_record = one(&gateway.database, "http.path", "/orders/missing").await.unwrap();
    let context = &gateway_record["context"];
    assert_eq!(
        (&context["correlation_id"], &gateway_record["level"]),
        (&json!("corr_otlp"), &json!("ERROR"))
    );
    let of_flow = doc! {"context.correlation_id": "corr_otlp", "extra.service_name": service};
    let error = eventually("the service's error", PATIENCE, async || {
        let mut found = gateway.database.find("error_logs", of_flow.clone()).await?;
        ensure!(found.len() == 1, "{found:#?}");
        found.pop().map(gatelog_testkit::stored::json).context("none")
    })
    .await
    .unwrap();
    assert_eq!(&error["context"], context);
    assert_contains(&error, &expected);
    let stack = error["error"]["stack_trace"].as_str().unwrap();
    assert!(stack.contains(frame) && stack.contains("no such order"), "{stack}");

    let note = exactly(&gateway.database, "info_logs", 1).await.unwrap().remove(0);
    assert_eq!(&note["context"], context);
    let extra = json!({"sku": "a-1", "db_password": "[redacted]", "service_name": service});
    assert_contains(&note, &json!({"message": "stock is low", "extra": extra}));

    // Both are drawn below the request, and counted.
    let drawn = gateway.collector.command(&["trace", "corr_otlp"]).unwrap().output().unwrap();
    let drawn = String::from_utf8_lossy(&drawn.stdout).into_owned();
    let lines: Vec<_> = drawn.lines().map(str::trim_start).collect();
    let at = |text: &str| lines.iter().position(|line| line.contains(text));
    let below = at("stock is low").is_some() && at("stock is low") > at("/orders/missing");
    assert!(below && drawn.contains("no such order"), "{drawn}");
    let accounting = gateway.collector.accounting().await.unwrap();
    assert_eq!(accounting["unnumbered"], json!({"accepted": 2, "quarantined": 0}));
}

#[tokio::test]
async fn an_exception_in_python_is_found_by_the_correlation_id_of_its_request() {
    let expected = json!({
        "message": "Exception on /orders/missing [GET]", "function_name": "log_exception",
        "error": {"type": "ValueError", "message": "no such order: missing"},
        "trace": {"trace_id": TRACE},
    });
    failure("otlp_service.py", "orders", expected, "in charge").await;
}

#[tokio::test]
async fn an_exception_in_node_is_found_by_the_correlation_id_of_its_request() {
    let expected = json!({
        "message": "Exception on /orders/missing",
        "error": {"type": "RangeError", "message": "no such order: missing"},
    });
    failure("otlp_service.js", "payments", expected, "at charge").await;
}

#[tokio::test]
async fn one_flow_has_the_gateway_a_rust_service_and_a_python_service_with_both_stacks() {
    let options = GatewayOptions { example: true, ..GatewayOptions::shipped().unwrap() };
    let (gateway, _collector, _service) = start_with("otlp_service.py", options).await;
    for path in ["/api/v1/conversations/c/summary", "/orders/missing"] {
        let reply = gateway.get(path, &[("x-correlation-id", "corr_all")]).await.unwrap();
        assert_eq!(reply.status, 500, "{path}: {}", reply.text());
    }
    // Two of the gateway's, one by gatelog-tracing, two by OTLP.
    let of_flow = doc! {"context.correlation_id": "corr_all"};
    eventually("all of the flow", PATIENCE, async || {
        let found = gateway.database.find("trace_logs", of_flow.clone()).await?;
        ensure!(found.len() >= 5, "{} records", found.len());
        Ok(())
    })
    .await
    .unwrap();
    let errors = gateway.database.find("error_logs", of_flow).await.unwrap();
    let stacks = errors.iter().filter(|error| {
        error.get_document("error").is_ok_and(|error| error.contains_key("stack_trace"))
    });
    assert_eq!(stacks.count(), 2, "{errors:#?}");

    let drawn = gateway.collector.command(&["trace", "corr_all"]).unwrap().output().unwrap();
    let drawn = String::from_utf8_lossy(&drawn.stdout).into_owned();
    let lines: Vec<_> = drawn.lines().collect();
    let at = |text: &str| lines.iter().position(|line| line.contains(text));
    let order =
        ["/summary", "model summary-1 is unavailable", "/orders/missing", "no such order"].map(at);
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{drawn}");

    eventually("both are in the accounting", PATIENCE, async || {
        let accounting = gateway.collector.accounting().await?;
        let boots = accounting["boots"].as_array().context("no boots")?;
        let service = boots.iter().find(|boot| boot["gateway"] == "conversations");
        let service = service.context("no account of the Rust service")?;
        ensure!(service["stored"].as_u64() >= Some(1), "{service:#}");
        ensure!(accounting["unnumbered"]["accepted"] == 2, "{accounting:#}");
        Ok(())
    })
    .await
    .unwrap();
}

#[test]
fn the_recipes_of_the_docs_are_what_these_tests_run() {
    let read = |path: &str| std::fs::read_to_string(checkout().join(path)).unwrap();
    let page = read("docs/applications.md");
    for (language, script, comment) in
        [("python", "otlp_service.py", "#"), ("js", "otlp_service.js", "//")]
    {
        let script = read(&format!("tests/clients/{script}"));
        let recipe = script.split_once(&format!("{comment} --- recipe\n")).unwrap().1;
        let recipe = recipe.split_once(&format!("{comment} --- end of the recipe")).unwrap().0;
        let block = page.split_once(&format!("```{language}\n")).unwrap().1;
        assert_eq!(block.split_once("\n```").unwrap().0, recipe.trim());
    }
}

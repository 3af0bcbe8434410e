//! The wasm filter and the dynamic module store the same records for the same requests.

use axum::http::Method;
use gatelog_testkit::{Gateway, GatewayOptions, Shell};
use serde_json::Value;

use crate::stored::one;

/// What differs from one exchange to the next, or by design.
const OWN: [&str; 15] = [
    "/_id",
    "/row",
    "/id",
    "/created_at",
    "/timestamp",
    "/date",
    "/message",
    "/source",
    "/context/request_id",
    "/trace/execution_time_ms",
    "/trace/upstream_ms",
    "/http/host",
    "/http/upstream",
    "/http/request_bytes",
    "/http/response_bytes",
];

/// Method, path and further headers.
type Request = (Method, &'static str, Vec<(&'static str, &'static str)>);

fn requests() -> Vec<Request> {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    vec![
        (Method::GET, "/api/v1/messages?q=1&token=secret", vec![("user-agent", "curl/8")]),
        (Method::POST, "/api/v1/messages", vec![("x-organization-id", "org_1")]),
        (Method::GET, "/api/v1/messages/none", vec![("x-request-id", "mine")]),
        (Method::GET, "/nowhere", vec![("traceparent", trace)]),
        (Method::GET, "/api/v1/conversations/conv_1/summary", vec![("x-user-id", "u_1")]),
        (Method::GET, "/api/v1/reports/daily", vec![("authorization", "Bearer secret")]),
        (Method::DELETE, "/api/v1/messages/1", vec![("user-agent", "kube-probe/1.33")]),
    ]
}

/// The stored records of all requests, without what differs from one exchange to the next.
async fn records(shell: Shell) -> Vec<Value> {
    let gateway = Gateway::start_with(GatewayOptions::of(shell).unwrap()).await.unwrap();
    let mut records = Vec::new();
    for (number, (method, path, mut headers)) in requests().into_iter().enumerate() {
        let flow = format!("flow-{number}");
        headers.push(("x-correlation-id", &flow));
        gateway.send(method, path, &headers).await.unwrap();
        let mut record = one(&gateway.database, "context.correlation_id", &flow).await.unwrap();
        assert_eq!(record["source"]["gateway"], "gateway-1");
        for pointer in OWN {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            if let Some(parent) = record.pointer_mut(parent).and_then(Value::as_object_mut) {
                parent.remove(key);
            }
        }
        records.push(record);
    }
    assert_eq!(gateway.envoy.reloads().await.unwrap(), 0);
    records
}

#[tokio::test]
async fn the_wasm_filter_and_the_module_store_the_same_records() {
    let (wasm, module) = (records(Shell::Wasm).await, records(Shell::Module).await);
    assert_eq!(wasm.len(), requests().len());
    for (wasm, module) in wasm.iter().zip(&module) {
        assert_eq!(wasm, module);
    }
}

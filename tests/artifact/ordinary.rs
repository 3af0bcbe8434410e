//! The ordinary request: its ids, its record, its batch.

use std::time::Duration;

use gatelog_testkit::mock_host::{Answer, Headers};
use serde_json::json;

use crate::gateway::{Gateway, batch, ordinary, record};

#[test]
fn an_ordinary_request_becomes_the_documented_record() {
    let mut gateway = Gateway::start(r#"{"service": "edge"}"#);
    let mut record = record(&gateway.serve(ordinary()));
    let id = record["id"].take();
    assert_eq!(id.as_str().map(str::len), Some(36));
    let boot = record["source"]["boot"].take();
    assert_eq!(boot.as_str().map(str::len), Some(36));
    let expected = json!({
        "timestamp": "2026-01-26T02:11:57.469652+00:00",
        "level": "INFO",
        "logger_name": "gateway.edge",
        "function_name": "conversations",
        "line_number": null,
        "message": "GET /api/v1/conversations -> 200 in 45.23 ms",
        "context": {
            "request_id": "req-1",
            "correlation_id": "corr-1",
            "organization_id": "org_123",
            "user_id": null,
            "conversation_id": null
        },
        "trace": {"execution_time_ms": 45.239, "status": "success", "upstream_ms": 44.001},
        "http": {
            "method": "GET",
            "scheme": "http",
            "host": "api.example.com",
            "path": "/api/v1/conversations",
            "query": "limit=10",
            "status": 200,
            "protocol": "HTTP/1.1",
            "user_agent": "curl/8.5",
            "client_ip": "192.0.2.9",
            "route": "conversations",
            "cluster": "conversation_service",
            "upstream": "10.0.0.7:8080",
            "attempts": 1,
            "request_bytes": 321,
            "response_bytes": 1024
        },
        "id": null,
        "source": {"gateway": "edge-7", "boot": null, "seq": 1}
    });
    assert_eq!(record, expected);
}

#[test]
fn valid_ids_pass_untouched_and_come_back() {
    let mut gateway = Gateway::start("{}");
    let sent = ordinary();
    let stream = gateway.serve(sent.clone());
    assert_eq!(stream.request_headers, sent.request_headers);
    let response = stream.response_headers.unwrap();
    assert_eq!(response.text("x-request-id"), Some("req-1"));
    assert_eq!(response.text("x-correlation-id"), Some("corr-1"));
}

#[test]
fn missing_ids_are_made_and_go_both_ways() {
    let mut gateway = Gateway::start("{}");
    let mut bare = ordinary();
    bare.request_headers = Some(Headers::from([
        (":method", "GET"),
        (":authority", "api.example.com"),
        (":path", "/"),
    ]));
    let stream = gateway.serve(bare);
    let (request, response) = (stream.request_headers.clone(), stream.response_headers.clone());
    let (request, response) = (request.unwrap(), response.unwrap());
    let id = request.text("x-request-id").expect("an id was made").to_owned();
    assert_eq!((id.len(), id.as_bytes()[14]), (36, b'7'), "a UUIDv7: {id}");
    assert_eq!(request.text("x-correlation-id"), Some(id.as_str()));
    assert_eq!(response.text("x-request-id"), Some(id.as_str()));
    assert_eq!(response.text("x-correlation-id"), Some(id.as_str()));
    let context = &record(&stream)["context"];
    assert_eq!(context["request_id"], json!(id));
    assert_eq!(context["correlation_id"], json!(id));
}

#[test]
fn a_record_leaves_the_queue_when_the_collector_has_it() {
    let mut gateway = Gateway::start("{}");
    let made: Vec<_> = (0..3).map(|_| record(&gateway.serve(ordinary()))).collect();
    gateway.tick_after(Duration::from_millis(200));
    let [callout] = gateway.callouts() else { panic!("{:?}", gateway.callouts().len()) };
    assert_eq!(callout.cluster, "gatelog_collector");
    assert_eq!(callout.headers.text(":method"), Some("POST"));
    assert_eq!(callout.headers.text(":path"), Some("/v1/records"));
    assert_eq!(callout.headers.text("content-type"), Some("application/x-ndjson"));
    let (header, records) = batch(callout);
    assert_eq!(records, made);
    let header = &header["batch"];
    assert_eq!(header["gateway"], "edge-7");
    assert_eq!(header["assigned"], 3);
    assert_eq!(header["queued"], 0);

    let token = callout.token;
    gateway.answer(token, Answer::status(202));
    gateway.tick_after(Duration::from_millis(200));
    assert_eq!(gateway.callouts().len(), 1, "nothing is sent twice");
    assert_eq!(gateway.metric("records_delivered"), 3);
    assert_eq!(gateway.metric("queue_bytes"), 0);
    assert_eq!(gateway.metric("queue_records"), 0);
}

#[test]
fn memory_stays_flat_over_many_requests() {
    let mut gateway = Gateway::start("{}");
    let mut round = || {
        for _ in 0..100 {
            gateway.serve(ordinary());
        }
        gateway.tick_after(Duration::from_millis(200));
        let token = gateway.callouts().last().unwrap().token;
        gateway.answer(token, Answer::status(202));
        gateway.host.memory_bytes()
    };
    let warm = (0..3).map(|_| round()).last().unwrap();
    for _ in 0..10 {
        assert_eq!(round(), warm);
    }
}

//! The filter's behaviour, callback by callback.

use std::time::Duration;

use proxy_wasm_host::AbiVersion;
use proxy_wasm_host::abi::v0_2_1::types::LogLevel;
use proxy_wasm_host::abi::v0_2_1::{Callback, ContextState, HttpCallRefusal, Started};
use serde_json::{Value, json};

use crate::exchange::Exchange;
use crate::gateway::Gateway;

const TICK: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(11);

#[test]
fn the_module_starts_quietly_and_asks_for_ticks() {
    let (gateway, root) = Gateway::serving("");
    assert_eq!(gateway.guest.abi(), AbiVersion::V0_2_1);
    assert_eq!(gateway.guest.tick_period(root), Some(TICK));
    assert_eq!(gateway.logged(LogLevel::Warn), [""; 0]);
}

#[test]
fn a_faulty_configuration_is_refused_with_every_fault_and_another_one_taken() {
    let mut gateway = Gateway::default();
    let faulty = r#"{"servce": "edge", "record": {"slow_ms": -1}}"#;
    let started = gateway.start("faulty", faulty);
    assert!(matches!(started, Started::Refused { callback: Callback::Configure, .. }));
    let told = gateway.logged(LogLevel::Error);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|fault| fault.starts_with("gatelog: servce: unknown key")));
    assert!(matches!(gateway.start("gatelog", "{}"), Started::Serving(_)));
}

#[test]
fn an_exchange_gets_its_ids_and_leaves_its_record() {
    let (mut gateway, root) = Gateway::serving(r#"{"service": "edge"}"#);
    let headers: [(&str, &[u8]); 3] = [
        ("x-correlation-id", b"corr_456"),
        ("x-organization-id", b"org_123"),
        ("user-agent", b"curl/8.5"),
    ];
    let exchange = Exchange::ordinary("/api/v1/conversations?token=s3cret&limit=5", &headers);
    let exchange = gateway.serve(root, exchange);

    let id = exchange.sent("x-request-id");
    assert_eq!(id.len(), 36, "the filter made it: {id}");
    assert_eq!(exchange.answered("x-request-id"), id);
    assert_eq!(exchange.sent("x-correlation-id"), "corr_456");
    assert_eq!(exchange.answered("x-correlation-id"), "corr_456");
    let record = exchange.record();
    for (pointer, value) in [
        ("/timestamp", json!("2026-01-26T02:11:57.469652+00:00")),
        ("/level", json!("INFO")),
        ("/logger_name", json!("gateway.edge")),
        ("/function_name", json!("conversations")),
        ("/message", json!("GET /api/v1/conversations -> 200 in 45.23 ms")),
        ("/context/request_id", json!(id)),
        ("/context/correlation_id", json!("corr_456")),
        ("/context/organization_id", json!("org_123")),
        ("/trace/execution_time_ms", json!(45.239)),
        ("/trace/metrics", json!({"db": 12.5})),
        ("/http/method", json!("GET")),
        ("/http/scheme", json!("https")),
        ("/http/query", json!("token=[redacted]&limit=5")),
        ("/http/status", json!(200)),
        ("/http/protocol", json!("HTTP/2")),
        ("/http/user_agent", json!("curl/8.5")),
        ("/http/client_ip", json!("192.0.2.9")),
        ("/http/response_bytes", json!(1_024)),
        ("/source/gateway", json!("edge-7")),
        ("/source/seq", json!(1)),
    ] {
        assert_eq!(record.pointer(pointer), Some(&value), "{pointer} of {record:#}");
    }
    // Values that this proxy does not provide are absent.
    assert_eq!(record["http"].get("upstream"), None);
}

#[test]
fn a_batch_goes_out_at_the_tick_and_leaves_the_queue_when_it_was_taken() {
    let (mut gateway, root) = Gateway::serving(r#"{"delivery": {"token": "t0ken"}}"#);
    let published: Vec<Value> =
        (0..3).map(|_| gateway.serve(root, Exchange::ordinary("/", &[])).record()).collect();
    assert!(gateway.collector.posted().is_empty(), "before the tick");
    gateway.tick_after(root, TICK);
    let [post] = &gateway.collector.posted()[..] else { panic!("one batch") };
    assert_eq!(post.call.upstream.as_ref(), b"gatelog_collector");
    assert_eq!(post.call.timeout, Duration::from_secs(2));
    for (name, value) in [
        (":method", "POST"),
        (":path", "/v1/records"),
        (":authority", "gatelog-collector"),
        ("content-type", "application/x-ndjson"),
        ("authorization", "Bearer t0ken"),
    ] {
        assert_eq!(post.header(name), value, "{name}");
    }
    let (header, records) = post.lines();
    assert_eq!(header["batch"]["assigned"], 3, "{header}");
    assert_eq!(records, published);
    assert_eq!(gateway.metric(root, "queue_records"), 3);

    gateway.answer(post, Some("202"));
    gateway.tick_after(root, TICK);
    assert_eq!(gateway.metric(root, "queue_records"), 0);
    assert_eq!(gateway.metric(root, "records_delivered"), 3);
    assert!(gateway.collector.posted().is_empty());
    assert_eq!(gateway.guest.open_callout_count(), 0);
}

#[test]
fn what_was_not_taken_or_not_sent_is_posted_again() {
    let (mut gateway, root) = Gateway::serving("{}");
    let record = gateway.serve(root, Exchange::ordinary("/", &[])).record();
    for refusal in [HttpCallRefusal::UnknownUpstream, HttpCallRefusal::Failed] {
        gateway.collector.refuse(Some(refusal));
        gateway.tick_after(root, LONG);
    }
    gateway.collector.refuse(None);
    for status in [Some("503"), Some("429"), None, Some("202")] {
        gateway.tick_after(root, LONG);
        let [post] = &gateway.collector.posted()[..] else { panic!("one batch") };
        assert_eq!(post.lines().1, std::slice::from_ref(&record), "{status:?}");
        gateway.answer(post, status);
    }
    gateway.tick_after(root, LONG);
    assert!(gateway.collector.posted().is_empty());
    assert_eq!(gateway.metric(root, "records_delivered"), 1);
}

#[test]
fn a_replaced_configuration_sends_what_it_has_before_it_says_that_it_is_done() {
    let (mut gateway, old) = Gateway::serving(r#"{"service": "old"}"#);
    let (stream, open) = gateway.request(old, Exchange::ordinary("/slow", &[]));
    gateway.serve(old, Exchange::ordinary("/", &[]));
    let Started::Serving(new) = gateway.start("new", r#"{"service": "new"}"#) else {
        panic!("refused")
    };
    assert_eq!(
        gateway.serve(new, Exchange::ordinary("/", &[])).record()["logger_name"],
        "gateway.new"
    );
    // An exchange that began before the replacement is still the old one's.
    let record = gateway.respond(stream, open).record();
    assert_eq!(record["logger_name"], "gateway.old");

    assert!(!gateway.guest.enter_root().on_done(old).unwrap(), "something is left to send");
    assert_eq!(gateway.guest.context_state(old), Some(ContextState::Pending));
    let [post] = &gateway.collector.posted()[..] else { panic!("one batch") };
    assert_eq!(post.lines().1.len(), 2);
    gateway.answer(post, Some("202"));
    assert_eq!(gateway.guest.context_state(old), Some(ContextState::Done));
    assert_eq!(gateway.guest.enter_root().on_delete(old).unwrap(), []);

    gateway.tick_after(new, TICK);
    let [post] = &gateway.collector.posted()[..] else { panic!("one batch") };
    assert_eq!(post.lines().1[0]["logger_name"], "gateway.new");
}

#[test]
fn a_root_that_is_deleted_with_a_batch_under_way_leaves_the_vm_in_order() {
    let (mut gateway, root) = Gateway::serving("{}");
    gateway.serve(root, Exchange::ordinary("/", &[]));
    assert!(!gateway.guest.enter_root().on_done(root).unwrap());
    // No answers for as long as the old configuration may drain.
    for _ in 0..100 {
        if gateway.guest.context_state(root) == Some(ContextState::Done) {
            break;
        }
        gateway.tick_after(root, Duration::from_secs(1));
    }
    gateway.guest.enter_root().on_delete(root).unwrap();
    assert!(!gateway.guest.is_poisoned());
    let Started::Serving(root) = gateway.start("next", "{}") else { panic!("refused") };
    gateway.serve(root, Exchange::ordinary("/", &[])).record();
}

#[test]
fn exchanges_that_overlap_keep_apart_and_one_that_never_began_has_its_record() {
    let (mut gateway, root) = Gateway::serving("{}");
    let begun: Vec<_> = (0..100)
        .map(|number| {
            let id = format!("corr-{number}");
            let headers: [(&str, &[u8]); 1] = [("x-correlation-id", id.as_bytes())];
            gateway.request(root, Exchange::ordinary("/", &headers))
        })
        .collect();
    for (number, (stream, exchange)) in begun.into_iter().enumerate().rev() {
        let exchange = gateway.respond(stream, exchange);
        assert_eq!(exchange.record()["context"]["correlation_id"], format!("corr-{number}"));
    }
    // Rejected before the filter: created, and then only logged.
    let headers: [(&str, &[u8]); 1] = [("x-correlation-id", b"refused")];
    let refused = Exchange::ordinary("/", &headers).with("response.code", &403_u64.to_le_bytes());
    let stream = gateway.create(root);
    let record = gateway.end(stream, refused).record();
    assert_eq!(record["context"]["correlation_id"], "refused");
    assert_eq!(record["level"], "WARNING");
}

#[test]
fn bytes_that_are_not_text_harm_neither_the_exchange_nor_the_vm() {
    let (mut gateway, root) = Gateway::serving("{}");
    let hostile: [(&str, &[u8]); 6] = [
        ("x-request-id", b"\xff\xfe"),
        ("x-correlation-id", b"\xed\xa0\x80"),
        ("x-organization-id", b"org_\xc3\x28"),
        ("user-agent", b"agent/\x80\r\n\0"),
        ("traceparent", b"\xf0\x9f"),
        ("x-empty", b""),
    ];
    let exchange = gateway.serve(root, Exchange::ordinary("/a?%ff=\u{fffd}", &hostile));
    assert_eq!(exchange.sent("x-request-id"), exchange.sent("x-correlation-id"));
    assert_eq!(exchange.record()["http"]["user_agent"], "agent/\u{fffd}\r\n\0");
    assert!(!gateway.guest.is_poisoned());
    assert_eq!(gateway.logged(LogLevel::Warn), [""; 0]);
}

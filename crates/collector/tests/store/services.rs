//! Services' records in a flow: by span, by request, by trace, and found by the request's id.

use gatelog_collector::flow::{self, MOST, Style};
use gatelog_record::Decoded;
use mongodb::bson::{Bson, Document, doc};
use serde_json::{Value, json};

use crate::fixture::{Fixture, all_stored, record};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A gateway's record; `at` are hundredths of a second.
fn exchange(at: u32, path: &str, took: f64, correlation: &str, trace: &Value) -> Decoded {
    let mut told = json!({"execution_time_ms": took, "status": "success"});
    told.as_object_mut().unwrap().extend(trace.as_object().unwrap().clone());
    record(
        "INFO",
        &json!({
            "timestamp": format!("2096-01-26T02:11:57.{at:02}Z"), "function_name": "r",
            "context": {"correlation_id": correlation, "request_id": format!("r{}", path.replace('/', "-"))},
            "trace": told,
            "http": {"method": "GET", "path": path, "status": 200},
        }),
    )
}

/// What a service says.
fn said(at: u32, message: &str, context: &Value, trace: &Value) -> Decoded {
    record(
        "INFO",
        &json!({
            "timestamp": format!("2096-01-26T02:11:57.{at:02}Z"), "message": message,
            "logger_name": "app", "context": context, "trace": trace,
        }),
    )
}

fn spans(own: &str, parent: Option<&str>) -> Value {
    json!({"trace_id": TRACE, "span_id": own, "parent_span_id": parent})
}

async fn drawn(fixture: &Fixture, id: &str) -> String {
    flow::trace(&fixture.store, id, Style::Plain).await.unwrap().unwrap()
}

/// Two requests of one flow through the gateway, and what two services say about them.
async fn flow_of_services() -> Fixture {
    let fixture = Fixture::new().await;
    let corr = json!({"correlation_id": "corr_456"});
    let records = [
        exchange(10, "/orders", 800.0, "corr_456", &spans("g1", None)),
        exchange(20, "/stock", 300.0, "corr_456", &spans("g2", Some("s1"))),
        // Of the first service, in its span.
        said(15, "reserving", &corr, &spans("s1", Some("g1"))),
        said(60, "reserved", &json!({"correlation_id": "corr_456"}), &spans("s1", None)),
        // Of the second one, which knows only the trace, in place of a correlation id; only the trace;
        // and only the request.
        said(25, "by span", &json!({"correlation_id": TRACE}), &spans("s2", Some("g2"))),
        said(30, "by trace", &json!({}), &spans("s2", None)),
        said(35, "by request", &json!({"request_id": "r-stock"}), &json!({})),
        // Not of this flow, whatever they say about requests.
        exchange(40, "/stock", 1.0, "another", &json!({})),
        said(
            41,
            "another's",
            &json!({"correlation_id": "another", "request_id": "r-stock"}),
            &json!({}),
        ),
        said(42, "nobody's", &json!({}), &json!({})),
    ];
    assert_eq!(fixture.store.insert(&records).await, all_stored(10));
    fixture
}

#[tokio::test]
async fn a_services_records_are_below_the_request_that_caused_them() {
    let fixture = flow_of_services().await;
    assert_eq!(
        drawn(&fixture, "corr_456").await,
        "\
corr_456: 7 records, 800.0 ms from 2096-01-26T02:11:57.100000+00:00
     +0.0 ms └─ GET /orders  → 200  800.0 ms  [gateway.edge r]
    +50.0 ms    ├─ INFO  reserving  [app]
   +100.0 ms    │  └─ GET /stock  → 200  300.0 ms  [gateway.edge r]
   +150.0 ms    │     ├─ INFO  by span  [app]
   +200.0 ms    │     ├─ INFO  by trace  [app]
   +250.0 ms    │     └─ INFO  by request  [app]
   +500.0 ms    └─ INFO  reserved  [app]
"
    );
}

#[tokio::test]
async fn a_request_id_finds_its_flow_and_marks_the_request() {
    let fixture = flow_of_services().await;
    let text = drawn(&fixture, "r-orders").await;
    assert!(text.starts_with("corr_456 with request r-orders: 7 records"), "{text}");
    let marked: Vec<_> = text.lines().filter(|line| line.contains('▸')).collect();
    assert_eq!(
        marked,
        ["     +0.0 ms▸└─ GET /orders  → 200  800.0 ms  [gateway.edge r]"],
        "{text}"
    );
    // One id that clients sent twice is in two flows: both are shown, as neither is certain.
    let text = drawn(&fixture, "r-stock").await;
    assert!(text.starts_with("r-stock: 9 records"), "{text}");
    assert!(text.contains("another's") && text.contains("/orders"), "{text}");
}

#[tokio::test]
async fn a_trace_id_that_only_services_have_finds_the_flow_by_their_requests() {
    let fixture = Fixture::new().await;
    let context = json!({"correlation_id": TRACE, "request_id": "r-orders"});
    let records = [
        exchange(10, "/orders", 800.0, "corr_456", &json!({})),
        said(20, "told", &context, &spans("s1", Some("unknown"))),
        said(30, "more", &json!({"correlation_id": "corr_456"}), &json!({})),
    ];
    assert_eq!(fixture.store.insert(&records).await, all_stored(3));
    let text = drawn(&fixture, TRACE).await;
    assert!(text.contains(": 3 records") && text.contains("   ├─ INFO  told"), "{text}");
    let by_flow = drawn(&fixture, "corr_456").await;
    assert_eq!(
        by_flow.lines().skip(1).collect::<Vec<_>>(),
        text.lines().skip(1).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_search_by_request_id_that_takes_too_long_costs_only_what_it_would_have_found() {
    let fixture = Fixture::failing().await;
    let records = [exchange(10, "/orders", 800.0, "corr_456", &json!({}))];
    assert_eq!(fixture.store.insert(&records).await, all_stored(1));
    let expired = doc! { "failCommands": ["find"], "errorCode": 50 };
    // The first search is by the correlation id.
    fixture.fail(doc! { "skip": 1 }, expired.clone()).await;
    let text = drawn(&fixture, "corr_456").await;
    assert!(text.contains("GET /orders") && text.contains("was given up"), "{text}");
    fixture.fail(doc! { "skip": 1 }, expired).await;
    let failed = flow::trace(&fixture.store, "r-orders", Style::Plain).await;
    assert!(failed.is_err(), "it may be there: {failed:?}");
    fixture.fail("off", doc! {}).await;
}

#[tokio::test]
async fn what_names_a_request_or_a_trace_has_a_compact_document() {
    let fixture = Fixture::new().await;
    let records = [
        said(1, "request", &json!({"request_id": "r"}), &json!({})),
        said(2, "trace", &json!({}), &json!({"trace_id": TRACE})),
        said(3, "span", &json!({}), &json!({"span_id": "s"})),
        said(4, "user", &json!({"user_id": "u", "request_id": null}), &json!({"trace_id": null})),
        said(5, "empty", &json!({"request_id": ""}), &json!({"trace_id": ""})),
    ];
    assert_eq!(fixture.store.insert(&records).await, all_stored(5));
    let mut found: Vec<_> = fixture.all("trace_logs").await.into_iter().collect();
    found.sort_by_key(|document| document.get_str("timestamp").unwrap().to_owned());
    let messages: Vec<_> = found.iter().map(|found| found.get_str("message").unwrap()).collect();
    assert_eq!(messages, ["request", "trace"]);
    let ids = |found: &Document| found.get_document("context").unwrap().clone();
    assert_eq!(ids(&found[0]).get_str("request_id").unwrap(), "r");
    assert_eq!(
        ids(&found[1]).get_str("correlation_id").unwrap(),
        TRACE,
        "in place of the one it lacks"
    );
    let full = fixture.all("info_logs").await;
    assert!(full.iter().all(|full| ids(full).get("correlation_id") == Some(&Bson::Null)));
}

#[tokio::test]
async fn thousands_of_hostile_records_of_one_request_are_bounded_and_harm_no_terminal() {
    let fixture = Fixture::new().await;
    let context = json!({"correlation_id": "corr_456", "request_id": "r-orders"});
    let mut records = vec![exchange(0, "/orders", 900.0, "corr_456", &json!({"span_id": "0"}))];
    records.extend((0..MOST).map(|number| {
        // In a circle, and each in the span of many.
        let (own, parent) = (number % 90, (number + 1) % 90);
        let trace = json!({"span_id": own.to_string(), "parent_span_id": parent.to_string()});
        said(10, "\u{1b}[2J\u{202e}gone\r\n", &context, &trace)
    }));
    for records in records.chunks(1_000) {
        assert_eq!(fixture.store.insert(records).await, all_stored(records.len()));
    }
    let text = drawn(&fixture, "r-orders").await;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 1 + MOST + 1);
    assert_eq!(lines[MOST + 1], format!("more than {MOST} records: these are the earliest"));
    let acts = |character| character != '\n' && gatelog_record::acts_on_display(character);
    assert!(!text.chars().any(acts));
    assert!(lines.iter().all(|line| line.chars().count() < 300));
}

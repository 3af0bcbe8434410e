//! N requests with known ids, tenants and outcomes become exactly N records, with the right fields,
//! in the right collections, and the same N lines on stdout.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use gatelog_testkit::{Gateway, GatewayOptions};
use mongodb::bson::doc;
use mongodb::bson::spec::BinarySubtype;
use serde_json::{Value, json};

use crate::SHELL;
use crate::stored::{at, exactly};

/// The expected record of a request.
struct Case {
    method: Method,
    path: &'static str,
    status: u16,
    level: &'static str,
    route: &'static str,
}

const fn case(
    method: Method,
    path: &'static str,
    status: u16,
    level: &'static str,
    route: &'static str,
) -> Case {
    Case { method, path, status, level, route }
}

static CASES: [Case; 6] = [
    case(Method::GET, "/api/v1/messages", 200, "INFO", "messages"),
    case(Method::POST, "/api/v1/messages", 201, "INFO", "messages"),
    case(Method::GET, "/api/v1/messages/none", 404, "WARNING", "messages"),
    case(Method::GET, "/nowhere", 404, "WARNING", "unrouted"),
    case(Method::GET, "/api/v1/conversations/conv_1/summary", 500, "ERROR", "conversations"),
    case(Method::GET, "/api/v1/reports/daily", 503, "CRITICAL", "reports"),
];

/// Rounds of all the cases.
const ROUNDS: usize = 8;

const COLLECTIONS: [(&str, &str); 5] = [
    ("DEBUG", "debug_logs"),
    ("INFO", "info_logs"),
    ("WARNING", "warning_logs"),
    ("ERROR", "error_logs"),
    ("CRITICAL", "critical_logs"),
];

/// What the client knows about a request that it sent.
struct Sent {
    case: &'static Case,
    request_id: String,
    correlation_id: String,
    organization_id: String,
}

async fn send_all(gateway: &Gateway) -> Vec<Sent> {
    let mut sent = Vec::new();
    for round in 0..ROUNDS {
        for (number, case) in CASES.iter().enumerate() {
            let correlation_id = format!("corr_{round}_{number}");
            let organization_id = format!("org_{}", round % 3);
            let headers = [
                ("x-correlation-id", correlation_id.as_str()),
                ("x-organization-id", organization_id.as_str()),
                ("x-user-id", "user_7"),
            ];
            let reply = gateway.send(case.method.clone(), case.path, &headers).await.unwrap();
            assert_eq!(reply.status.as_u16(), case.status, "{}", case.path);
            let request_id = reply.header("x-request-id").to_owned();
            sent.push(Sent { case, request_id, correlation_id, organization_id });
        }
    }
    sent
}

fn check(record: &Value, sent: &Sent) {
    let case = sent.case;
    let expected = [
        ("/level", json!(case.level)),
        ("/logger_name", json!("gateway.edge")),
        ("/function_name", json!(case.route)),
        ("/line_number", Value::Null),
        ("/context/request_id", json!(sent.request_id)),
        ("/context/correlation_id", json!(sent.correlation_id)),
        ("/context/organization_id", json!(sent.organization_id)),
        ("/context/user_id", json!("user_7")),
        ("/http/method", json!(case.method.as_str())),
        ("/http/path", json!(case.path)),
        ("/http/status", json!(case.status)),
        ("/http/protocol", json!("HTTP/1.1")),
        ("/http/client_ip", json!("127.0.0.1")),
        ("/source/gateway", json!("gateway-1")),
    ];
    for (pointer, value) in expected {
        assert_eq!(at(record, pointer), &value, "{pointer} of {record:#}");
    }
    let conversation = if case.route == "conversations" { json!("conv_1") } else { Value::Null };
    assert_eq!(record["context"]["conversation_id"], conversation, "{record:#}");
    let failed = matches!(case.level, "ERROR" | "CRITICAL");
    assert_eq!(record["trace"]["status"], if failed { "error" } else { "success" });
    assert_eq!(record.get("audit").is_some(), case.method == Method::POST, "{record:#}");
    let milliseconds = record["trace"]["execution_time_ms"].as_f64().unwrap();
    assert!(milliseconds > 0.0 && milliseconds < 10_000.0, "{milliseconds}");
    let message = record["message"].as_str().unwrap();
    let start = format!("{} {} -> {} in ", case.method, case.path, case.status);
    assert!(message.starts_with(&start) && message.ends_with(" ms"), "{message}");
    let timestamp = record["timestamp"].as_str().unwrap();
    assert_eq!(timestamp.len(), "2026-01-26T02:11:57.469652+00:00".len(), "{timestamp}");
}

#[tokio::test]
async fn every_request_is_one_record_with_the_right_fields_in_the_right_place() {
    let mut options = GatewayOptions::of(SHELL).unwrap();
    options.envoy.concurrency = 2;
    let gateway = Gateway::start_with(options).await.unwrap();
    let sent = send_all(&gateway).await;

    let mut stored = BTreeMap::new();
    for (level, collection) in COLLECTIONS {
        let count = sent.iter().filter(|sent| sent.case.level == level).count();
        for record in exactly(&gateway.database, collection, count).await.unwrap() {
            stored.insert(record["context"]["request_id"].as_str().unwrap().to_owned(), record);
        }
    }
    let posts = sent.iter().filter(|sent| sent.case.method == Method::POST).count();
    let audited = exactly(&gateway.database, "audit_logs", posts).await.unwrap();
    assert!(audited.iter().all(|record| record["http"]["method"] == "POST"));
    exactly(&gateway.database, "trace_logs", sent.len()).await.unwrap();

    assert_eq!(stored.len(), sent.len(), "every request has a record with its own id");
    for sent in &sent {
        check(&stored[&sent.request_id], sent);
    }

    let lines = gateway.envoy.journal().records().unwrap();
    assert_eq!(lines.len(), sent.len());
    let printed: BTreeSet<_> =
        lines.iter().map(|line| line["context"]["request_id"].as_str().unwrap()).collect();
    assert_eq!(printed, stored.keys().map(String::as_str).collect());
    for line in &lines {
        let mut record = stored[line["context"]["request_id"].as_str().unwrap()].clone();
        let mut line = line.clone();
        // In the database `id` is `_id`, and the instant is stored a second time, as a date;
        // `row` is for the rollups.
        line.as_object_mut().unwrap().remove("id").unwrap();
        for key in ["_id", "created_at", "row"] {
            record.as_object_mut().unwrap().remove(key).unwrap();
        }
        assert_eq!(line, record);
    }
}

#[tokio::test]
async fn ids_are_uuids_dates_are_dates_and_every_sequence_is_whole() {
    let gateway = Gateway::of(SHELL).await.unwrap();
    for _ in 0..10 {
        gateway.get("/api/v1/messages", &[]).await.unwrap();
    }
    exactly(&gateway.database, "info_logs", 10).await.unwrap();
    let mut seqs = Vec::new();
    for document in gateway.database.find("info_logs", doc! {}).await.unwrap() {
        let mongodb::bson::Bson::Binary(id) = document.get("_id").unwrap() else {
            panic!("{document}")
        };
        assert_eq!(id.subtype, BinarySubtype::Uuid);
        assert_eq!(id.bytes[6] >> 4, 7, "a version 7 UUID");
        let created = document.get_datetime("created_at").unwrap().try_to_rfc3339_string().unwrap();
        let text = document.get_str("timestamp").unwrap();
        // Dates have milliseconds, the text has microseconds, and either drops trailing zeros.
        assert_eq!(created.get(..19), text.get(..19));
        let source = document.get_document("source").unwrap();
        seqs.push(source.get_i64("seq").or_else(|_| source.get_i32("seq").map(i64::from)).unwrap());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=10).collect::<Vec<_>>());
}

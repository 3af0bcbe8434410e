//! The documented queries, as a driver sends them: correct answers, using an index.

use gatelog_testkit::{Database, Gateway};
use mongodb::bson::{Document, doc};
use serde_json::Value;

use crate::stored::{exactly, json};

/// Two organizations' errors, a flow through both services, a slow export.
async fn traffic() -> Gateway {
    let gateway = Gateway::start().await.unwrap();
    let summary = "/api/v1/conversations/conv_789/summary";
    for organization in ["org_123", "org_123", "org_9"] {
        let headers = [("x-organization-id", organization)];
        assert_eq!(gateway.get(summary, &headers).await.unwrap().status, 500);
    }
    let flow = [("x-correlation-id", "corr_456"), ("x-conversation-id", "conv_789")];
    gateway.get("/api/v1/conversations/conv_789", &flow).await.unwrap();
    gateway.get("/api/v1/conversations/conv_1/export", &[]).await.unwrap();
    exactly(&gateway.database, "error_logs", 3).await.unwrap();
    exactly(&gateway.database, "info_logs", 3).await.unwrap();
    exactly(&gateway.database, "trace_logs", 6).await.unwrap();
    gateway
}

async fn run(database: &Database, command: Document) -> Vec<Value> {
    let answer = json(database.command(command).await.unwrap());
    answer["cursor"]["firstBatch"].as_array().unwrap().clone()
}

async fn explained(database: &Database, command: Document) -> String {
    let explain = doc! { "explain": command, "verbosity": "queryPlanner" };
    let answer = json(database.command(explain).await.unwrap());
    answer["queryPlanner"]["winningPlan"].to_string()
}

fn is_descending(records: &[Value], pointer: &str) -> bool {
    let values: Vec<_> = records.iter().map(|record| record.pointer(pointer).unwrap()).collect();
    values.is_sorted_by(|a, b| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a >= b,
        _ => a.as_str() >= b.as_str(),
    })
}

#[tokio::test]
async fn the_documented_queries_answer_correctly_and_by_an_index() {
    let gateway = traffic().await;
    let database = &gateway.database;

    let of_organization = doc! {
        "find": "error_logs", "filter": { "context.organization_id": "org_123" },
        "sort": { "timestamp": -1 }, "limit": 100
    };
    let errors = run(database, of_organization.clone()).await;
    assert_eq!(errors.len(), 2);
    assert!(is_descending(&errors, "/timestamp"));

    let of_flow = doc! {
        "find": "trace_logs", "filter": { "context.correlation_id": "corr_456" },
        "sort": { "timestamp": 1 }
    };
    let flow = run(database, of_flow.clone()).await;
    let functions: Vec<_> = flow.iter().map(|record| record["function_name"].as_str()).collect();
    assert_eq!(functions, [Some("conversations"), Some("messages")], "the caller started first");

    let of_conversation = doc! {
        "aggregate": "info_logs", "cursor": {},
        "pipeline": [
            { "$match": { "context.conversation_id": "conv_789", "timestamp": { "$gte": "2026-01-25" } } },
            { "$group": { "_id": "$level", "count": { "$sum": 1 } } }
        ]
    };
    let levels = run(database, of_conversation).await;
    assert_eq!(levels, [serde_json::json!({ "_id": "INFO", "count": 2 })]);

    let slow = doc! {
        "find": "info_logs", "filter": { "trace.execution_time_ms": { "$gt": 1000 } },
        "sort": { "trace.execution_time_ms": -1 }
    };
    let found = run(database, slow.clone()).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["trace"]["slow"], true);

    let latest = doc! { "find": "error_logs", "sort": { "timestamp": -1 }, "limit": 10 };
    let found = run(database, latest.clone()).await;
    assert_eq!(found.len(), 3);
    assert!(is_descending(&found, "/timestamp"));

    // What `countDocuments()` sends.
    let count = doc! {
        "aggregate": "info_logs", "cursor": {},
        "pipeline": [{ "$match": {} }, { "$group": { "_id": 1, "n": { "$sum": 1 } } }]
    };
    assert_eq!(run(database, count).await[0]["n"], 3);

    let matched = doc! {
        "find": "info_logs",
        "filter": { "context.conversation_id": "conv_789", "timestamp": { "$gte": "2026-01-25" } }
    };
    for query in [of_organization, of_flow, matched, slow, latest] {
        let plan = explained(database, query.clone()).await;
        assert!(plan.contains("IXSCAN") && !plan.contains("COLLSCAN"), "{query}: {plan}");
    }
}

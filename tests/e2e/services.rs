//! A service that logs with gatelog-tracing, behind a real Envoy: its records and the gateway's are one
//! flow, in bad days too.

use anyhow::{Context, ensure};
use axum::http::Method;
use gatelog_testkit::{Gateway, GatewayOptions, eventually};
use mongodb::bson::doc;
use serde_json::Value;

use crate::SHELL;
use crate::stored::{PATIENCE, at, json, one};

const SERVICE: &str = "conversations";

async fn gateway() -> Gateway {
    let options = GatewayOptions { example: true, ..GatewayOptions::of(SHELL).unwrap() };
    Gateway::start_with(options).await.unwrap()
}

/// The service's records at INFO with this message, once there are so many.
async fn said(gateway: &Gateway, message: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} records say {message:?}"), PATIENCE, async || {
        let filter = doc! { "source.gateway": SERVICE, "message": message };
        let found = gateway.database.find("info_logs", filter).await?;
        ensure!(found.len() == count, "{} records", found.len());
        Ok(found.into_iter().map(json).collect())
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_services_records_have_the_ids_of_the_request_and_so_have_its_own_calls() {
    let gateway = gateway().await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [
        ("x-correlation-id", "corr_456"),
        ("x-organization-id", "org_123"),
        ("x-user-id", "user_7"),
        ("traceparent", traceparent),
    ];
    let reply = gateway.get("/api/v1/conversations/conv_789", &headers).await.unwrap();
    assert_eq!(reply.status, 200);
    let request_id = reply.header("x-request-id");
    let read = &said(&gateway, "conversation read", 1).await[0];
    let spawned = &said(&gateway, "counted as read", 1).await[0];
    for record in [read, spawned] {
        for (key, value) in [
            ("/context/request_id", request_id),
            ("/context/correlation_id", "corr_456"),
            ("/context/organization_id", "org_123"),
            ("/context/user_id", "user_7"),
            ("/function_name", "conversation_with_messages"),
            ("/trace/trace_id", "0af7651916cd43dd8448eb211c80319c"),
        ] {
            assert_eq!(at(record, key), value, "{key} of {record:#}");
        }
    }
    // What the service sent on: the gateway's record of its call is a child of the service's span.
    let call = one(&gateway.database, "http.path", "/api/v1/messages").await.unwrap();
    assert_eq!(at(&call, "/context/correlation_id"), "corr_456", "{call:#}");
    assert_eq!(at(&call, "/context/organization_id"), "org_123", "{call:#}");
    assert_eq!(at(&call, "/trace/parent_span_id"), at(read, "/trace/span_id"), "{call:#}");
}

#[tokio::test]
async fn an_error_is_found_by_its_request_with_its_causes_and_without_its_secrets() {
    let gateway = gateway().await;
    let reply = gateway.get("/api/v1/conversations/c/summary", &[]).await.unwrap();
    assert_eq!(reply.status, 500);
    let error = eventually("the service's error is stored", PATIENCE, async || {
        let request_id = reply.header("x-request-id");
        let filter = doc! { "context.request_id": request_id, "source.gateway": SERVICE };
        gateway.database.find("error_logs", filter).await?.pop().map(json).context("none")
    })
    .await
    .unwrap();
    assert_eq!(at(&error, "/error/type"), "ModelUnavailable", "{error:#}");
    assert_eq!(at(&error, "/error/message"), "model summary-1 is unavailable", "{error:#}");
    let stack = at(&error, "/error/stack_trace").as_array().unwrap();
    assert_eq!(stack[0], "caused by: entity not found", "{error:#}");
    assert!(stack[1].as_str().unwrap().contains("::summary (examples/"), "{error:#}");
    assert_eq!(at(&error, "/extra/api_key"), "[redacted]", "{error:#}");
}

#[tokio::test]
async fn a_killed_collector_costs_the_service_neither_a_request_nor_a_record() {
    let mut gateway = gateway().await;
    let post = "/api/v1/conversations/c/messages";
    for _ in 0..3 {
        assert_eq!(gateway.send(Method::POST, post, &[]).await.unwrap().status, 201);
    }
    gateway.collector.kill().unwrap();
    for _ in 0..3 {
        assert_eq!(gateway.send(Method::POST, post, &[]).await.unwrap().status, 201);
    }
    gateway.collector.restart().await.unwrap();
    said(&gateway, "message sent", 6).await;
    gateway.example.as_mut().unwrap().stop().unwrap();
    said(&gateway, "stopped", 1).await;
    eventually("the service's account adds up", PATIENCE, async || {
        let accounting = gateway.collector.accounting().await?;
        let boots = accounting["boots"].as_array().context("no boots")?;
        let own = boots.iter().find(|boot| boot["gateway"] == SERVICE).context("no account")?;
        ensure!(own["assigned"] == 8 && own["stored"] == 8 && own["missing"] == 0, "{own:#}");
        Ok(())
    })
    .await
    .unwrap();
    let lines = gateway.example.as_ref().unwrap().lines().unwrap();
    assert_eq!(lines.len(), 8, "standard output has them too: {lines:#?}");
}

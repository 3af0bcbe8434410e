//! WebSocket, with the Python library `websockets`.

use anyhow::Result;
use gatelog_testkit::stored::{exactly, one};
use gatelog_testkit::{EnvoyConfig, Gateway, GatewayOptions};
use serde_json::{Value, json};

use crate::SHELL;
use crate::contains::assert_contains;
use crate::program::{Service, told_by};

/// Adds a route that allows upgrades.
pub(crate) fn route(config: &mut EnvoyConfig, service: &Service) -> Result<()> {
    config.add_cluster("chat", service.address())?;
    let upgrades = json!([{"upgrade_type": "websocket"}]);
    let route = json!({
        "name": "chat", "match": {"path": "/chat"},
        "route": {"cluster": "chat", "upgrade_configs": upgrades},
    });
    config.routes()?.insert(0, route);
    Ok(())
}

async fn start() -> (Gateway, Service) {
    let service = Service::start("websocket_service.py").await;
    let mut options = GatewayOptions::of(SHELL).unwrap();
    route(&mut options.envoy.config, &service).unwrap();
    (Gateway::start_with(options).await.unwrap(), service)
}

/// Opens and ends a WebSocket; returns what the client reports, and its record.
async fn talk(gateway: &Gateway, path: &str, ending: &str) -> (Value, Value) {
    let url = format!("ws://{}{path}", gateway.address());
    let told = told_by("websocket_client.py", &[&url, ending, ending]).await;
    let record = one(&gateway.database, "context.correlation_id", ending).await.unwrap();
    (told, record)
}

#[tokio::test]
async fn a_websocket_carries_every_message_and_is_one_record_of_its_whole_life() {
    let (gateway, _service) = start().await;
    let endings = [
        ("close", Some(1000)),
        ("break", None),
        ("service-close", Some(1001)),
        ("service-break", Some(1006)),
    ];
    for (ending, code) in endings {
        let (told, record) = talk(&gateway, "/chat", ending).await;
        assert_contains(&told, &json!({"status": 101, "lost": 0, "close_code": code}));
        assert_eq!(told["headers"]["x-correlation-id"], ending);
        assert_eq!(told["headers"]["x-request-id"], record["context"]["request_id"]);
        let expected = json!({"level": "INFO", "trace": {"status": "success"}, "error": null});
        assert_contains(&record, &expected);
        let expected = json!({
            "method": "GET", "path": "/chat", "status": 101, "protocol": "HTTP/1.1",
            "route": "chat", "attempts": 1,
        });
        assert_contains(&record["http"], &expected);
        let lasted = record["trace"]["execution_time_ms"].as_f64().unwrap();
        let open = told["open_ms"].as_f64().unwrap();
        assert!(lasted >= open, "{lasted} ms, though it was open for {open} ms");
    }
    exactly(&gateway.database, "trace_logs", endings.len()).await.unwrap();
}

#[tokio::test]
async fn an_upgrade_that_no_route_allows_is_refused_before_the_filters_and_recorded() {
    let gateway = Gateway::of(SHELL).await.unwrap();
    let (told, record) = talk(&gateway, "/api/v1/messages", "close").await;
    assert_eq!(told["status"], 403);
    let expected = json!({
        "level": "WARNING", "audit": true, "http": {"status": 403},
        "error": {"details": "upgrade_failed"},
    });
    assert_contains(&record, &expected);
    assert_eq!(told["headers"]["x-request-id"], Value::Null, "no filter saw it");
}

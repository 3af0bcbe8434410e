//! gRPC with grpcio: the C core that Python, Ruby, PHP and C++ programs use.

use gatelog_testkit::stored::{exactly, one};
use gatelog_testkit::{Gateway, GatewayOptions};
use serde_json::{Value, json};

use crate::SHELL;
use crate::contains::assert_contains;
use crate::program::{Service, told_by};

/// The gateway with a gRPC service behind it, which takes HTTP/2 upstream.
async fn start() -> (Gateway, Service) {
    let service = Service::start("grpc_service.py").await;
    let mut options = GatewayOptions::of(SHELL).unwrap();
    let config = &mut options.envoy.config;
    config.add_cluster("calls", service.address()).unwrap();
    config.cluster("calls").unwrap()["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    });
    let routes = config.routes().unwrap();
    let to = |name: &str, prefix: &str, cluster: &str| json!({"name": name, "match": {"prefix": prefix}, "route": {"cluster": cluster}});
    routes.insert(0, to("calls", "/gatelog.test.Calls/", "calls"));
    routes.insert(0, to("dead", "/gatelog.test.Dead/", "reports"));
    // A route on which the service does not learn the client's deadline.
    let mut untold = to("untold", "/gatelog.test.Calls/Wait", "calls");
    untold["request_headers_to_remove"] = json!(["grpc-timeout"]);
    routes.insert(0, untold);
    (Gateway::start_with(options).await.unwrap(), service)
}

/// Makes a call; returns what the client reports, and its record.
async fn call(
    gateway: &Gateway,
    id: &str,
    method: &str,
    request: &str,
    how: &[&str],
) -> (Value, Value) {
    let target = gateway.address().to_string();
    let method = format!("/gatelog.test.{method}");
    let arguments = [&[target.as_str(), &method, request, id], how].concat();
    let told = told_by("grpc_client.py", &arguments).await;
    let record = one(&gateway.database, "context.correlation_id", id).await.unwrap();
    let expected = json!({"method": "POST", "path": method, "protocol": "HTTP/2"});
    assert_contains(&record["http"], &expected);
    let agent = record["http"]["user_agent"].as_str().unwrap();
    assert!(agent.starts_with("grpc-python/"), "{agent}");
    (told, record)
}

#[tokio::test]
async fn a_call_has_the_level_of_its_status_and_the_client_gets_the_ids() {
    let (gateway, _service) = start().await;
    let success = json!({"level": "INFO", "trace": {"status": "success"}, "error": null});
    let cases = [
        ("Calls/Answer", "hello", "OK", json!(["hello"]), success.clone()),
        ("Calls/Count", "3", "OK", json!(["0", "1", "2"]), success),
        (
            "Calls/Answer",
            "NOT_FOUND",
            "NOT_FOUND",
            json!([]),
            json!({"level": "WARNING", "trace": {"status": "success"}, "error": {"grpc_status": 5}}),
        ),
        (
            "Calls/Answer",
            "INTERNAL",
            "INTERNAL",
            json!([]),
            json!({"level": "ERROR", "trace": {"status": "error"}, "error": {"grpc_status": 13}}),
        ),
        (
            "Calls/NoSuch",
            "",
            "UNIMPLEMENTED",
            json!([]),
            json!({"level": "ERROR", "trace": {"status": "error"}, "error": {"grpc_status": 12}}),
        ),
        (
            "Dead/Answer",
            "",
            "UNAVAILABLE",
            json!([]),
            json!({
                "level": "CRITICAL", "trace": {"status": "error"},
                "error": {"grpc_status": 14, "flags": ["UF"]},
            }),
        ),
    ];
    for (number, (method, request, code, messages, expected)) in cases.iter().enumerate() {
        let id = format!("call-{number}");
        let (told, record) = call(&gateway, &id, method, request, &[]).await;
        assert_contains(&told, &json!({"code": code, "messages": messages}));
        assert_eq!(told["metadata"]["x-correlation-id"], id);
        assert_eq!(told["metadata"]["x-request-id"], record["context"]["request_id"]);
        assert_contains(&record, expected);
        assert_eq!(record["http"]["status"], 200);
    }
    // Every call is a POST, which is audited by default.
    exactly(&gateway.database, "audit_logs", cases.len()).await.unwrap();
}

#[tokio::test]
async fn a_call_that_the_client_ends_is_a_warning() {
    let (gateway, _service) = start().await;
    for (id, code, how) in [
        ("cancelled", "CANCELLED", &["--cancel"][..]),
        ("deadline", "DEADLINE_EXCEEDED", &["--deadline", "0.5"]),
    ] {
        let (told, record) = call(&gateway, id, "Calls/Wait", "", how).await;
        assert_contains(&told, &json!({"code": code, "messages": ["waiting"]}));
        let expected = json!({
            "level": "WARNING", "trace": {"status": "error"}, "http": {"status": 200},
            "error": {"flags": ["DR"], "details": "http2.remote_reset", "grpc_status": null},
        });
        assert_contains(&record, &expected);
    }
}

#[tokio::test]
async fn a_deadline_is_recorded_as_whoever_noticed_it_first_ended_the_call() {
    let (gateway, _service) = start().await;
    let how = ["--deadline", "0.5"];
    let (told, record) = call(&gateway, "deadline", "Calls/Hold", "", &how).await;
    assert_contains(&told, &json!({"code": "DEADLINE_EXCEEDED", "messages": []}));
    let expected = if record["level"] == "ERROR" {
        // The service, which knows it.
        json!({"http": {"status": 200}, "error": {"grpc_status": 4, "flags": null}})
    } else {
        let error = json!({"grpc_status": null, "flags": ["DR"]});
        json!({"level": "WARNING", "http": {"status": null}, "error": error})
    };
    assert_contains(&record, &expected);
    assert_eq!(record["trace"]["status"], "error");
}

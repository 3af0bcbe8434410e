//! Each way in which an exchange can end, and the record of it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use gatelog_testkit::raw_exchange;
use hyper_util::client::legacy::Client as Connections;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::{Rig, contains};

/// Path, the client's status, and the expected record.
fn table() -> Vec<(&'static str, u16, Value)> {
    vec![
        (
            "/raw/ok",
            200,
            json!({
                "level": "INFO", "function_name": "raw",
                "trace": {"status": "success"},
                "http": {"status": 200, "route": "raw", "cluster": "raw", "attempts": 1, "protocol": "HTTP/1.1", "client_ip": "127.0.0.1"},
                "error": null, "audit": null,
            }),
        ),
        (
            "/raw/404",
            404,
            json!({"level": "WARNING", "trace": {"status": "success"}, "error": {"details": "via_upstream"}}),
        ),
        ("/raw/401", 401, json!({"level": "WARNING", "audit": true})),
        ("/raw/403", 403, json!({"level": "WARNING", "audit": true})),
        ("/raw/429", 429, json!({"level": "WARNING"})),
        (
            "/raw/500",
            500,
            json!({"level": "ERROR", "trace": {"status": "error"}, "error": {"details": "via_upstream"}}),
        ),
        ("/raw/close", 503, json!({"level": "ERROR", "error": {"flags": ["UC"]}})),
        ("/raw/garbage", 502, json!({"level": "ERROR", "error": {"flags": ["UPE"]}})),
        (
            "/dead/x",
            503,
            json!({
                "level": "CRITICAL", "trace": {"status": "error"},
                "error": {"flags": ["UF"], "transport_failure": "delayed connect error: Connection refused"},
            }),
        ),
        (
            "/empty/x",
            503,
            json!({"level": "CRITICAL", "error": {"flags": ["UH"], "details": "no_healthy_upstream"}}),
        ),
        ("/nowhere/x", 503, json!({"level": "ERROR", "error": {"flags": ["NC"]}})),
        (
            "/unknown",
            404,
            json!({
                "level": "WARNING", "function_name": "unrouted",
                "error": {"flags": ["NR"], "details": "route_not_found"}, "http": {"route": null},
            }),
        ),
        ("/impatient/never", 504, json!({"level": "ERROR", "error": {"flags": ["UT"]}})),
        (
            "/idle/never",
            504,
            json!({"level": "ERROR", "error": {"flags": ["SI"]}, "trace": {"status": "error"}}),
        ),
        ("/retried/flaky", 200, json!({"level": "INFO", "http": {"attempts": 2, "status": 200}})),
        (
            "/retried/500",
            500,
            json!({"level": "ERROR", "http": {"attempts": 2}, "error": {"flags": ["URX"]}}),
        ),
        ("/raw/timing", 200, json!({"trace": {"metrics": {"db": 12.5, "app": 3.0, "cache": 1.0}}})),
        (
            "/direct",
            200,
            json!({"level": "INFO", "http": {"route": "direct", "cluster": null, "upstream": null}}),
        ),
    ]
}

#[tokio::test]
async fn every_outcome_has_its_level_its_flags_and_its_ids() {
    let rig = Rig::start(&[]).await;
    for (index, (path, status, _)) in table().into_iter().enumerate() {
        let id = format!("outcome-{index}");
        let reply = rig.get(path, &[("x-correlation-id", &id)]).await;
        assert_eq!(reply.status.as_u16(), status, "{path}");
        assert_eq!(reply.header("x-correlation-id"), id, "{path}");
        assert_eq!(reply.header("x-request-id").len(), 36, "{path}");
    }
    for (index, (path, _, expected)) in table().into_iter().enumerate() {
        let record = rig.record(&format!("outcome-{index}")).await;
        assert!(contains(&record, &expected), "{path}: expected {expected} in {record:#}");
    }
    assert_eq!(rig.envoy.reloads().await.unwrap(), 0);
}

#[tokio::test]
async fn an_upstream_that_ends_midway_is_an_error_though_the_status_was_200() {
    let rig = Rig::start(&[]).await;
    let request = b"GET /raw/half HTTP/1.1\r\nhost: g\r\nx-correlation-id: half\r\n\r\n";
    raw_exchange(rig.address(), request, Duration::from_secs(10)).await.unwrap();
    let record = rig.record("half").await;
    let expected = json!({
        "level": "ERROR", "http": {"status": 200}, "trace": {"status": "error"}, "error": {"flags": ["UPE"]},
    });
    assert!(contains(&record, &expected), "{record:#}");
}

/// Reads an answer's head; the connection is left at the body.
async fn read_head(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.unwrap());
    }
    String::from_utf8_lossy(&head).to_lowercase()
}

#[tokio::test]
async fn a_response_that_envoy_cuts_after_its_start_is_not_a_success() {
    let rig = Rig::start_with(&[], |options| {
        let manager = options.config.connection_manager()?;
        manager["common_http_protocol_options"]["max_stream_duration"] = json!("0.6s");
        Ok(())
    })
    .await
    .unwrap();
    for (path, id, expected) in [
        (
            "/raw/endless",
            "duration",
            json!({"level": "ERROR", "http": {"status": 200}, "error": {"details": "max_duration_timeout"}}),
        ),
        (
            "/idle/endless",
            "idle",
            json!({"level": "WARNING", "http": {"status": 200}, "error": {"flags": ["SI"]}}),
        ),
        (
            "/raw/websocket",
            "cut-tunnel",
            json!({"level": "ERROR", "http": {"status": 101}, "error": {"details": "max_duration_timeout"}}),
        ),
    ] {
        let mut connection = TcpStream::connect(rig.address()).await.unwrap();
        let upgrade = if path.ends_with("websocket") {
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: eA==\r\nsec-websocket-version: 13\r\n"
        } else {
            ""
        };
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: g\r\n{upgrade}x-correlation-id: {id}\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut connection).await;
        assert!(head.starts_with("http/1.1 200") || head.starts_with("http/1.1 101"), "{head}");
        let mut rest = Vec::new();
        drop(connection.read_to_end(&mut rest).await);
        let record = rig.record(id).await;
        assert!(contains(&record, &expected), "{path}: {record:#}");
        assert_eq!(record["trace"]["status"], "error", "{path}: {record:#}");
    }
}

#[tokio::test]
async fn closing_a_connect_tunnel_is_not_a_failure() {
    let rig = Rig::start_with(&[], |options| {
        let manager = options.config.connection_manager()?;
        manager["upgrade_configs"] = json!([{"upgrade_type": "CONNECT"}]);
        let tunnel = json!({
            "name": "tunnel", "match": {"connect_matcher": {}},
            "route": {"cluster": "raw", "upgrade_configs": [{"upgrade_type": "CONNECT"}]},
        });
        options.config.routes()?.insert(0, tunnel);
        Ok(())
    })
    .await
    .unwrap();
    let mut connection = TcpStream::connect(rig.address()).await.unwrap();
    let request =
        b"CONNECT tunnel:80 HTTP/1.1\r\nhost: tunnel:80\r\nx-correlation-id: connect\r\n\r\n";
    connection.write_all(request.as_ref()).await.unwrap();
    let head = read_head(&mut connection).await;
    assert!(head.starts_with("http/1.1 200"), "{head}\n{}", rig.envoy.log());
    connection.write_all(b"through").await.unwrap();
    let mut echoed = [0; 7];
    connection.read_exact(&mut echoed).await.unwrap();
    drop(connection);
    let record = rig.record("connect").await;
    let expected = json!({
        "level": "INFO", "trace": {"status": "success"},
        "http": {"method": "CONNECT", "status": 200}, "error": null,
    });
    assert!(contains(&record, &expected), "{record:#}");
}

#[tokio::test]
async fn a_client_that_goes_away_is_a_warning_before_and_during_the_response() {
    let rig = Rig::start(&[]).await;
    for (path, id, expected) in [
        (
            "/raw/never",
            "gone-before",
            json!({"level": "WARNING", "http": {"status": null}, "trace": {"status": "error"}, "error": {"flags": ["DC"]}}),
        ),
        (
            "/raw/endless",
            "gone-during",
            json!({"level": "WARNING", "http": {"status": 200}, "trace": {"status": "error"}, "error": {"flags": ["DC"]}}),
        ),
    ] {
        let mut connection = TcpStream::connect(rig.address()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: g\r\nx-correlation-id: {id}\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        if path.ends_with("endless") {
            let mut first = [0; 12];
            connection.read_exact(&mut first).await.unwrap();
        } else {
            // The request must be in progress: it counts as active once Envoy has parsed it.
            gatelog_testkit::eventually(
                "the request is in progress",
                crate::rig::PATIENCE,
                async || {
                    let active = rig.envoy.stats("http.ingress.downstream_rq_active").await?;
                    anyhow::ensure!(active.values().any(|count| *count > 0), "{active:?}");
                    anyhow::Ok(())
                },
            )
            .await
            .unwrap();
        }
        drop(connection);
        let record = rig.record(id).await;
        assert!(contains(&record, &expected), "{path}: {record:#}");
    }
}

#[tokio::test]
async fn a_malformed_request_is_recorded_though_nothing_of_it_can_be_read() {
    let rig = Rig::start(&[]).await;
    let garbage = b"\x16\x03\x01 this is no HTTP\r\n\r\n";
    raw_exchange(rig.address(), garbage, Duration::from_secs(5)).await.unwrap();
    let record = rig
        .record_where("codec garbage", |record| record["error"]["flags"] == json!(["DPE"]))
        .await;
    let expected =
        json!({"level": "WARNING", "http": {"method": null, "path": null, "status": 400}});
    assert!(contains(&record, &expected), "{record:#}");

    let hostless = b"GET /raw/ok HTTP/1.1\r\nx-correlation-id: hostless\r\n\r\n";
    let answer = raw_exchange(rig.address(), hostless, Duration::from_secs(1)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{:?}", String::from_utf8_lossy(&answer));
    let record = rig.record("hostless").await;
    let expected = json!({"level": "WARNING", "http": {"status": 400}, "error": {"details": "missing_host_header"}});
    assert!(contains(&record, &expected), "{record:#}");
}

#[tokio::test]
async fn an_internal_redirect_is_two_exchanges_of_one_flow_whomever_is_trusted() {
    for trust in ["always", "never"] {
        let trusted = json!({"trust": trust});
        let options = [("/request_id", trusted.clone()), ("/correlation_id", trusted)];
        let rig = Rig::start(&options).await;
        let reply = rig.get("/redirected/redirect", &[("x-correlation-id", "redirect")]).await;
        assert_eq!(reply.status, 200);
        let flow = reply.header("x-correlation-id").to_owned();
        assert_eq!(flow == "redirect", trust == "always");
        let records =
            gatelog_testkit::eventually("both records", crate::rig::PATIENCE, async || {
                let records = rig.envoy.journal().records()?;
                anyhow::ensure!(records.len() == 2, "{} records", records.len());
                anyhow::Ok(records)
            })
            .await
            .unwrap();
        let [first, second] = records.as_slice() else { panic!() };
        assert_eq!(first["context"]["correlation_id"], flow.as_str(), "{first:#}");
        assert_eq!(first["context"], second["context"], "{trust}");
        assert_eq!(first["context"]["request_id"], reply.header("x-request-id"));
        assert_ne!(first["id"], second["id"]);
        let paths = [&first["http"]["path"], &second["http"]["path"]];
        assert_eq!(paths, ["/redirected/redirect", "/raw/ok"]);
    }
}

#[tokio::test]
async fn a_websocket_is_one_exchange_recorded_at_its_end() {
    let rig = Rig::start(&[]).await;
    let mut connection = TcpStream::connect(rig.address()).await.unwrap();
    let upgrade = "GET /raw/websocket HTTP/1.1\r\nhost: g\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-key: eA==\r\nsec-websocket-version: 13\r\nx-correlation-id: ws\r\n\r\n";
    connection.write_all(upgrade.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.unwrap());
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(head.starts_with("http/1.1 101") && head.contains("x-correlation-id: ws"), "{head}");
    connection.write_all(b"\x81\x02hi").await.unwrap();
    let mut echoed = [0; 4];
    connection.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"\x81\x02hi");
    drop(connection);
    let record = rig.record("ws").await;
    assert!(
        contains(&record, &json!({"http": {"status": 101, "path": "/raw/websocket"}})),
        "{record:#}"
    );
    let ended = json!({"level": "INFO", "trace": {"status": "success"}, "error": null});
    assert!(contains(&record, &ended), "{record:#}");
}

#[tokio::test]
async fn grpc_has_its_status_from_the_trailers() {
    let rig = Rig::start(&[]).await;
    let connections: Connections<_, Body> =
        Connections::builder(TokioExecutor::new()).http2_only(true).build_http();
    for (path, level, code) in [
        ("/grpc.Test/0", "INFO", 0),
        ("/grpc.Test/5", "WARNING", 5),
        ("/grpc.Test/13", "ERROR", 13),
        ("/grpc.Test/none", "ERROR", 2),
        ("/grpc.Test/soon", "ERROR", 2),
        ("/grpc.Test/html-200", "ERROR", 2),
        ("/grpc.Test/html-401", "WARNING", 16),
        ("/grpc.Test/html-404", "ERROR", 12),
        ("/grpc.Dead/x", "CRITICAL", 14),
    ] {
        let id = path.replace('/', "-");
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}{path}", rig.address()))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("x-correlation-id", &id)
            .body(Body::from(vec![0; 5]))
            .unwrap();
        let response = connections.request(request).await.unwrap();
        let status = path.rsplit("html-").next().and_then(|status| status.parse().ok());
        assert_eq!(response.status().as_u16(), status.unwrap_or(200), "{path}");
        http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
        let record = rig.record(&id).await;
        assert_eq!(record["level"], level, "{record:#}");
        assert_eq!(record["http"]["protocol"], "HTTP/2");
        if code > 0 {
            assert_eq!(record["error"]["grpc_status"], code, "{record:#}");
        }
    }
    // A call without a gRPC content type: the response shows that it is one.
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{}/grpc.Test/13", rig.address()))
        .header("x-correlation-id", "unnamed")
        .body(Body::empty())
        .unwrap();
    let response = connections.request(request).await.unwrap();
    http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
    let record = rig.record("unnamed").await;
    assert!(
        contains(&record, &json!({"level": "ERROR", "error": {"grpc_status": 13}})),
        "{record:#}"
    );
    // The same trailer on other traffic is ignored.
    let record = {
        rig.get("/raw/ok", &[("x-correlation-id", "no-grpc")]).await;
        rig.record("no-grpc").await
    };
    assert_eq!(record["level"], "INFO");
}

#[tokio::test]
async fn what_another_filter_refuses_carries_the_ids_and_has_its_record() {
    for first in [true, false] {
        // If the filter never saw the request's headers, it wrote no ids and removed no tenant headers.
        let never = json!({"trust": "never"});
        let strict = [
            ("/request_id", never.clone()),
            ("/correlation_id", never),
            ("/tenant/strip_untrusted", json!(true)),
        ];
        let options = if first { &[][..] } else { &strict[..] };
        let rig = Rig::start_with(options, |options| {
            let deny = json!({
                "name": "envoy.filters.http.rbac",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                    "rules": {"action": "DENY", "policies": {"all": {"permissions": [{"any": true}], "principals": [{"any": true}]}}},
                },
            });
            let filters = options.config.http_filters()?;
            let place = usize::from(first);
            filters.insert(place, deny);
            Ok(())
        })
        .await
        .unwrap();
        let sent = [("x-correlation-id", "refused"), ("x-user-id", "claimed")];
        let reply = rig.get("/raw/ok", &sent).await;
        assert_eq!(reply.status, 403);
        let user = if first { json!("claimed") } else { json!(null) };
        let record = rig.record("refused").await;
        let expected =
            json!({"level": "WARNING", "audit": true, "http": {"status": 403, "path": "/raw/ok"}});
        assert!(contains(&record, &expected), "{record:#}");
        assert_eq!(record["context"]["user_id"], user, "{record:#}");
        assert!(
            record["error"]["details"].as_str().unwrap_or_default().contains("rbac"),
            "{record:#}"
        );
        if first {
            assert_eq!(reply.header("x-correlation-id"), "refused");
            assert_eq!(record["context"]["request_id"], reply.header("x-request-id"));
        } else {
            assert_eq!(
                record["context"]["request_id"].as_str().map(str::len),
                Some(36),
                "Envoy's own id"
            );
        }
        assert_eq!(rig.envoy.reloads().await.unwrap(), 0);
    }
}

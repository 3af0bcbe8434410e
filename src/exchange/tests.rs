#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::envoy::response_flags::ResponseFlags;
use crate::host::FILTER_STATE_SEEN;
use crate::plain_host::PlainHost;

mod propagation;

#[path = "../../crates/testkit/src/secret_shapes.rs"]
#[allow(unreachable_pub, reason = "the testkit's own file")]
mod secret_shapes;

use secret_shapes::Place;

struct Rig {
    host: PlainHost,
    worker: Worker,
}

/// 2026-01-26T02:11:57.469652 UTC.
const START_NS: u64 = 1_769_393_517_469_652_000;

impl Rig {
    fn new(configuration: &Value) -> Self {
        let host = PlainHost::default();
        host.unix_ns.set(START_NS);
        host.set_bytes(property::NODE_ID, b"edge-7");
        host.set_bytes(property::SOURCE_ADDRESS, b"10.1.2.3:5555");
        host.set_bytes(property::REQUEST_PROTOCOL, b"HTTP/1.1");
        host.set_uint(property::RESPONSE_CODE, 200);
        host.set_uint(property::RESPONSE_FLAGS, 0);
        let config = Config::parse(configuration.to_string().as_bytes(), &|_| None).unwrap();
        let worker = Worker::start(config, &host, None);
        Self { host, worker }
    }

    /// A whole exchange; gives its records.
    fn exchange(&mut self, request: &[(&str, &str)]) -> Vec<Value> {
        self.exchange_of(request, &[(":status", "200")])
    }

    fn exchange_of(&mut self, request: &[(&str, &str)], response: &[(&str, &str)]) -> Vec<Value> {
        let mut exchange = Exchange::default();
        self.host.set_map(HeaderMap::Request, request);
        exchange.request_headers(&mut self.worker, &self.host);
        self.host.advance_ms(45);
        self.host.set_map(HeaderMap::Response, response);
        exchange.response_headers(&mut self.worker, &self.host);
        exchange.log(&mut self.worker, &self.host);
        self.host.journal()
    }

    fn one(&mut self, request: &[(&str, &str)]) -> Value {
        let mut records = self.exchange(request);
        assert_eq!(records.len(), 1, "{records:?}");
        records.remove(0)
    }
}

fn get(path: &str) -> Vec<(&str, &str)> {
    vec![
        (":method", "GET"),
        (":path", path),
        (":authority", "api.example.org"),
        (":scheme", "http"),
    ]
}

fn with<'a>(path: &'a str, headers: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut request = get(path);
    request.extend(headers);
    request
}

#[test]
fn an_ordinary_exchange_has_its_ids_and_its_record() {
    let mut rig = Rig::new(&json!({"service": "edge"}));
    rig.host.set_bytes(property::ROUTE_NAME, b"conversations");
    rig.host.set_bytes(property::CLUSTER_NAME, b"backend");
    rig.host.set_bytes(property::UPSTREAM_ADDRESS, b"10.9.9.9:8000");
    rig.host.set_uint(property::RESPONSE_BACKEND_LATENCY, 44_000_000);
    rig.host.set_uint(property::REQUEST_TOTAL_SIZE, 120);
    rig.host.set_uint(property::RESPONSE_TOTAL_SIZE, 512);
    rig.host.set_uint(property::UPSTREAM_ATTEMPTS, 1);
    let record = rig.one(&with(
        "/api/v1/conversations?limit=5",
        &[
            ("x-request-id", "r-1"),
            ("x-correlation-id", "corr_456"),
            ("x-organization-id", "org_123"),
            ("x-user-id", "u1"),
            ("user-agent", "curl/8"),
        ],
    ));
    assert_eq!(record["timestamp"], "2026-01-26T02:11:57.469652+00:00");
    assert_eq!(record["level"], "INFO");
    assert_eq!(record["logger_name"], "gateway.edge");
    assert_eq!(record["function_name"], "conversations");
    assert_eq!(record["message"], "GET /api/v1/conversations -> 200 in 45.00 ms");
    assert_eq!(
        record["context"],
        json!({
            "request_id": "r-1", "correlation_id": "corr_456",
            "organization_id": "org_123", "user_id": "u1", "conversation_id": null,
        })
    );
    assert_eq!(
        record["trace"],
        json!({"execution_time_ms": 45.0, "status": "success", "upstream_ms": 44.0})
    );
    assert_eq!(
        record["http"],
        json!({
            "method": "GET", "scheme": "http", "host": "api.example.org", "path": "/api/v1/conversations",
            "query": "limit=5", "status": 200, "protocol": "HTTP/1.1", "user_agent": "curl/8",
            "client_ip": "10.1.2.3", "route": "conversations", "cluster": "backend",
            "upstream": "10.9.9.9:8000", "attempts": 1, "request_bytes": 120, "response_bytes": 512,
        })
    );
    assert_eq!(record["source"]["gateway"], "edge-7");
    assert_eq!(record["source"]["seq"], 1);
    assert_eq!(record.get("error"), None);
    assert_eq!(record.get("audit"), None);
    for (name, value) in [("x-request-id", "r-1"), ("x-correlation-id", "corr_456")] {
        assert_eq!(rig.host.text(HeaderMap::Response, name).unwrap(), value);
    }
    rig.worker.tick(&rig.host);
    let sent = rig.host.take_sent();
    assert_eq!(sent[0].records(), [record], "the journal's line is the batch's");
}

#[test]
fn ids_that_are_missing_are_made_and_go_both_ways() {
    let mut rig = Rig::new(&json!({}));
    let record = rig.one(&get("/a"));
    let id = record["context"]["request_id"].as_str().unwrap();
    assert_eq!(uuid::Uuid::try_parse(id).unwrap().get_version_num(), 7);
    assert_eq!(record["context"]["correlation_id"], id);
    for map in [HeaderMap::Request, HeaderMap::Response] {
        assert_eq!(rig.host.text(map, "x-request-id").unwrap(), id);
        assert_eq!(rig.host.text(map, "x-correlation-id").unwrap(), id);
    }
    let other = rig.one(&get("/a"));
    assert_ne!(other["context"]["request_id"], id);
    assert_ne!(other["id"], record["id"]);
}

#[test]
fn a_stream_that_never_began_is_recorded_all_the_same() {
    let mut rig = Rig::new(&json!({}));
    rig.host.set_uint(property::REQUEST_TIME, START_NS);
    rig.host.set_uint(property::REQUEST_DURATION, 2_500_000);
    rig.host.set_uint(property::RESPONSE_CODE, 403);
    rig.host.set_bytes(property::RESPONSE_CODE_DETAILS, b"rbac_access_denied");
    rig.host.set_map(HeaderMap::Request, &with("/a", &[("x-request-id", "r-1")]));
    Exchange::default().log(&mut rig.worker, &rig.host);
    let record = rig.host.journal().remove(0);
    assert_eq!(record["context"]["request_id"], "r-1");
    assert_eq!(record["trace"]["execution_time_ms"], 2.5);
    assert_eq!(record["level"], "WARNING");
    assert_eq!(record["audit"], true);
    assert_eq!(record["error"], json!({"details": "rbac_access_denied"}));
}

#[test]
fn codec_garbage_has_a_record_though_nothing_can_be_read() {
    let mut rig = Rig::new(&json!({}));
    rig.host.properties.borrow_mut().clear();
    rig.host.set_uint(property::RESPONSE_FLAGS, ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR.0);
    Exchange::default().log(&mut rig.worker, &rig.host);
    let record = rig.host.journal().remove(0);
    assert_eq!(record["message"], "- - -> no response in 0.00 ms");
    assert_eq!(record["level"], "WARNING");
    assert_eq!(record["trace"]["status"], "error");
    assert_eq!(record["error"]["flags"], json!(["DPE"]));
    assert_eq!(record["http"], json!({}));
}

#[test]
fn bytes_that_are_not_text_are_replaced_not_fatal() {
    let mut rig = Rig::new(&json!({}));
    let raw = vec![
        (":method".to_owned(), b"G\xffT".to_vec()),
        (":path".to_owned(), b"/\xff\x00?\xfe=1".to_vec()),
        ("x-request-id".to_owned(), b"\xff".to_vec()),
        ("x-user-id".to_owned(), b"\xc3".to_vec()),
        ("user-agent".to_owned(), b"a\x1b[31m".to_vec()),
    ];
    rig.host.maps.borrow_mut().insert(HeaderMap::Request, raw);
    let mut exchange = Exchange::default();
    exchange.request_headers(&mut rig.worker, &rig.host);
    exchange.log(&mut rig.worker, &rig.host);
    let record = rig.host.journal().remove(0);
    assert_eq!(record["http"]["method"], "G\u{fffd}T");
    assert_eq!(record["http"]["path"], "/\u{fffd}\0");
    assert_eq!(record["context"]["user_id"], "\u{fffd}");
    assert_eq!(record["context"]["client_request_id"], "\u{fffd}");
}

#[test]
fn a_proxy_that_refuses_every_change_harms_nothing_and_is_counted() {
    let mut rig = Rig::new(&json!({}));
    rig.host.refuse_changes.set(true);
    let record = rig.one(&get("/a"));
    assert!(record["context"]["request_id"].is_string());
    rig.worker.tick(&rig.host);
    assert_eq!(rig.host.metric("host_refused"), 2 + 2);
}

#[test]
fn no_secret_of_a_listed_kind_is_in_any_output() {
    let mut rig = Rig::new(&json!({
        "level": "DEBUG",
        "record": {"request_headers": ["authorization", "x-session-token", "referer"], "response_headers": ["set-cookie", "location"]},
        "redact": {"query": ["pin"], "headers": {"authorization": "hash"}, "path": ["/reset/{secret}"], "salt": "pepper"},
    }));
    rig.host.set_uint(property::RESPONSE_CODE, 500);
    let request = with(
        "/reset/S3CRET?pin=S3CRET&user[password]=S3CRET#S3CRET",
        &[
            ("authorization", "Bearer S3CRET"),
            ("cookie", "sid=S3CRET"),
            ("x-session-token", "S3CRET"),
            ("referer", "https://u:S3CRET@h/reset/S3CRET?token=S3CRET"),
        ],
    );
    let response =
        [(":status", "500"), ("set-cookie", "sid=S3CRET"), ("location", "/x?code=S3CRET")];
    let records = rig.exchange_of(&request, &response);
    assert_eq!(records.len(), 2, "at DEBUG there is a second record");
    rig.worker.tick(&rig.host);
    let all = format!("{records:?}{:?}{:?}", rig.host.sent, rig.host.log);
    assert!(!all.contains("S3CRET"), "{all}");
    assert_eq!(records[0]["http"]["path"], "/reset/[redacted]");
    assert_eq!(records[0]["message"], "GET /reset/[redacted] -> 500 in 45.00 ms");
    assert!(
        records[0]["http"]["request_headers"]["authorization"]
            .as_str()
            .unwrap()
            .starts_with("hmac:")
    );
}

#[test]
fn no_planted_secret_is_in_any_record_whatever_its_shape_and_place() {
    let configuration = serde_json::from_str(secret_shapes::CONFIGURATION).unwrap();
    let mut rig = Rig::new(&configuration);
    let mut redacted = 0;
    for planted in secret_shapes::planted() {
        let mut request = get(planted.target);
        let mut response = vec![(":status", "200")];
        match planted.place {
            Place::Target => request[1].1 = &planted.value,
            Place::Host => request[2].1 = &planted.value,
            Place::Request(name) => request.push((name, &planted.value)),
            Place::Response(name) => response.push((name, &planted.value)),
        }
        let records = rig.exchange_of(&request, &response);
        assert_eq!(records.len(), 2, "{planted:?}");
        let text = serde_json::to_string(&records).unwrap();
        assert!(!text.contains(secret_shapes::MARK), "{planted:?}\n{text}");
        redacted += usize::from(text.contains("[redacted]"));
    }
    assert!(redacted > 400, "only {redacted} records show that something was masked");
    rig.worker.tick(&rig.host);
    let sent = format!("{:?}{:?}", rig.host.sent, rig.host.log);
    assert!(!sent.contains(secret_shapes::MARK));
}

#[test]
fn at_level_debug_a_second_record_has_headers_and_phases() {
    let mut rig = Rig::new(&json!({"level": "DEBUG"}));
    let records = rig.exchange_of(
        &with("/a", &[("accept", "*/*"), ("accept", "text/html")]),
        &[(":status", "200"), ("server", "x")],
    );
    let [info, debug] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((&info["level"], &debug["level"]), (&json!("INFO"), &json!("DEBUG")));
    assert_eq!(debug["http"]["request_headers"]["accept"], "*/*, text/html");
    assert_eq!(debug["http"]["response_headers"]["server"], "x");
    assert_eq!(debug["trace"]["phases"], json!({"wait_ms": 45.0, "receive_ms": 0.0}));
    assert_eq!(debug["source"]["seq"], 2);
    assert_ne!(info["id"], debug["id"]);
}

#[test]
fn health_checks_leave_no_record_unless_they_fail() {
    let mut rig = Rig::new(&json!({}));
    assert!(rig.exchange(&get("/healthz")).is_empty());
    assert!(rig.exchange(&get("/livez?full=1")).is_empty());
    assert!(rig.host.filter_state.borrow().contains_key(FILTER_STATE_SEEN));
    rig.worker.tick(&rig.host);
    assert!(rig.host.take_sent().is_empty());
    assert_eq!(rig.host.metric("requests_excluded"), 2);
    rig.host.set_uint(property::RESPONSE_CODE, 503);
    assert_eq!(rig.one(&get("/healthz"))["level"], "ERROR");
}

#[test]
fn nothing_that_a_client_sends_takes_a_request_out_of_the_audit_trail() {
    let configuration = json!({"level": "CRITICAL", "sampling": {"rate": 0.0}});
    let mut rig = Rig::new(&configuration);
    let headers: [&[(&str, &str)]; 6] = [
        &[("user-agent", "kube-probe/1.33")],
        &[("user-agent", "Envoy/HC")],
        &[("x-envoy-healthchecked-cluster", "any")],
        &[("x-http-method-override", "GET"), ("x-method-override", "HEAD")],
        &[("x-request-id", "r"), ("x-correlation-id", "c"), ("traceparent", "00-0-0-00")],
        &[("content-type", "application/grpc")],
    ];
    for path in ["/a", "/healthz", "/metrics", "/healthz?x", ""] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "delete", "PURGE"] {
            for headers in headers {
                let mut request = with(path, headers);
                request[0].1 = method;
                assert_eq!(rig.one(&request)["audit"], true, "{request:?}");
            }
        }
        for name in crate::decision::audit::METHOD_OVERRIDES {
            assert_eq!(rig.one(&with(path, &[(name, "DELETE")]))["audit"], true, "{name}");
        }
    }
}

#[test]
fn rules_decide_on_drop_level_audit_and_tenant() {
    let mut rig = Rig::new(&json!({"rules": [
        {"match": {"path_prefix": "/quiet"}, "drop": true},
        {"match": {"path_prefix": "/admin"}, "audit": true, "level": "CRITICAL", "tenant": {"organization_id": "operators"}},
    ]}));
    assert!(rig.exchange(&get("/quiet/x")).is_empty());
    let record = rig.one(&with("/admin", &[("x-organization-id", "spoofed")]));
    assert_eq!(record["level"], "CRITICAL");
    assert_eq!(record["audit"], true);
    assert_eq!(record["context"]["organization_id"], "operators");
}

#[test]
fn sampling_keeps_flows_whole_and_says_for_how_many_a_record_stands() {
    let mut rig = Rig::new(&json!({"sampling": {"rate": 0.25}}));
    let mut kept = 0;
    for flow in 0..400 {
        let id = format!("flow-{flow}");
        let request = with("/a", &[("x-correlation-id", &id)]);
        let records = rig.exchange(&request);
        assert_eq!(rig.exchange(&request).len(), records.len());
        for record in &records {
            kept += 1;
            assert_eq!(record["sampling"]["weight"], 4.0);
            assert_eq!(record["source"]["seq"], 2 * kept - 1, "one left out has no number");
        }
    }
    assert!((60..140).contains(&kept), "{kept}");
    rig.host.set_uint(property::RESPONSE_CODE, 404);
    assert_eq!(rig.one(&get("/a")).get("sampling"), None);
    rig.host.set_uint(property::RESPONSE_CODE, 200);
    let mut post = get("/a");
    post[0].1 = "POST";
    assert_eq!(rig.one(&post)["audit"], true, "an audited request is kept");
    rig.worker.tick(&rig.host);
    assert_eq!(rig.host.metric("records_dropped.sampled"), 800 - 2 * kept);
}

#[test]
fn records_below_the_level_are_not_made_unless_audited() {
    let mut rig = Rig::new(&json!({"level": "ERROR"}));
    assert!(rig.exchange(&get("/a")).is_empty());
    let mut delete = get("/a");
    delete[0].1 = "DELETE";
    assert_eq!(rig.one(&delete)["level"], "INFO");
    rig.host.set_uint(property::RESPONSE_CODE, 502);
    assert_eq!(rig.one(&get("/a"))["level"], "ERROR");
}

#[test]
fn a_slow_exchange_is_marked_and_its_level_raised_when_asked_for() {
    let mut rig = Rig::new(&json!({"record": {"slow_ms": 44}}));
    let record = rig.one(&get("/a"));
    assert_eq!((&record["trace"]["slow"], &record["level"]), (&json!(true), &json!("INFO")));
    let mut rig = Rig::new(&json!({"record": {"slow_ms": 44, "slow_level": "WARNING"}}));
    assert_eq!(rig.one(&get("/a"))["level"], "WARNING");
}

#[test]
fn a_clients_tenant_headers_are_stripped_at_the_door_when_asked_for() {
    let mut rig = Rig::new(&json!({"tenant": {"strip_untrusted": true}}));
    let record =
        rig.one(&with("/a", &[("x-organization-id", "spoofed"), ("x-user-id", "spoofed")]));
    assert_eq!(record["context"]["organization_id"], Value::Null);
    assert_eq!(rig.host.text(HeaderMap::Request, "x-user-id"), None);
}

#[test]
fn the_tenant_is_read_after_later_filters_have_spoken() {
    let mut rig =
        Rig::new(&json!({"tenant": {"strip_untrusted": true, "user_id": [{"jwt_claim": "sub"}]}}));
    rig.host.set_claim(
        "metadata\0filter_metadata\0envoy.filters.http.jwt_authn\0jwt_payload\0sub",
        json!("u-9"),
    );
    let mut exchange = Exchange::default();
    rig.host.set_map(HeaderMap::Request, &with("/a", &[("x-organization-id", "spoofed")]));
    exchange.request_headers(&mut rig.worker, &rig.host);
    let _ = rig.host.set_header(HeaderMap::Request, "x-organization-id", b"verified");
    exchange.log(&mut rig.worker, &rig.host);
    let record = rig.host.journal().remove(0);
    assert_eq!(record["context"]["organization_id"], "verified");
    assert_eq!(record["context"]["user_id"], "u-9");
}

#[test]
fn an_internal_redirect_is_recorded_as_it_came_in() {
    let mut rig = Rig::new(&json!({}));
    let mut exchange = Exchange::default();
    rig.host.set_map(HeaderMap::Request, &get("/before"));
    exchange.request_headers(&mut rig.worker, &rig.host);
    rig.host.set_map(HeaderMap::Request, &get("/after"));
    exchange.log(&mut rig.worker, &rig.host);
    assert_eq!(rig.host.journal()[0]["http"]["path"], "/before");
}

#[test]
fn an_internal_redirect_stays_in_its_flow_whomever_is_trusted() {
    for trust in [json!("always"), json!("never"), json!(["192.0.2.0/24"])] {
        let mut rig =
            Rig::new(&json!({"request_id": {"trust": trust}, "correlation_id": {"trust": trust}}));
        let sent = with("/before", &[("x-request-id", "theirs"), ("x-correlation-id", "flow")]);
        rig.host.set_map(HeaderMap::Request, &sent);
        rig.host.set_uint(property::RESPONSE_CODE, 302);
        rig.host.set_bytes(property::RESPONSE_CODE_DETAILS, b"internal_redirect");
        let mut exchange = Exchange::default();
        exchange.request_headers(&mut rig.worker, &rig.host);
        exchange.log(&mut rig.worker, &rig.host);
        let first = rig.host.journal().remove(0);
        // The next exchange has the headers as the filter left them.
        rig.host.set_uint(property::RESPONSE_CODE, 200);
        rig.host.set_bytes(property::RESPONSE_CODE_DETAILS, b"via_upstream");
        let mut exchange = Exchange::default();
        exchange.request_headers(&mut rig.worker, &rig.host);
        exchange.log(&mut rig.worker, &rig.host);
        let second = rig.host.journal().remove(0);
        assert_eq!(first["context"], second["context"], "{trust}");
        // Whoever comes later with these ids is a client like any other.
        let mut exchange = Exchange::default();
        exchange.request_headers(&mut rig.worker, &rig.host);
        exchange.log(&mut rig.worker, &rig.host);
        let third = rig.host.journal().remove(0);
        let same = third["context"]["request_id"] == first["context"]["request_id"];
        assert_eq!(same, trust == json!("always"));
    }
}

#[test]
fn a_client_cannot_follow_a_redirect_that_was_not_its_own() {
    let mut rig = Rig::new(&json!({"request_id": {"trust": "never"}}));
    rig.host.set_bytes(property::RESPONSE_CODE_DETAILS, b"internal_redirect");
    rig.one(&get("/before"));
    rig.host.set_bytes(property::RESPONSE_CODE_DETAILS, b"via_upstream");
    let record = rig.one(&with("/other", &[("x-request-id", "guessed")]));
    assert_ne!(record["context"]["request_id"], "guessed");
}

#[test]
fn a_stream_that_never_began_has_the_ids_it_came_with_and_no_tenant_of_the_clients() {
    let mut rig = Rig::new(&json!({
        "request_id": {"trust": "never"}, "correlation_id": {"trust": "never"},
        "tenant": {"strip_untrusted": true, "user_id": [{"header": "x-user-id"}, {"value": "nobody"}]},
    }));
    let request = with(
        "/a",
        &[
            ("x-request-id", "r-1"),
            ("x-correlation-id", "c-1"),
            ("x-organization-id", "spoofed"),
            ("x-user-id", "spoofed"),
        ],
    );
    rig.host.set_map(HeaderMap::Request, &request);
    Exchange::default().log(&mut rig.worker, &rig.host);
    let record = rig.host.journal().remove(0);
    assert_eq!(record["context"]["request_id"], "r-1");
    assert_eq!(record["context"]["correlation_id"], "c-1");
    assert_eq!(record["context"]["organization_id"], Value::Null);
    assert_eq!(record["context"]["user_id"], "nobody");
    // Without stripping, whoever stands in front is believed.
    let mut rig = Rig::new(&json!({}));
    rig.host.set_map(HeaderMap::Request, &request);
    Exchange::default().log(&mut rig.worker, &rig.host);
    assert_eq!(rig.host.journal().remove(0)["context"]["user_id"], "spoofed");
}

#[test]
fn grpc_status_counts_for_grpc_traffic_only() {
    let mut rig = Rig::new(&json!({}));
    let (call, answer) =
        (("content-type", "application/grpc+proto"), ("content-type", "application/grpc"));
    for (request, response, trailers, level, code) in [
        (None, vec![], vec![("grpc-status", "14")], "INFO", None),
        (Some(call), vec![answer], vec![("grpc-status", "14")], "ERROR", Some(14)),
        (Some(call), vec![answer, ("grpc-status", "5")], vec![], "WARNING", Some(5)),
        (Some(call), vec![answer], vec![], "ERROR", Some(2)),
        (Some(call), vec![answer], vec![("grpc-status", "soon")], "ERROR", Some(2)),
        (None, vec![answer], vec![("grpc-status", "13")], "ERROR", Some(13)),
        (Some(call), vec![("content-type", "text/html")], vec![], "ERROR", Some(2)),
    ] {
        rig.host.set_map(HeaderMap::ResponseTrailers, &trailers);
        let headers: Vec<_> = request.into_iter().collect();
        let mut response = response;
        response.push((":status", "200"));
        let record = rig.exchange_of(&with("/s/c", &headers), &response).remove(0);
        assert_eq!(record["level"], level, "{record}");
        let failed = level != "INFO";
        assert_eq!(record["trace"]["status"] == "error", level == "ERROR");
        assert_eq!(record["error"]["grpc_status"].as_u64(), code.filter(|_| failed), "{record}");
    }
}

#[test]
fn server_timing_becomes_metrics() {
    let mut rig = Rig::new(&json!({}));
    let records = rig.exchange_of(
        &get("/a"),
        &[(":status", "200"), ("server-timing", "db;dur=12.5, cache;desc=hit")],
    );
    assert_eq!(records[0]["trace"]["metrics"], json!({"db": 12.5}));
    let records = rig.exchange_of(
        &get("/a"),
        &[(":status", "200"), ("server-timing", "db;dur=12.5"), ("server-timing", "app;dur=1")],
    );
    assert_eq!(records[0]["trace"]["metrics"], json!({"db": 12.5, "app": 1.0}));
}

#[test]
fn browsers_may_read_the_ids_where_it_is_asked_for() {
    let configuration = json!({"request_id": {"expose": true}, "correlation_id": {"expose": true}});
    let mut rig = Rig::new(&configuration);
    rig.exchange(&get("/a"));
    assert_eq!(rig.host.text(HeaderMap::Response, "access-control-expose-headers"), None);
    rig.exchange_of(
        &get("/a"),
        &[("access-control-allow-origin", "*"), ("access-control-expose-headers", "etag")],
    );
    assert_eq!(
        rig.host.text(HeaderMap::Response, "access-control-expose-headers").unwrap(),
        "etag, x-request-id, x-correlation-id"
    );
}

#[test]
fn without_stdout_nothing_is_published_but_all_is_sent() {
    let mut rig = Rig::new(&json!({"stdout": false}));
    assert!(rig.exchange(&get("/a")).is_empty());
    rig.worker.tick(&rig.host);
    assert_eq!(rig.host.take_sent()[0].records().len(), 1);
}

#[test]
fn without_delivery_everything_is_published_and_nothing_sent() {
    let mut rig = Rig::new(&json!({"delivery": {"enabled": false}}));
    assert_eq!(rig.one(&get("/a"))["source"]["seq"], 1);
    assert_eq!(rig.one(&get("/a"))["source"]["seq"], 2);
    rig.worker.tick(&rig.host);
    assert!(rig.host.take_sent().is_empty());
    assert!(rig.worker.drain(&rig.host));
}

#[test]
fn a_replaced_configuration_is_done_when_its_last_answer_is_in() {
    let mut rig = Rig::new(&json!({}));
    rig.one(&get("/a"));
    assert!(!rig.worker.drain(&rig.host));
    let sent = rig.host.take_sent();
    rig.host.set_map(HeaderMap::Callout, &[(":status", "202")]);
    assert!(rig.worker.answered(&rig.host, sent[0].token));
}

#[test]
fn a_replaced_configuration_gives_up_in_time_and_says_what_it_left() {
    let mut rig = Rig::new(&json!({"delivery": {"drain_timeout": "1s"}}));
    rig.host.refuse_dispatch.set(Some(Refused::Unavailable));
    rig.one(&get("/a"));
    assert!(!rig.worker.drain(&rig.host));
    rig.host.advance_ms(1_000);
    assert!(rig.worker.tick(&rig.host));
    assert_eq!(rig.host.metric("records_abandoned"), 1);
    assert!(rig.host.log.borrow().iter().any(|line| line.contains("replay them from the journal")));
}

#[test]
fn a_later_configuration_takes_over_what_a_replaced_one_has_not_sent() {
    let configuration = json!({"delivery": {"drain_timeout": "10s"}});
    let mut rig = Rig::new(&configuration);
    let config = Config::parse(configuration.to_string().as_bytes(), &|_| None).unwrap();
    rig.host.refuse_dispatch.set(Some(Refused::Unavailable));
    rig.one(&get("/a"));
    let mut heir = Worker::start(config.clone(), &rig.host, None);
    heir.inherit(&mut rig.worker, &rig.host);
    assert!(!rig.worker.drain(&rig.host), "in force, it kept what it had");
    heir.inherit(&mut rig.worker, &rig.host);
    assert!(rig.worker.tick(&rig.host), "nothing is left to it");
    let waiting = |host: &PlainHost| {
        host.metrics
            .borrow()
            .iter()
            .filter(|(name, _)| name == "gatelog.queue_records")
            .map(|(_, value)| *value)
            .sum::<i64>()
    };
    assert_eq!(waiting(&rig.host), 1, "counted once");
    rig.host.refuse_dispatch.set(None);
    rig.host.advance_ms(5_000);
    heir.tick(&rig.host);
    let sent = rig.host.take_sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].header().boot, rig.worker.settings.boot, "in the name of the first");
    // Records in flight when the new configuration is itself replaced are sent again.
    assert!(!heir.drain(&rig.host));
    let mut last = Worker::start(config, &rig.host, None);
    last.inherit(&mut heir, &rig.host);
    assert!(heir.tick(&rig.host));
    last.tick(&rig.host);
    let again = rig.host.take_sent();
    assert_eq!(again[0].records(), sent[0].records());
    rig.host.set_map(HeaderMap::Callout, &[(":status", "202")]);
    last.answered(&rig.host, again[0].token);
    last.tick(&rig.host);
    assert_eq!(waiting(&rig.host), 0);
    assert!(last.drain(&rig.host));
}

#[test]
fn what_was_taken_over_is_given_up_in_its_own_time_and_counted() {
    let mut rig = Rig::new(&json!({"delivery": {"drain_timeout": "1s"}}));
    rig.host.refuse_dispatch.set(Some(Refused::Unavailable));
    rig.one(&get("/a"));
    rig.worker.drain(&rig.host);
    let config = Config::parse(b"{}", &|_| None).unwrap();
    let mut heir = Worker::start(config, &rig.host, None);
    heir.inherit(&mut rig.worker, &rig.host);
    rig.host.advance_ms(999);
    heir.tick(&rig.host);
    let abandoned = |host: &PlainHost| {
        host.metrics
            .borrow()
            .iter()
            .filter(|(name, _)| name == "gatelog.records_abandoned")
            .map(|(_, value)| *value)
            .sum::<i64>()
    };
    assert_eq!(abandoned(&rig.host), 0);
    rig.host.advance_ms(1);
    heir.tick(&rig.host);
    heir.tick(&rig.host);
    assert_eq!(abandoned(&rig.host), 1);
}

#[test]
fn the_number_of_queues_taken_over_is_bounded_and_the_excess_is_counted() {
    let config = Config::parse(b"{}", &|_| None).unwrap();
    let mut rig = Rig::new(&json!({}));
    rig.host.refuse_dispatch.set(Some(Refused::Unavailable));
    for _ in 0..12 {
        rig.one(&get("/a"));
        rig.worker.drain(&rig.host);
        let mut heir = Worker::start(config.clone(), &rig.host, None);
        heir.inherit(&mut rig.worker, &rig.host);
        rig.worker = heir;
        rig.host.advance_ms(10);
    }
    let warned = rig
        .host
        .log
        .borrow()
        .iter()
        .filter(|line| line.contains("1 records of a replaced"))
        .count();
    assert_eq!(warned, 12 - crate::delivery::inherited::INHERITED_MAX);
}

#[test]
fn a_rule_may_keep_what_is_left_out_by_default() {
    let mut rig = Rig::new(
        &json!({"rules": [{"match": {"path": "/healthz", "host": ["api.example.org"]}, "drop": false}]}),
    );
    assert_eq!(rig.exchange(&get("/healthz")).len(), 1);
    assert!(rig.exchange(&get("/readyz")).is_empty());
}

#[test]
fn methods_of_the_audit_trail_are_matched_in_any_case() {
    let mut rig = Rig::new(&json!({"audit": {"methods": ["get"]}}));
    assert_eq!(rig.one(&get("/a"))["audit"], true);
}

#[test]
fn every_cut_part_of_a_request_is_marked_and_counted() {
    let mut rig = Rig::new(&json!({"request_id": {"trust": "never"}}));
    let long = "é".repeat(2_000);
    let timing: Vec<String> = (0..70).map(|number| format!("m{number};dur={number}")).collect();
    let request = with("/", &[("x-organization-id", &long), ("x-request-id", &long)]);
    let records =
        rig.exchange_of(&request, &[(":status", "200"), ("server-timing", &timing.join(","))]);
    let context = &records[0]["context"];
    for key in ["organization_id", "client_request_id"] {
        let text = context[key].as_str().unwrap();
        assert!(text.len() <= 2_048 && text.ends_with('…'), "{key}: {text}");
    }
    assert_eq!(records[0]["trace"]["metrics"].as_object().unwrap().len(), 64);
    rig.worker.tick(&rig.host);
    assert_eq!(rig.host.metric("values_cut"), 3);
}

//! Streams that do not go from callback to callback in the ordinary way.

use std::time::Duration;

use gatelog_testkit::mock_host::{Action, Headers, Stream};
use serde_json::{Value, json};

use crate::gateway::{Gateway, ROOT, batch, ordinary, record};

/// A stream that an earlier filter rejected with 403: Envoy only creates and logs it.
fn refused() -> Stream {
    let mut stream = ordinary();
    stream
        .property("response.code", 403_u64)
        .property("response.code_details", "rbac_access_denied_matched_policy[none]");
    for absent in ["upstream.address", "xds.cluster_name", "response.backend_latency"] {
        stream.properties.remove(absent);
    }
    stream
}

#[test]
fn a_stream_that_was_never_begun_is_recorded_with_the_id_envoy_gave_it() {
    let mut gateway = Gateway::start("{}");
    let id = gateway.begin(refused());
    let stream = gateway.end(id);
    let record = record(&stream);
    assert_eq!(record["context"]["request_id"], "req-1");
    assert_eq!(record["timestamp"], "2026-01-26T02:11:57.469652+00:00");
    assert_eq!(record["level"], "WARNING");
    assert_eq!(record["audit"], true);
    assert_eq!(record["http"]["status"], 403);
    assert_eq!(record["trace"]["execution_time_ms"], 45.239);
}

#[test]
fn codec_garbage_has_a_record_although_envoy_knows_nothing_about_it() {
    let mut gateway = Gateway::start("{}");
    let mut garbage = Stream::default();
    garbage.property("response.code", 400_u64).property("response.flags", 0_u64);
    let id = gateway.begin(garbage);
    let record = record(&gateway.end(id));
    assert_eq!(record["http"]["status"], 400);
    assert_eq!(record["level"], "WARNING");
    assert!(record["context"]["request_id"].is_string());
}

#[test]
fn an_empty_request_map_is_harmless() {
    let mut gateway = Gateway::start("{}");
    let empty = Stream { request_headers: Some(Headers::new()), ..Stream::default() };
    let id = gateway.begin(empty);
    assert_eq!(gateway.host.request_headers(id, true), Action::Continue);
    record(&gateway.end(id));
}

#[test]
fn an_exchange_that_is_aborted_before_a_response_is_an_error_without_status() {
    let mut gateway = Gateway::start("{}");
    let mut aborted = ordinary();
    aborted.response_headers = None;
    aborted.properties.remove("response.code");
    aborted.property("response.flags", 4_u64);
    let record = record(&gateway.serve(aborted));
    assert_eq!(record["http"].get("status"), None);
    assert_eq!(record["trace"]["status"], "error");
}

#[test]
fn the_path_is_the_one_the_client_asked_for_when_envoy_rewrites_it() {
    let mut gateway = Gateway::start("{}");
    let id = gateway.begin(ordinary());
    gateway.host.request_headers(id, true);
    let stream = gateway.host.world_mut().streams.get_mut(&id).unwrap();
    stream.request_headers.as_mut().unwrap().set(":path", "/rewritten");
    let record = record(&gateway.end(id));
    assert_eq!(record["http"]["path"], "/api/v1/conversations");
}

/// Each sequence of callbacks for one stream, in any order and number.
#[test]
fn callbacks_in_any_order_harm_nothing() {
    let steps = ["request", "response", "log", "done"];
    let mut gateway = Gateway::start("{}");
    for number in 0..steps.len().pow(4) {
        let id = gateway.begin(ordinary());
        for place in 0..4 {
            let step = steps[number / steps.len().pow(place) % steps.len()];
            match step {
                "request" => assert_eq!(gateway.host.request_headers(id, true), Action::Continue),
                "response" => assert_eq!(gateway.host.response_headers(id, true), Action::Continue),
                "log" => gateway.host.log(id),
                _ => assert!(gateway.host.done(id)),
            }
        }
        gateway.host.delete(id);
    }
    record(&gateway.serve(ordinary()));
}

#[test]
fn streams_that_overlap_keep_their_own_ids() {
    let mut gateway = Gateway::start("{}");
    let ids: Vec<_> = (0..5)
        .map(|number| {
            let mut stream = ordinary();
            let headers = stream.request_headers.as_mut().unwrap();
            headers.set("x-request-id", format!("req-{number}"));
            let id = gateway.begin(stream);
            gateway.host.request_headers(id, true);
            id
        })
        .collect();
    for (number, id) in ids.into_iter().enumerate().rev() {
        gateway.host.response_headers(id, true);
        let record = record(&gateway.end(id));
        assert_eq!(record["context"]["request_id"], json!(format!("req-{number}")));
    }
}

#[test]
fn the_wall_clock_set_back_leaves_durations_alone() {
    let mut gateway = Gateway::start("{}");
    let id = gateway.begin(ordinary());
    gateway.host.request_headers(id, true);
    let world = gateway.host.world_mut();
    world.advance(Duration::from_millis(12));
    world.wall_ns -= 3_600_000_000_000;
    let record = record(&gateway.end(id));
    assert_eq!(record["trace"]["execution_time_ms"], 12.0);
}

#[test]
fn as_an_access_logger_it_records_what_no_filter_has_seen_and_nothing_else() {
    let mut gateway = Gateway::start("{}");
    let seen = gateway.serve(ordinary());
    gateway.host.world_mut().streams.insert(900, seen);
    gateway.host.log_on_root(ROOT, 900);
    gateway.host.world_mut().streams.insert(901, refused());
    gateway.host.log_on_root(ROOT, 901);
    gateway.tick_after(Duration::from_millis(200));
    let (_, records) = batch(&gateway.callouts()[0]);
    let statuses: Vec<&Value> = records.iter().map(|record| &record["http"]["status"]).collect();
    assert_eq!(statuses, [200, 403]);
}

#[test]
fn a_stream_before_any_configuration_passes_untouched() {
    let mut gateway = Gateway::unconfigured();
    let sent = ordinary();
    let stream = gateway.serve(sent.clone());
    assert_eq!(stream.request_headers, sent.request_headers);
    assert_eq!(stream.response_headers, sent.response_headers);
    gateway.host.tick(ROOT);
    assert!(gateway.host.done(ROOT));
}

/// Each callback for contexts that are unknown, of the wrong kind, created twice or already deleted.
#[test]
fn a_callback_for_an_invalid_context_is_ignored() {
    let callbacks: [(&str, &[u32]); 8] = [
        ("proxy_on_configure", &[2]),
        ("proxy_on_tick", &[]),
        ("proxy_on_http_call_response", &[1, 0, 0, 0]),
        ("proxy_on_request_headers", &[0, 1]),
        ("proxy_on_response_headers", &[0, 1]),
        ("proxy_on_log", &[]),
        ("proxy_on_done", &[]),
        ("proxy_on_delete", &[]),
    ];
    let mut gateway = Gateway::start("{}");
    let stream = gateway.begin(ordinary());
    for (id, parent) in [(ROOT, 0), (ROOT, ROOT), (stream, ROOT), (800, 700), (801, stream)] {
        gateway.host.call("proxy_on_context_create", &[id, parent]).unwrap();
    }
    for (name, arguments) in callbacks {
        for id in [700, 800, 801] {
            gateway.host.call(name, &[&[id], arguments].concat()).unwrap();
        }
    }
    // Root callbacks on a stream, and stream callbacks on a root.
    for (name, id) in [
        ("proxy_on_configure", stream),
        ("proxy_on_tick", stream),
        ("proxy_on_http_call_response", stream),
        ("proxy_on_request_headers", ROOT),
        ("proxy_on_response_headers", ROOT),
    ] {
        let (_, arguments) = callbacks.iter().find(|(callback, _)| *callback == name).unwrap();
        gateway.host.call(name, &[&[id], *arguments].concat()).unwrap();
    }
    gateway.host.request_headers(stream, true);
    record(&gateway.end(stream));
    gateway.host.call("proxy_on_delete", &[stream]).unwrap();
    record(&gateway.serve(ordinary()));
}

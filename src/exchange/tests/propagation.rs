//! The gateway's own span.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::identity::traceparent::Traceparent;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn propagating(more: &Value) -> Rig {
    let mut trace = json!({"propagate": true});
    trace.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Rig::new(&json!({"trace": trace}))
}

fn sent_on(rig: &Rig) -> (String, String, u8) {
    let header = rig.host.text(HeaderMap::Request, "traceparent").unwrap();
    let read = Traceparent::parse(header.as_bytes()).unwrap();
    assert!(header.starts_with("00-"), "{header}");
    (read.trace_id.to_owned(), read.parent_id.to_owned(), read.flags)
}

#[test]
fn a_service_gets_the_span_of_the_record_in_the_clients_trace() {
    let mut rig = propagating(&json!({}));
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let headers = [("traceparent", traceparent.as_str()), ("tracestate", "a=1,b=2")];
    let record = rig.one(&with("/a", &headers));
    let (trace, span, flags) = sent_on(&rig);
    assert_eq!((trace.as_str(), flags), (TRACE, 1));
    assert_eq!(record["trace"]["trace_id"], TRACE);
    assert_eq!(record["trace"]["span_id"], span);
    assert_eq!(record["trace"]["parent_span_id"], CALLER);
    assert_eq!(record["context"]["correlation_id"], TRACE);
    assert_eq!(rig.host.text(HeaderMap::Request, "tracestate").unwrap(), "a=1,b=2");
    let other = rig.one(&with("/a", &headers));
    assert_ne!(other["trace"]["span_id"], span, "each exchange is a span of its own");
}

#[test]
fn a_trace_that_begins_here_has_no_parent_and_none_of_the_clients_state() {
    let (valid, state) = (format!("00-{TRACE}-{CALLER}-01"), ("tracestate", "a=1"));
    for (options, headers) in [
        (json!({}), vec![]),
        (json!({}), vec![("traceparent", "00-bad"), state]),
        (json!({}), vec![("traceparent", valid.as_str()), ("traceparent", valid.as_str()), state]),
        (json!({"trust": "never"}), vec![("traceparent", valid.as_str()), state]),
        (json!({"trust": ["192.0.2.0/24"]}), vec![("traceparent", valid.as_str()), state]),
    ] {
        let mut rig = propagating(&options);
        let record = rig.one(&with("/a", &headers));
        let (trace, span, flags) = sent_on(&rig);
        assert_ne!(trace, TRACE);
        assert_eq!(flags, 1);
        assert_eq!(record["trace"]["trace_id"], trace);
        assert_eq!(record["trace"]["span_id"], span);
        assert_eq!(record["trace"].get("parent_span_id"), None);
        assert_eq!(record["context"]["correlation_id"], trace);
        for map in [HeaderMap::Request, HeaderMap::Response] {
            assert_eq!(rig.host.text(map, "x-correlation-id").unwrap(), trace);
        }
        assert_eq!(rig.host.text(HeaderMap::Request, "tracestate"), None);
        assert_eq!(rig.host.headers(HeaderMap::Request).values("traceparent").count(), 1);
    }
    let mut rig = propagating(&json!({"sampled": false}));
    let record = rig.one(&with("/a", &[("x-correlation-id", "c-1")]));
    assert_eq!(sent_on(&rig).2, 0);
    assert_eq!(record["context"]["correlation_id"], "c-1");
}

#[test]
fn an_internal_redirect_is_a_span_below_the_first_whomever_is_trusted() {
    for trust in [json!("always"), json!("never"), json!(["192.0.2.0/24"])] {
        let mut rig = propagating(&json!({"trust": trust}));
        rig.host.set_map(HeaderMap::Request, &get("/before"));
        rig.host.set_bytes(property::RESPONSE_CODE_DETAILS, b"internal_redirect");
        let mut exchange = Exchange::default();
        exchange.request_headers(&mut rig.worker, &rig.host);
        let (trace, span, _) = sent_on(&rig);
        exchange.log(&mut rig.worker, &rig.host);
        let first = rig.host.journal().remove(0);
        // Envoy's tracer may have replaced the header since.
        let foreign = format!("00-{TRACE}-{CALLER}-01");
        let _ = rig.host.set_header(HeaderMap::Request, "traceparent", foreign.as_bytes());
        rig.host.set_bytes(property::RESPONSE_CODE_DETAILS, b"via_upstream");
        let mut exchange = Exchange::default();
        exchange.request_headers(&mut rig.worker, &rig.host);
        exchange.log(&mut rig.worker, &rig.host);
        let second = rig.host.journal().remove(0);
        assert_eq!(first["trace"]["span_id"], span);
        assert_eq!(second["trace"]["trace_id"], trace, "{trust}");
        assert_eq!(second["trace"]["parent_span_id"], span);
        assert_eq!(sent_on(&rig).0, trace);
        assert_eq!(second["trace"]["span_id"], sent_on(&rig).1);
        assert_ne!(second["trace"]["span_id"], span);
    }
}

#[test]
fn a_record_has_the_span_that_envoys_tracer_gave_the_service() {
    let mut rig = propagating(&json!({}));
    let mut exchange = Exchange::default();
    let sent = format!("00-{TRACE}-{CALLER}-01");
    rig.host.set_map(HeaderMap::Request, &with("/a", &[("traceparent", &sent)]));
    exchange.request_headers(&mut rig.worker, &rig.host);
    let theirs = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let _ = rig.host.set_header(HeaderMap::Request, "traceparent", theirs.as_bytes());
    exchange.log(&mut rig.worker, &rig.host);
    let trace = rig.host.journal().remove(0)["trace"].take();
    assert_eq!((&trace["trace_id"], &trace["parent_span_id"]), (&json!(TRACE), &json!(CALLER)));
    assert_eq!(trace["span_id"], "00f067aa0ba902b7");
}

#[test]
fn both_records_of_an_exchange_have_its_span() {
    let mut rig = Rig::new(&json!({"level": "DEBUG", "trace": {"propagate": true}}));
    let records = rig.exchange(&get("/a"));
    assert_eq!(records.len(), 2);
    let span = sent_on(&rig).1;
    assert!(records.iter().all(|record| record["trace"]["span_id"] == span), "{records:?}");
}

#[test]
fn a_request_that_was_only_observed_has_no_span() {
    let mut rig = propagating(&json!({"trust": "never"}));
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    rig.host.set_map(HeaderMap::Request, &with("/a", &[("traceparent", &traceparent)]));
    Exchange::default().log(&mut rig.worker, &rig.host);
    let trace = rig.host.journal().remove(0)["trace"].take();
    assert_eq!((&trace["trace_id"], &trace["parent_span_id"]), (&json!(TRACE), &json!(CALLER)));
    assert_eq!(trace.get("span_id"), None);
    assert_eq!(rig.host.text(HeaderMap::Request, "traceparent").unwrap(), traceparent);
}

#[test]
fn a_trace_is_not_touched_unless_asked_for() {
    let mut rig = Rig::new(&json!({"trace": {"propagate": false, "trust": "never"}}));
    let traceparent = format!("cc-{TRACE}-{CALLER}-ff-more");
    let headers = [("traceparent", traceparent.as_str()), ("tracestate", "a=1")];
    let record = rig.one(&with("/a", &headers));
    assert_eq!(rig.host.text(HeaderMap::Request, "traceparent").unwrap(), traceparent);
    assert_eq!(rig.host.text(HeaderMap::Request, "tracestate").unwrap(), "a=1");
    assert_eq!(record["trace"]["parent_span_id"], CALLER);
    assert_eq!(record["trace"].get("span_id"), None);
}

#[test]
fn a_proxy_that_refuses_the_trace_harms_nothing_and_is_counted() {
    let mut rig = propagating(&json!({}));
    rig.host.refuse_changes.set(true);
    let record = rig.one(&with("/a", &[("tracestate", "a=1")]));
    assert!(record["trace"]["span_id"].is_string());
    rig.worker.tick(&rig.host);
    // Two ids, traceparent and tracestate of the request; two ids of the response.
    assert_eq!(rig.host.metric("host_refused"), 4 + 2);
}

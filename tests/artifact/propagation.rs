//! The gateway's own span: what the service gets, what the record says, what it costs.

use gatelog_testkit::mock_host::{Action, Headers, Stream};
use serde_json::json;

use crate::budget::{budget, strict};
use crate::gateway::{Gateway, ordinary, record};

const ON: &str = r#"{"trace": {"propagate": true}}"#;
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn ordinary_with(headers: &[(&str, &str)]) -> Stream {
    let mut stream = ordinary();
    let sent = stream.request_headers.as_mut().unwrap();
    for (name, value) in headers {
        sent.add(name, value);
    }
    stream
}

/// Trace id, span id and flags that the service gets.
fn sent_on(headers: &Headers) -> [&str; 3] {
    let values: Vec<_> = headers.iter().filter(|(name, _)| *name == "traceparent").collect();
    let [(_, value)] = values.as_slice() else { panic!("{headers:?}") };
    let parts: Vec<_> = std::str::from_utf8(value).unwrap().split('-').collect();
    let [version, trace, span, flags] = parts.as_slice() else { panic!("{parts:?}") };
    assert_eq!((*version, trace.len(), span.len()), ("00", 32, 16));
    [trace, span, flags]
}

#[test]
fn a_trace_goes_on_with_the_span_of_the_record() {
    let mut gateway = Gateway::start(ON);
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let sent = [("traceparent", traceparent.as_str()), ("tracestate", "a=1")];
    let stream = gateway.serve(ordinary_with(&sent));
    let headers = stream.request_headers.as_ref().unwrap();
    let [trace, span, flags] = sent_on(headers);
    assert_eq!((trace, flags, headers.text("tracestate")), (TRACE, "01", Some("a=1")));
    let told = &record(&stream)["trace"];
    assert_eq!(told["trace_id"], TRACE);
    assert_eq!(told["span_id"], span);
    assert_eq!(told["parent_span_id"], CALLER);
}

#[test]
fn a_trace_begins_at_the_gateway_and_names_the_flow() {
    let mut gateway = Gateway::start(r#"{"trace": {"propagate": true, "sampled": false}}"#);
    let mut bare = ordinary_with(&[("traceparent", "00-bad"), ("tracestate", "a=1")]);
    bare.request_headers.as_mut().unwrap().remove("x-correlation-id");
    let stream = gateway.serve(bare);
    let headers = stream.request_headers.as_ref().unwrap();
    let [trace, span, flags] = sent_on(headers);
    assert_eq!((flags, headers.text("tracestate")), ("00", None));
    assert_eq!(headers.text("x-correlation-id"), Some(trace));
    assert_eq!(stream.response_headers.as_ref().unwrap().text("x-correlation-id"), Some(trace));
    let record = record(&stream);
    assert_eq!(record["trace"]["trace_id"], trace);
    assert_eq!(record["trace"]["span_id"], span);
    assert_eq!(record["trace"].get("parent_span_id"), None);
    assert_eq!(record["context"]["correlation_id"], json!(trace));
}

#[test]
fn no_two_exchanges_share_a_span_or_a_new_trace() {
    let mut gateway = Gateway::start(ON);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..300 {
        let stream = gateway.serve(ordinary());
        let [trace, span, _] = sent_on(stream.request_headers.as_ref().unwrap());
        assert!(seen.insert(trace.to_owned()) && seen.insert(span.to_owned()));
    }
}

#[test]
fn propagation_writes_one_header_and_its_absence_none() {
    let sent = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")];
    for (configuration, heading) in
        [("{}", "Ordinary: request headers"), (ON, "Propagated trace: request headers")]
    {
        for headers in [&sent[..], &[]] {
            let mut gateway = strict(configuration);
            let id = gateway.begin(ordinary_with(headers));
            gateway.host.expect(budget(heading));
            assert_eq!(gateway.host.request_headers(id, true), Action::Continue);
            assert_eq!(gateway.host.allocations(), 1);
        }
    }
    let mut gateway = strict(ON);
    let id = gateway.begin(ordinary_with(&[sent[0], sent[0], ("tracestate", "a=1")]));
    gateway.host.expect(budget("Replaced trace: request headers"));
    gateway.host.request_headers(id, true);
}

/// Instructions of the request's headers, once the supply of random bits is full.
fn instructions(configuration: &str, headers: &[(&str, &str)]) -> u64 {
    let mut gateway = Gateway::start(configuration);
    gateway.serve(ordinary());
    let id = gateway.begin(ordinary_with(headers));
    gateway.host.request_headers(id, true);
    gateway.host.instructions()
}

/// A coarse guard, in the interpreter's instructions.
#[test]
fn a_span_costs_few_instructions() {
    let sent = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")];
    for (case, headers, most) in [("continues", &sent[..], 3_000), ("begins", &[], 12_000)] {
        let (off, on) = (instructions("{}", headers), instructions(ON, headers));
        println!("a trace that {case}: {off} instructions without a span, {on} with one");
        assert!(on - off < most, "{case}: {off} {on}");
    }
}

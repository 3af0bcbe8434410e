//! Whatever headers a client sends, a request gets both ids, they are valid, and an id that was not
//! adopted is kept within its bound. A trace that is propagated is valid, before and after a redirect.
#![no_main]

use arbitrary::Arbitrary;
use gatelog::envoy::headers::Headers;
use gatelog::identity::ids::{IdPolicy, Identity, valid};
use gatelog::identity::trace::{TRACEPARENT, Trace, TracePolicy};
use gatelog::identity::traceparent::Traceparent;
use gatelog::identity::trust::Trust;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    trusted: (bool, bool),
    from_traceparent: bool,
    /// Propagated, trusted, sampled.
    trace: (bool, bool, bool),
    random: u64,
    headers: Vec<(u8, &'a [u8])>,
}

const NAMES: [&str; 5] =
    ["x-request-id", "x-correlation-id", "traceparent", "x-client-request-id", "other"];

fn trust(trusted: bool) -> Trust {
    if trusted { Trust::Always } else { Trust::Never }
}

fn policy(header: &str, trusted: bool) -> IdPolicy {
    IdPolicy { header: header.to_owned(), trust: trust(trusted), echo: true, expose: true }
}

/// What is propagated is a valid header of version 00 with the ids of the record.
fn check(trace: &Trace) {
    let header = trace.traceparent().expect("it is propagated");
    let read = Traceparent::parse(header.as_bytes()).expect("it is valid");
    assert!(header.starts_with("00-") && read.flags <= 3, "{header}");
    assert_eq!((read.trace_id, Some(read.parent_id)), (trace.trace_id(), trace.span_id()));
}

fuzz_target!(|input: Input<'_>| {
    let pairs: Vec<_> = input
        .headers
        .iter()
        .map(|(name, value)| (NAMES[usize::from(*name) % NAMES.len()], *value))
        .collect();
    let identity = Identity {
        request: policy(NAMES[0], input.trusted.0),
        correlation: policy(NAMES[1], input.trusted.1),
        from_traceparent: input.from_traceparent,
        trace: TracePolicy {
            propagate: input.trace.0,
            trust: trust(input.trace.1),
            sampled: input.trace.2,
        },
    };
    let headers = Headers::from_pairs(&pairs);
    let trace = identity.trace.resolve(&headers, || None, || input.random);
    let resolved = identity.resolve(&headers, || None, trace.clone(), || "fresh".to_owned());
    let ids = resolved.ids;
    assert!(trace.is_some() || !input.trace.0);
    if let Some(trace) = trace.filter(|_| input.trace.0) {
        check(&trace);
        let sent = headers.single(TRACEPARENT).and_then(Traceparent::parse);
        let continued = sent.is_some_and(|sent| sent.trace_id == trace.trace_id());
        assert!(continued || trace.begins_here());
        assert!(input.trace.1 || trace.begins_here());
        check(&trace.clone().followed(|| &headers));
        let below = trace.clone().redirected(|| input.random);
        check(&below);
        assert_eq!(below.parent_id(), trace.span_id());
    }
    for id in [&ids.request_id, &ids.correlation_id] {
        assert!(valid(id.as_bytes()).is_some(), "{id:?}");
    }
    assert!(input.trusted.0 || ids.request_id == "fresh");
    for kept in [ids.client_request_id, ids.client_correlation_id].into_iter().flatten() {
        // An invalid UTF-8 byte takes three bytes as the replacement character.
        assert!(pairs.iter().any(|(_, value)| kept.len() <= value.len() * 3));
    }
    for (_, value) in pairs {
        if let Some(parent) = Traceparent::parse(value) {
            assert_eq!((parent.trace_id.len(), parent.parent_id.len()), (32, 16));
        }
    }
});

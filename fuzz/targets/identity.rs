//! Whatever headers a client sends, a request gets both ids, they are valid, and an id that was not
//! adopted is kept within its bound.
#![no_main]

use arbitrary::Arbitrary;
use gatelog::envoy::headers::Headers;
use gatelog::identity::ids::{IdPolicy, Identity, Trust, valid};
use gatelog::identity::traceparent::Traceparent;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    trusted: (bool, bool),
    from_traceparent: bool,
    headers: Vec<(u8, &'a [u8])>,
}

const NAMES: [&str; 5] =
    ["x-request-id", "x-correlation-id", "traceparent", "x-client-request-id", "other"];

fn policy(header: &str, trusted: bool) -> IdPolicy {
    let trust = if trusted { Trust::Always } else { Trust::Never };
    IdPolicy { header: header.to_owned(), trust, echo: true, expose: true }
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
    };
    let resolved = identity.resolve(&Headers::from_pairs(&pairs), || None, || "fresh".to_owned());
    let ids = resolved.ids;
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

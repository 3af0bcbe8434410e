//! The two ids of every request.
//!
//! - `X-Request-ID` is unique per request: a valid one from a trusted peer is adopted; otherwise
//!   one is generated.
//! - `X-Correlation-ID` is shared by a flow: the peer's when trusted and valid, else the trace id
//!   of a valid `traceparent` or of the trace that begins here, else the request id.
//!
//! An id that a peer sent and that was not adopted is kept for the record, within its bound for texts.

use std::net::IpAddr;

use crate::envoy::headers::Headers;
use crate::identity::trace::{Trace, TracePolicy};
use crate::identity::trust::Trust;

/// Longest valid id, in bytes.
pub const ID_BYTES_MAX: usize = 128;

/// Where the shipped Envoy configuration's early header mutation moves a client's request id.
pub const CLIENT_REQUEST_ID: &str = "x-client-request-id";

/// How one id is found and passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdPolicy {
    /// The header's name, lower case.
    pub header: String,
    /// Whose ids are adopted.
    pub trust: Trust,
    /// Whether it is returned on responses.
    pub echo: bool,
    /// Whether browsers may read it across origins (`access-control-expose-headers`).
    pub expose: bool,
}

/// How both ids and the trace are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The request id.
    pub request: IdPolicy,
    /// The correlation id.
    pub correlation: IdPolicy,
    /// Whether a valid `traceparent` can supply the correlation id.
    pub from_traceparent: bool,
    /// How the gateway takes part in traces.
    pub trace: TracePolicy,
}

/// The ids of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Unique per request.
    pub request_id: String,
    /// Shared by the flow.
    pub correlation_id: String,
    /// The client's request id, if it was not adopted.
    pub client_request_id: Option<String>,
    /// The client's correlation id, if it was not adopted.
    pub client_correlation_id: Option<String>,
    /// The distributed trace.
    pub trace: Option<Trace>,
}

impl Ids {
    /// The ids at the end of the exchange, whose request's headers are then `headers`.
    pub fn at_end<'h>(self, headers: impl FnOnce() -> &'h Headers) -> Self {
        Self { trace: self.trace.map(|trace| trace.followed(headers)), ..self }
    }

    /// The ids of the exchange that takes this one's place: the same ones, and a span below its span.
    pub fn redirected(self, random: impl FnOnce() -> u64) -> Self {
        Self { trace: self.trace.map(|trace| trace.redirected(random)), ..self }
    }
}

/// Ids, and which of them must still be written to the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The ids.
    pub ids: Ids,
    /// Whether the request id's header must be written.
    pub write_request_id: bool,
    /// Whether the correlation id's header must be written.
    pub write_correlation_id: bool,
}

impl Resolved {
    /// Ids that the request carries already.
    pub fn carried(ids: Ids) -> Self {
        Self { ids, write_request_id: false, write_correlation_id: false }
    }
}

impl Identity {
    /// Whether a request carries exactly these ids.
    pub fn are_carried(&self, ids: &Ids, headers: &Headers) -> bool {
        let is =
            |policy: &IdPolicy, id: &str| headers.single(&policy.header) == Some(id.as_bytes());
        is(&self.request, &ids.request_id) && is(&self.correlation, &ids.correlation_id)
    }

    /// Whether a header (lower-case name) carries one of the ids.
    pub fn is_id(&self, name: &str) -> bool {
        self.request.header == name || self.correlation.header == name
    }

    /// Determines the ids of a request. `peer` returns the client's address, `fresh` generates an id;
    /// `trace` is what [`TracePolicy::resolve`] found.
    pub fn resolve(
        &self,
        headers: &Headers,
        peer: impl Fn() -> Option<IpAddr>,
        trace: Option<Trace>,
        fresh: impl FnOnce() -> String,
    ) -> Resolved {
        let (request, correlation) =
            (self.request.trust.covers(&peer), self.correlation.trust.covers(&peer));
        self.find(headers, request, correlation, trace, fresh)
    }

    /// The ids of a request whose headers this filter did not see, and so could not write to: those
    /// that it has are the ones that the upstream or another log knows, whoever sent them.
    pub fn observe(&self, headers: &Headers, fresh: impl FnOnce() -> String) -> Ids {
        self.find(headers, true, true, Trace::sent(headers), fresh).ids
    }

    fn find(
        &self,
        headers: &Headers,
        request_trusted: bool,
        correlation_trusted: bool,
        trace: Option<Trace>,
        fresh: impl FnOnce() -> String,
    ) -> Resolved {
        let sent = Sent::read(headers, &self.request.header);
        let (request_id, refused) = sent.adopt(request_trusted);
        let write_request_id = request_id.is_none();
        let request_id = request_id.map_or_else(fresh, str::to_owned);

        let sent = Sent::read(headers, &self.correlation.header);
        let (correlation_id, client_correlation_id) = sent.adopt(correlation_trusted);
        let write_correlation_id = correlation_id.is_none();
        let correlation_id = match (correlation_id, &trace) {
            (Some(own), _) => own.to_owned(),
            (None, Some(trace)) if self.from_traceparent || trace.begins_here() => {
                trace.trace_id().to_owned()
            }
            (None, _) => request_id.clone(),
        };

        // An early header mutation moved the client's id aside before this filter ran.
        let moved = headers.get(CLIENT_REQUEST_ID).filter(|id| *id != request_id.as_bytes());
        let client_request_id = moved.map(readable).or_else(|| refused.map(readable));
        Resolved {
            ids: Ids {
                request_id,
                correlation_id,
                client_request_id,
                client_correlation_id: client_correlation_id.map(readable),
                trace,
            },
            write_request_id,
            write_correlation_id,
        }
    }
}

/// What the peer sent for one id.
struct Sent<'a> {
    first: Option<&'a [u8]>,
    /// Sent more than once, so ambiguous.
    repeated: bool,
}

impl<'a> Sent<'a> {
    fn read(headers: &'a Headers, name: &'a str) -> Self {
        let mut values = headers.values(name);
        Self { first: values.next(), repeated: values.next().is_some() }
    }

    /// The id if it can be adopted, otherwise the rejected text.
    fn adopt(&self, trusted: bool) -> (Option<&'a str>, Option<&'a [u8]>) {
        match self.first {
            Some(value) if trusted && !self.repeated => match valid(value) {
                Some(id) => (Some(id), None),
                None => (None, Some(value)),
            },
            refused => (None, refused.filter(|value| !value.is_empty())),
        }
    }
}

/// The id as text, if it is valid: 1 to 128 of `A–Z a–z 0–9 - _ . : / + = @`.
pub fn valid(id: &[u8]) -> Option<&str> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
    let fits = (1..=ID_BYTES_MAX).contains(&id.len()) && id.iter().all(allowed);
    if fits { str::from_utf8(id).ok() } else { None }
}

fn readable(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn policy(header: &str, trust: Trust) -> IdPolicy {
        IdPolicy { header: header.into(), trust, echo: true, expose: false }
    }

    fn identity(request: Trust, correlation: Trust) -> Identity {
        Identity {
            request: policy("x-request-id", request),
            correlation: policy("x-correlation-id", correlation),
            from_traceparent: true,
            trace: TracePolicy { propagate: false, trust: Trust::Always, sampled: true },
        }
    }

    fn resolve(identity: &Identity, headers: &[(&str, &str)]) -> Resolved {
        let peer = || Some("10.1.2.3".parse().unwrap());
        let headers = Headers::from_pairs(headers);
        let mut random = 0_u64;
        let random = || {
            random += 1;
            random
        };
        let trace = identity.trace.resolve(&headers, peer, random);
        identity.resolve(&headers, peer, trace, || "fresh".into())
    }

    #[test]
    fn ids_follow_their_order_of_precedence() {
        let always = identity(Trust::Always, Trust::Always);
        // Sent request id, sent correlation id, traceparent, then: request id, correlation id.
        let cases = [
            (None, None, None, "fresh", "fresh"),
            (Some("r1"), None, None, "r1", "r1"),
            (Some("r1"), Some("c1"), None, "r1", "c1"),
            (Some("r1"), Some("c1"), Some(TRACEPARENT), "r1", "c1"),
            (Some("r1"), None, Some(TRACEPARENT), "r1", "0af7651916cd43dd8448eb211c80319c"),
            (
                Some("r1"),
                Some("not valid"),
                Some(TRACEPARENT),
                "r1",
                "0af7651916cd43dd8448eb211c80319c",
            ),
            (None, None, Some("00-bad"), "fresh", "fresh"),
            (Some(""), Some(""), None, "fresh", "fresh"),
        ];
        for (request, correlation, trace, request_id, correlation_id) in cases {
            let sent: Vec<_> = [
                ("x-request-id", request),
                ("x-correlation-id", correlation),
                ("traceparent", trace),
            ]
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)))
            .collect();
            let resolved = resolve(&always, &sent);
            assert_eq!(resolved.ids.request_id, request_id, "{sent:?}");
            assert_eq!(resolved.ids.correlation_id, correlation_id, "{sent:?}");
        }
    }

    #[test]
    fn a_trace_that_begins_here_gives_the_correlation_id_if_the_client_sent_none() {
        let began = "00000000000000010000000000000002";
        let continued = "0af7651916cd43dd8448eb211c80319c";
        for (trust, from_traceparent, correlation, traceparent, expected) in [
            (Trust::Always, true, None, None, began),
            (Trust::Always, false, None, None, began),
            (Trust::Always, true, Some("c1"), None, "c1"),
            (Trust::Always, true, Some("not valid"), Some("00-bad"), began),
            (Trust::Always, true, None, Some(TRACEPARENT), continued),
            (Trust::Always, false, None, Some(TRACEPARENT), "fresh"),
            (Trust::Never, true, None, Some(TRACEPARENT), began),
            (Trust::Never, true, Some("c1"), Some(TRACEPARENT), "c1"),
        ] {
            let mut identity = identity(Trust::Always, Trust::Always);
            identity.from_traceparent = from_traceparent;
            identity.trace = TracePolicy { propagate: true, trust, sampled: true };
            let sent: Vec<_> = [("x-correlation-id", correlation), ("traceparent", traceparent)]
                .into_iter()
                .filter_map(|(name, value)| value.map(|value| (name, value)))
                .collect();
            let ids = resolve(&identity, &sent).ids;
            assert_eq!(ids.correlation_id, expected, "{identity:?} {sent:?}");
            assert_eq!(ids.request_id, "fresh");
        }
    }

    #[test]
    fn only_what_the_request_lacks_is_written() {
        let always = identity(Trust::Always, Trust::Always);
        let both = resolve(&always, &[("x-request-id", "r"), ("x-correlation-id", "c")]);
        assert!(!both.write_request_id && !both.write_correlation_id);
        let one = resolve(&always, &[("x-request-id", "r")]);
        assert!(!one.write_request_id && one.write_correlation_id);
    }

    #[test]
    fn what_is_not_adopted_is_kept() {
        let never = identity(Trust::Never, Trust::Never);
        let resolved = resolve(&never, &[("x-request-id", "r"), ("x-correlation-id", "c")]);
        assert_eq!(resolved.ids.request_id, "fresh");
        assert_eq!(resolved.ids.client_request_id.as_deref(), Some("r"));
        assert_eq!(resolved.ids.client_correlation_id.as_deref(), Some("c"));
        assert!(resolved.write_request_id && resolved.write_correlation_id);
    }

    #[test]
    fn a_request_that_was_only_observed_keeps_the_ids_it_has() {
        let never = identity(Trust::Never, Trust::Never);
        let observe = |headers: &[(&str, &str)]| {
            never.observe(&Headers::from_pairs(headers), || "fresh".into())
        };
        let ids = observe(&[("x-request-id", "r"), ("x-correlation-id", "c")]);
        assert_eq!((ids.request_id.as_str(), ids.correlation_id.as_str()), ("r", "c"));
        assert_eq!((ids.client_request_id, ids.client_correlation_id), (None, None));
        let ids = observe(&[("x-request-id", "r")]);
        assert_eq!((ids.request_id.as_str(), ids.correlation_id.as_str()), ("r", "r"));
        let ids = observe(&[("x-request-id", "not valid")]);
        assert_eq!(ids.request_id, "fresh");
        assert_eq!(ids.client_request_id.as_deref(), Some("not valid"));
    }

    #[test]
    fn a_client_id_moved_aside_by_the_proxy_is_kept() {
        let always = identity(Trust::Always, Trust::Always);
        let resolved = resolve(&always, &[("x-request-id", "r"), (CLIENT_REQUEST_ID, "theirs")]);
        assert_eq!(resolved.ids.request_id, "r");
        assert_eq!(resolved.ids.client_request_id.as_deref(), Some("theirs"));
        // Then the header has an id that the proxy generated.
        let never = identity(Trust::Never, Trust::Never);
        let resolved = resolve(&never, &[("x-request-id", "r"), (CLIENT_REQUEST_ID, "theirs")]);
        assert_eq!(resolved.ids.request_id, "fresh");
        assert_eq!(resolved.ids.client_request_id.as_deref(), Some("theirs"));
    }

    #[test]
    fn an_id_sent_twice_is_not_adopted() {
        let always = identity(Trust::Always, Trust::Always);
        let resolved = resolve(&always, &[("x-request-id", "a"), ("x-request-id", "b")]);
        assert_eq!(resolved.ids.request_id, "fresh");
        assert_eq!(resolved.ids.client_request_id.as_deref(), Some("a"));
    }

    #[test]
    fn networks_decide_whom_to_trust() {
        let within = Trust::Networks(vec!["10.0.0.0/8".parse().unwrap()]);
        let without =
            Trust::Networks(vec!["192.168.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let resolved = resolve(
            &identity(within, without),
            &[("x-request-id", "r"), ("x-correlation-id", "c")],
        );
        assert_eq!(resolved.ids.request_id, "r");
        assert_eq!(resolved.ids.correlation_id, "r");
    }

    #[test]
    fn legitimate_ids_of_every_habit_are_valid() {
        for id in [
            "0",
            "7b6c1f0e-9d1b-4a57-8a59-0c9a6d1f2e3b",
            "0af7651916cd43dd8448eb211c80319c",
            "Root=1-67891233-abcdef012345678912345678",
            "req_01HZX",
            "a:b/c+d=e@f.g",
            &"x".repeat(128),
        ] {
            assert_eq!(valid(id.as_bytes()), Some(id));
        }
    }

    #[test]
    fn an_id_that_could_break_a_log_or_a_header_is_invalid() {
        for id in [
            &b""[..],
            b" a",
            b"a b",
            b"a\"b",
            b"a\nb",
            b"a\0",
            b"\xff",
            "é".as_bytes(),
            b"a,b",
            b"<x>",
            &[b'x'; 129],
        ] {
            assert_eq!(valid(id), None, "{id:?}");
        }
    }

    #[test]
    fn a_refused_id_is_never_fatal() {
        let always = identity(Trust::Always, Trust::Always);
        let headers = Headers::from_pairs(&[("x-request-id", vec![0xff; 5_000])]);
        let resolved = always.resolve(&headers, || None, None, || "fresh".into());
        assert_eq!(resolved.ids.client_request_id.unwrap(), "\u{fffd}".repeat(5_000));
    }
}

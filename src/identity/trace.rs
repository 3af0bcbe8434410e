//! The distributed trace of a request, and the gateway's own span in it.
//!
//! Source: W3C Trace Context, Recommendation, §3.2 "Traceparent Header" and §3.4 "Mutating the
//! traceparent Field".

use std::net::IpAddr;
use std::ops::Range;

use crate::envoy::headers::Headers;
use crate::identity::traceparent::Traceparent;
use crate::identity::trust::Trust;

/// The header that carries a trace from one hop to the next.
pub const TRACEPARENT: &str = "traceparent";

/// Its companion, which belongs to the trace that it came with.
pub const TRACESTATE: &str = "tracestate";

/// How the gateway takes part in traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracePolicy {
    /// Whether the service gets a `traceparent` with the gateway's own span.
    pub propagate: bool,
    /// Whose `traceparent` is continued, if it is propagated.
    pub trust: Trust,
    /// Whether a trace that begins here has the sampled flag.
    pub sampled: bool,
}

impl TracePolicy {
    /// The trace of a request. `peer` returns the client's address, `random` random bits.
    pub fn resolve(
        &self,
        headers: &Headers,
        peer: impl Fn() -> Option<IpAddr>,
        random: impl FnMut() -> u64,
    ) -> Option<Trace> {
        if self.propagate {
            Some(self.take_part(headers, peer, random))
        } else {
            Trace::sent(headers)
        }
    }

    /// Apart from the above, so that a request pays nothing for it where it is off.
    #[inline(never)]
    fn take_part(
        &self,
        headers: &Headers,
        peer: impl Fn() -> Option<IpAddr>,
        mut random: impl FnMut() -> u64,
    ) -> Trace {
        let sent = headers.single(TRACEPARENT).and_then(Traceparent::parse);
        match sent.filter(|_| self.trust.covers(peer)) {
            Some(sent) => Trace::joined(sent, random()),
            None => Trace::begun(random(), random(), random(), self.sampled),
        }
    }
}

/// A trace, as one request sees it. Ids are lower-case hex.
///
/// One text holds trace id, span and flags: it is allocated, and written, for every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The `traceparent` for the next hop, or only its beginning if the gateway has no span.
    traceparent: String,
    parent_id: Option<String>,
}

impl Trace {
    /// The trace of a valid `traceparent` that was sent once. The gateway has no span in it.
    pub fn sent(headers: &Headers) -> Option<Self> {
        let sent = headers.single(TRACEPARENT).and_then(Traceparent::parse)?;
        let traceparent = ["00-", sent.trace_id].concat();
        Some(Self { traceparent, parent_id: Some(sent.parent_id.to_owned()) })
    }

    /// A span in the trace of the caller.
    fn joined(sent: Traceparent<'_>, span: u64) -> Self {
        let write_id = |text: &mut String| text.push_str(sent.trace_id);
        let traceparent = written(write_id, span, passed_on(sent.flags));
        Self { traceparent, parent_id: Some(sent.parent_id.to_owned()) }
    }

    /// The first span of a new trace.
    fn begun(high: u64, low: u64, span: u64, sampled: bool) -> Self {
        let write_id = |text: &mut String| {
            push_hex(text, high);
            push_hex(text, low.max(1));
        };
        let traceparent = written(write_id, span, passed_on(sampled.into()));
        Self { traceparent, parent_id: None }
    }

    /// 32 digits.
    pub fn trace_id(&self) -> &str {
        self.traceparent.get(TRACE_ID).unwrap_or_default()
    }

    /// The gateway's own span, 16 digits; `None` if `traceparent` is left as it came.
    pub fn span_id(&self) -> Option<&str> {
        self.traceparent.get(SPAN_ID)
    }

    /// The caller's span, 16 digits; `None` if the trace begins here.
    pub fn parent_id(&self) -> Option<&str> {
        self.parent_id.as_deref()
    }

    /// The header for the next hop; `None` if the gateway has no span in this trace.
    pub fn traceparent(&self) -> Option<&str> {
        self.span_id().map(|_| self.traceparent.as_str())
    }

    /// Whether the gateway began it.
    pub fn begins_here(&self) -> bool {
        self.parent_id.is_none()
    }

    /// What the next hop got in the end: Envoy's own tracer, or a filter, may have replaced the span after
    /// this one's. `headers` are the request's at the end of the exchange.
    pub fn followed<'h>(self, headers: impl FnOnce() -> &'h Headers) -> Self {
        let Some(own) = self.traceparent() else { return self };
        let replaced = headers().single(TRACEPARENT).filter(|value| *value != own.as_bytes());
        let Some(theirs) = replaced.and_then(Traceparent::parse) else { return self };
        let flags = passed_on(theirs.flags);
        let traceparent = ["00-", theirs.trace_id, "-", theirs.parent_id, "-", flags].concat();
        Self { traceparent, ..self }
    }

    /// The same trace one span further down, if the gateway has a span in it. Rare, so apart.
    #[inline(never)]
    pub fn redirected(self, random: impl FnOnce() -> u64) -> Self {
        let Some(first) = self.span_id() else { return self };
        let flags = self.traceparent.get(FLAGS).unwrap_or_default();
        let write_id = |text: &mut String| text.push_str(self.trace_id());
        let traceparent = written(write_id, random(), flags);
        Self { traceparent, parent_id: Some(first.to_owned()) }
    }
}

/// The flags for the next hop: `sampled`, and `random` of the recommendation's Level 2. The others "MUST"
/// be zero.
fn passed_on(flags: u8) -> &'static str {
    match flags & 0b11 {
        0 => "00",
        1 => "01",
        2 => "02",
        _ => "03",
    }
}

/// Where the ids and the flags are in a `traceparent`.
const TRACE_ID: Range<usize> = 3..35;
const SPAN_ID: Range<usize> = 36..52;
const FLAGS: Range<usize> = 53..55;

fn written(write_id: impl FnOnce(&mut String), span: u64, flags: &str) -> String {
    let mut text = String::with_capacity(FLAGS.end);
    text.push_str("00-");
    write_id(&mut text);
    text.push('-');
    // Not all digits of an id may be zero.
    push_hex(&mut text, span.max(1));
    text.push('-');
    text.push_str(flags);
    text
}

/// Appends 16 digits. By hand, as formatting takes ten times as many instructions.
fn push_hex(text: &mut String, number: u64) {
    for byte in number.to_be_bytes() {
        for nibble in [byte >> 4, byte & 0xf] {
            let zero = if nibble < 10 { b'0' } else { b'a' - 10 };
            text.push(char::from(zero.wrapping_add(nibble)));
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const CALLER: &str = "b7ad6b7169203331";

    fn resolve(policy: &TracePolicy, headers: &[(&str, &str)]) -> Option<Trace> {
        let mut last = 0;
        let random = || {
            last += 1;
            last
        };
        let peer = || Some("10.1.2.3".parse().unwrap());
        policy.resolve(&Headers::from_pairs(headers), peer, random)
    }

    fn policy(propagate: bool, trust: Trust, sampled: bool) -> TracePolicy {
        TracePolicy { propagate, trust, sampled }
    }

    #[test]
    fn a_trusted_trace_goes_on_with_the_gateways_span_and_the_flags_it_had() {
        let networks = Trust::within(["10.0.0.0/8".parse().unwrap()]);
        for trust in [Trust::Always, networks] {
            for (version, flags, sent_on) in [
                ("00", "00", "00"),
                ("00", "01", "01"),
                ("00", "02", "02"),
                ("00", "03", "03"),
                ("00", "ff", "03"),
                ("cc", "08", "00"),
            ] {
                let sent = format!("{version}-{TRACE}-{CALLER}-{flags}");
                let policy = policy(true, trust.clone(), flags == "00");
                let trace = resolve(&policy, &[(TRACEPARENT, &sent)]).unwrap();
                let expected = format!("00-{TRACE}-0000000000000001-{sent_on}");
                assert_eq!(trace.traceparent().unwrap(), expected, "{sent}");
                assert_eq!(trace.parent_id(), Some(CALLER));
                assert!(!trace.begins_here());
            }
        }
    }

    #[test]
    fn a_trace_begins_where_none_was_sent_or_what_was_sent_is_not_valid_or_not_trusted() {
        let valid = format!("00-{TRACE}-{CALLER}-01");
        let elsewhere = Trust::within(["192.0.2.0/24".parse().unwrap()]);
        let cases: [(Trust, &[(&str, &str)]); 5] = [
            (Trust::Always, &[]),
            (Trust::Always, &[(TRACEPARENT, "00-bad")]),
            (Trust::Always, &[(TRACEPARENT, &valid), (TRACEPARENT, &valid)]),
            (Trust::Never, &[(TRACEPARENT, &valid)]),
            (elsewhere, &[(TRACEPARENT, &valid)]),
        ];
        for (trust, headers) in cases {
            for (sampled, flags) in [(true, "01"), (false, "00")] {
                let policy = policy(true, trust.clone(), sampled);
                let trace = resolve(&policy, headers).unwrap();
                assert!(trace.begins_here());
                assert_eq!(
                    trace.traceparent().unwrap(),
                    format!("00-00000000000000010000000000000002-0000000000000003-{flags}"),
                    "{policy:?} {headers:?}"
                );
            }
        }
    }

    #[test]
    fn without_propagation_a_trace_is_only_read_whoever_sent_it() {
        let sent = format!("00-{TRACE}-{CALLER}-01");
        let read = resolve(&policy(false, Trust::Never, true), &[(TRACEPARENT, &sent)]).unwrap();
        assert_eq!((read.trace_id(), read.parent_id()), (TRACE, Some(CALLER)));
        assert_eq!((read.traceparent(), read.span_id()), (None, None));
        assert_eq!(read.clone().redirected(|| 9), read);
        assert_eq!(resolve(&policy(false, Trust::Always, true), &[]), None);
    }

    #[test]
    fn a_redirect_is_a_span_below_the_first_in_the_same_trace() {
        let first = resolve(&policy(true, Trust::Always, true), &[]).unwrap();
        let second = first.clone().redirected(|| 9);
        assert_eq!(second.trace_id(), first.trace_id());
        assert_eq!(second.parent_id(), first.span_id());
        assert!(second.traceparent().unwrap().ends_with("-0000000000000009-01"));
    }

    #[test]
    fn a_span_that_was_put_in_place_of_the_gateways_is_the_one_that_counts() {
        let sent = format!("00-{TRACE}-{CALLER}-01");
        let own = resolve(&policy(true, Trust::Always, true), &[(TRACEPARENT, &sent)]).unwrap();
        let end = |headers: &[(&str, &str)]| {
            let headers = Headers::from_pairs(headers);
            own.clone().followed(|| &headers)
        };
        let unchanged = own.traceparent().unwrap();
        let theirs = format!("00-{TRACE}-00f067aa0ba902b7-01");
        for headers in [
            &[][..],
            &[(TRACEPARENT, unchanged)],
            &[(TRACEPARENT, "00-bad")],
            &[(TRACEPARENT, &theirs), (TRACEPARENT, &theirs)],
        ] {
            assert_eq!(end(headers), own, "{headers:?}");
        }
        let followed = end(&[(TRACEPARENT, &theirs)]);
        assert_eq!(followed.span_id(), Some("00f067aa0ba902b7"));
        assert_eq!((followed.trace_id(), followed.parent_id()), (TRACE, Some(CALLER)));
        let other = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        assert_eq!(end(&[(TRACEPARENT, other)]).trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        // Without a span of its own, the gateway does not follow.
        let off = Trace::sent(&Headers::from_pairs(&[(TRACEPARENT, &sent)])).unwrap();
        let unread = || panic!("read for nothing");
        assert_eq!(off.clone().followed(unread), off);
    }

    #[test]
    fn no_id_is_all_zero_even_if_all_random_bits_are() {
        let policy = policy(true, Trust::Always, false);
        let trace = policy.resolve(&Headers::default(), || None, || 0).unwrap();
        let header = trace.traceparent().unwrap();
        assert!(Traceparent::parse(header.as_bytes()).is_some(), "{header}");
    }
}

//! Turns a finished exchange into its record, or decides that it has none.

use std::cell::OnceCell;
use std::rc::Rc;

use gatelog_record::Level;

use crate::compose::assemble::{self, Parts};
use crate::compose::facts::{Facts, Request, Sources};
use crate::compose::redaction::Redactor;
use crate::decision::fate::{Case, Fate, decide};
use crate::decision::grpc::{self, Answer, Protocol};
use crate::decision::outcome::{Ending, Outcome, final_status};
use crate::decision::rules::{Subject, overrides};
use crate::envoy::attributes::{Attribute, Attributes};
use crate::envoy::headers::Headers;
use crate::envoy::property;
use crate::envoy::response_flags::ResponseFlags;
use crate::exchange::begun::Begun;
use crate::exchange::finished::Finished;
use crate::host::{HeaderMap, Host};
use crate::metrics::Metric;
use crate::worker::Worker;

/// Response code details of an exchange that an internal redirect has ended. Source: Envoy,
/// `envoy/stream_info/stream_info.h`.
const REDIRECTED: &[u8] = b"internal_redirect";

/// Makes the record of an exchange, queues it and publishes it to the journal.
pub fn log(begun: Option<Begun>, responded_ns: Option<u64>, worker: &mut Worker, host: &dyn Host) {
    let lines = observe(begun, responded_ns, worker, host);
    let wanted = if worker.settings.config.stdout { lines.as_slice() } else { &[] };
    if host.publish(wanted).is_err() {
        worker.metrics.count(Metric::HostRefused, 1);
    }
}

/// Makes the record of an exchange and queues it. This is all that an access logger may do: the
/// proxy accepts no filter state from one. Returns the record's lines.
pub fn observe(
    begun: Option<Begun>,
    responded_ns: Option<u64>,
    worker: &mut Worker,
    host: &dyn Host,
) -> Vec<u8> {
    let list = worker.attributes.read(host);
    let attributes = Attributes::of(&list);
    let exchange = gather(begun, responded_ns, &attributes, worker, host);
    let mut lines = Vec::new();
    record(&exchange, &attributes, worker, host, &mut lines);
    lines
}

fn gather(
    begun: Option<Begun>,
    responded_ns: Option<u64>,
    attributes: &Attributes<'_>,
    worker: &mut Worker,
    host: &dyn Host,
) -> Finished {
    let (seen, at_end) = (begun.is_some(), OnceCell::new());
    let uint = |path| host.property(path).and_then(|bytes| property::uint(&bytes));
    let (received, ids, start_unix_ns, duration_ns, responded_ns) = match begun {
        Some(begun) => {
            let duration = host.monotonic_nanos().saturating_sub(begun.start_ns);
            let responded = responded_ns.map(|at| at.saturating_sub(begun.start_ns));
            let current = || at_end.get_or_init(|| host.headers(HeaderMap::Request));
            let ids = begun.ids.at_end(current);
            (begun.headers, ids, begun.start_unix_ns, duration, responded)
        }
        None => {
            let received = host.headers(HeaderMap::Request);
            let start = uint(property::REQUEST_TIME).unwrap_or_else(|| host.unix_nanos());
            let duration = uint(property::REQUEST_DURATION).unwrap_or(0);
            let fresh = || worker.uuids.fresh(host, start).to_string();
            let ids = worker.settings.config.identity.observe(&received, fresh);
            (received, ids, start, duration, None)
        }
    };
    let details = attributes.bytes(Attribute::Details);
    let mut outcome = Outcome {
        status: attributes.uint(Attribute::Status).and_then(final_status),
        flags: ResponseFlags(attributes.uint(Attribute::Flags).unwrap_or(0)),
        grpc_status: None,
        ending: details.map(Ending::of).unwrap_or_default(),
        connect: received.get(":method") == Some(b"CONNECT"),
    };
    outcome.grpc_status = grpc_status(&outcome, &received, attributes, host);
    // Envoy begins the exchange that takes its place at once, and with the same headers.
    let redirected = seen && details == Some(REDIRECTED);
    worker.redirected = redirected.then(|| ids.clone());
    Finished {
        ids,
        begun: seen,
        start_unix_ns,
        duration_ns,
        received,
        at_end,
        responded_ns,
        outcome,
        details: details.map(<[u8]>::to_vec),
    }
}

/// The gRPC status as the client sees it. An aborted response has only the status that it
/// states.
fn grpc_status(
    outcome: &Outcome,
    request: &Headers,
    attributes: &Attributes<'_>,
    host: &dyn Host,
) -> Option<u32> {
    let protocol = |value: Option<&[u8]>| Protocol::of(value.unwrap_or_default());
    let answer = Answer {
        status: outcome.status?,
        request: protocol(request.get("content-type")),
        response: protocol(attributes.bytes(Attribute::ContentType)),
    };
    // From the trailers, or from the headers of a response that has no others.
    let read = |map| host.header(map, "grpc-status").and_then(|value| grpc::parse_status(&value));
    let stated = || read(HeaderMap::ResponseTrailers).or_else(|| read(HeaderMap::Response));
    if outcome.aborted() {
        let is_call = matches!(answer.response, Protocol::Grpc | Protocol::GrpcWeb);
        return is_call.then(stated).flatten();
    }
    answer.code(stated)
}

/// Decides about the record, and makes it.
fn record(
    exchange: &Finished,
    attributes: &Attributes<'_>,
    worker: &mut Worker,
    host: &dyn Host,
    lines: &mut Vec<u8>,
) {
    let request = Request::read(&exchange.received);
    let settings = Rc::clone(&worker.settings);
    let config = &settings.config;
    let subject = Subject {
        path: &request.path,
        method: &request.method,
        host: &request.host,
        status: exchange.outcome.status,
        duration_ns: exchange.duration_ns,
    };
    let overrides = overrides(&config.rules, &subject);
    let case = Case {
        subject,
        headers: &exchange.received,
        outcome: &exchange.outcome,
        details: exchange.details.as_deref(),
        correlation_id: &exchange.ids.correlation_id,
    };
    let decided = match decide(config, &overrides, &case) {
        Fate::Made(decided) => decided,
        Fate::Excluded => return worker.metrics.count(Metric::Excluded, 1),
        Fate::SampledOut => return worker.sampled_out(),
    };
    let redactor = Redactor::new(&config.redaction, config.record.limits).of_request(&request.path);
    let claims = &worker.claims;
    let sources = Sources {
        exchange,
        request: &request,
        overrides: &overrides,
        attributes,
        claims,
        config,
        redactor: &redactor,
    };
    let facts = Facts::read(&sources, host);
    worker.metrics.count(Metric::ValuesCut, redactor.values_cut());
    let parts = Parts { exchange, request: &request, facts: &facts, decided };
    assemble::record(&parts, worker, host, lines);
    if config.level == Level::Debug {
        assemble::debug_record(&parts, worker, host, lines);
    }
}

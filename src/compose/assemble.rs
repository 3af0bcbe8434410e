//! Assembles a record from the facts about its exchange.

use std::rc::Rc;

use gatelog_record::{Context, ErrorDetails, Http, Level, Record, Status, Timestamp, Trace};

use crate::compose::facts::{Facts, OwnedPairs, Request, all};
use crate::compose::redaction::Redactor;
use crate::decision::fate::Decided;
use crate::exchange::finished::Finished;
use crate::host::{HeaderMap, Host};
use crate::identity::trace;
use crate::metrics::Metric;
use crate::worker::Worker;

/// Maximum characters of the path in a message, so that the status after it stays visible.
pub const MESSAGE_PATH_CHARS: usize = 256;

/// The parts that only the second record, at level DEBUG, has.
#[derive(Default)]
struct Details {
    request_headers: OwnedPairs,
    response_headers: OwnedPairs,
    phases: Vec<(&'static str, u64)>,
}

/// The parts of a record.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The exchange.
    pub exchange: &'a Finished,
    /// The request.
    pub request: &'a Request<'a>,
    /// The other facts.
    pub facts: &'a Facts<'a>,
    /// The decision about the record.
    pub decided: Decided,
}

/// Makes the record of an exchange and appends its line to `lines`.
pub fn record(parts: &Parts<'_>, worker: &mut Worker, host: &dyn Host, lines: &mut Vec<u8>) {
    write(parts, None, worker, host, lines);
}

/// Makes the second record, at level DEBUG: all headers, redacted, and the phases of time.
pub fn debug_record(parts: &Parts<'_>, worker: &mut Worker, host: &dyn Host, lines: &mut Vec<u8>) {
    let exchange = parts.exchange;
    let settings = Rc::clone(&worker.settings);
    let redactor = Redactor::new(&settings.config.redaction, settings.config.record.limits)
        .of_request(&parts.request.path);
    let whole_us = exchange.duration_ns / 1_000;
    let phases = exchange.responded_ns.map(|responded| {
        let wait_us = responded / 1_000;
        vec![("wait_ms", wait_us), ("receive_ms", whole_us.saturating_sub(wait_us))]
    });
    let details = Details {
        request_headers: all(exchange.current(host), &redactor),
        response_headers: all(&host.headers(HeaderMap::Response), &redactor),
        phases: phases.unwrap_or_default(),
    };
    worker.metrics.count(Metric::ValuesCut, redactor.values_cut());
    let decided = Decided { level: Level::Debug, audit: false, ..parts.decided };
    write(&Parts { decided, ..*parts }, Some(&details), worker, host, lines);
}

fn write(
    parts: &Parts<'_>,
    details: Option<&Details>,
    worker: &mut Worker,
    host: &dyn Host,
    lines: &mut Vec<u8>,
) {
    let Parts { exchange, request, facts, decided } = parts;
    let settings = Rc::clone(&worker.settings);
    let config = &settings.config;
    let (outcome, trace) = (&exchange.outcome, exchange.ids.trace.as_ref());
    let told = &facts.told;
    let duration_us = exchange.duration_ns / 1_000;
    let message = message(&told.method, &told.path, outcome.status, duration_us);
    let [organization, user, conversation] = &facts.tenant;
    let flags: Vec<&str> = outcome.flags.names().collect();
    let code_details = exchange.details.as_deref().map(String::from_utf8_lossy);
    let extra = borrowed(&config.record.fields);
    let metrics: Vec<(&str, f64)> =
        facts.metrics.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let request_headers =
        borrowed(details.map_or(&facts.request_headers, |all| &all.request_headers));
    let response_headers =
        borrowed(details.map_or(&facts.response_headers, |all| &all.response_headers));
    let failed =
        outcome.level() >= Level::Error || outcome.aborted() || decided.level >= Level::Error;
    let record = Record {
        timestamp: Timestamp::from_unix_nanos(exchange.start_unix_ns),
        level: decided.level,
        logger_name: &config.logger_name,
        function_name: facts.route.as_deref().unwrap_or("unrouted"),
        message: &message,
        context: Context {
            request_id: Some(&told.request_id),
            correlation_id: Some(&told.correlation_id),
            organization_id: organization.as_deref(),
            user_id: user.as_deref(),
            conversation_id: conversation.as_deref(),
            client_request_id: told.client_request_id.as_deref(),
            client_correlation_id: told.client_correlation_id.as_deref(),
        },
        trace: Trace {
            execution_time_us: duration_us,
            status: if failed { Status::Error } else { Status::Success },
            slow: decided.slow,
            trace_id: trace.map(trace::Trace::trace_id),
            span_id: trace.and_then(trace::Trace::span_id),
            parent_span_id: trace.and_then(trace::Trace::parent_id),
            upstream_us: facts.upstream_ns.map(|nanos| nanos / 1_000),
            metrics: &metrics,
            phases: details.map_or(&[], |details| &details.phases),
        },
        http: Http {
            method: non_empty(&told.method),
            scheme: request.scheme.as_deref(),
            host: non_empty(&told.host),
            path: non_empty(&told.path),
            query: told.query.as_deref(),
            status: outcome.status,
            protocol: facts.protocol.as_deref(),
            user_agent: told.user_agent.as_deref(),
            client_ip: facts.client_ip,
            route: facts.route.as_deref(),
            cluster: facts.cluster.as_deref(),
            upstream: facts.upstream.as_deref(),
            attempts: facts.attempts,
            request_bytes: facts.request_bytes,
            response_bytes: facts.response_bytes,
            request_headers: &request_headers,
            response_headers: &response_headers,
        },
        error: exchange.failed().then(|| ErrorDetails {
            details: code_details.as_deref(),
            flags: &flags,
            transport_failure: facts.transport_failure.as_deref(),
            grpc_status: outcome.grpc_status,
        }),
        audit: decided.audit,
        weight: decided.weight,
        extra: &extra,
        id: worker.uuids.fresh(host, exchange.start_unix_ns),
        source: settings.source(worker.assign()),
    };
    worker.keep(&record, lines);
}

/// `GET /api/v1/conversations -> 200 in 45.23 ms`, from redacted parts only.
fn message(method: &str, path: &str, status: Option<u16>, duration_us: u64) -> String {
    let [method, path] = [method, path].map(|part| if part.is_empty() { "-" } else { part });
    let end = path.char_indices().nth(MESSAGE_PATH_CHARS).map(|(at, _)| at);
    let (path, mark) = match end.and_then(|end| path.get(..end)) {
        Some(cut) => (cut, "…"),
        None => (path, ""),
    };
    let (mut code, mut whole, mut rest) =
        (itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new());
    let status = status.map_or("no response", |status| code.format(status));
    let (whole, hundredths) = (whole.format(duration_us / 1_000), duration_us / 10 % 100);
    let point = if hundredths < 10 { ".0" } else { "." };
    [method, " ", path, mark, " -> ", status, " in ", whole, point, rest.format(hundredths), " ms"]
        .concat()
}

fn non_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_message_is_one_line_with_its_status_in_sight() {
        assert_eq!(message("GET", "/a", Some(200), 45_239), "GET /a -> 200 in 45.23 ms");
        assert_eq!(message("GET", "/a", None, 9), "GET /a -> no response in 0.00 ms");
        assert_eq!(message("", "", Some(400), 0), "- - -> 400 in 0.00 ms");
        let long = message("GET", &"é".repeat(300), Some(200), 0);
        assert_eq!(long, format!("GET {}… -> 200 in 0.00 ms", "é".repeat(256)));
    }
}

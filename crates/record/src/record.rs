//! The record of one exchange, as the filter builds it. Encoded by [`Encoder`](crate::Encoder).

use uuid::Uuid;

use crate::{Level, Timestamp};

/// Names and values of an open-ended object, in order.
pub type Pairs<'a> = &'a [(&'a str, &'a str)];

/// One access-log record. Field order is the order of the JSON keys.
///
/// Every text is untrusted: the encoder escapes and bounds it.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// When the request started.
    pub timestamp: Timestamp,
    /// The severity of the outcome.
    pub level: Level,
    /// `gateway.<service>`.
    pub logger_name: &'a str,
    /// The route's name, or `unrouted`.
    pub function_name: &'a str,
    /// One human-readable line: `GET /api -> 200 in 45.23 ms`.
    pub message: &'a str,
    /// Who made the request, and the flow that it belongs to.
    pub context: Context<'a>,
    /// Timing and result.
    pub trace: Trace<'a>,
    /// The request and its response.
    pub http: Http<'a>,
    /// What went wrong, if anything did.
    pub error: Option<ErrorDetails<'a>>,
    /// Whether the record also belongs to the audit trail.
    pub audit: bool,
    /// The number of requests that this record represents, if it was sampled.
    pub weight: Option<f64>,
    /// Configured fields, under `extra`.
    pub extra: Pairs<'a>,
    /// A UUIDv7, assigned once: MongoDB's `_id`.
    pub id: Uuid,
    /// The sender and the sequence number.
    pub source: Source<'a>,
}

/// The ids and the tenant. The first five keys are always written, null where unknown.
#[derive(Clone, Debug, Default)]
pub struct Context<'a> {
    /// Unique per request.
    pub request_id: Option<&'a str>,
    /// Shared by all requests of one flow.
    pub correlation_id: Option<&'a str>,
    /// The organization that made the request.
    pub organization_id: Option<&'a str>,
    /// The user who made the request.
    pub user_id: Option<&'a str>,
    /// The conversation that the request belongs to.
    pub conversation_id: Option<&'a str>,
    /// The request id a client sent, where it was not adopted.
    pub client_request_id: Option<&'a str>,
    /// The correlation id a client sent, where it was not adopted.
    pub client_correlation_id: Option<&'a str>,
}

/// Whether the exchange succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was answered, without a fault on the server's side.
    Success,
    /// ERROR or CRITICAL, or aborted.
    Error,
}

/// Timing, and the distributed trace it belongs to.
#[derive(Clone, Debug)]
pub struct Trace<'a> {
    /// Duration of the exchange, in microseconds; written in milliseconds.
    pub execution_time_us: u64,
    /// How it ended.
    pub status: Status,
    /// Whether it was slower than the configured bound.
    pub slow: bool,
    /// The W3C trace id, 32 hex digits.
    pub trace_id: Option<&'a str>,
    /// The sender's own span, 16 hex digits.
    pub span_id: Option<&'a str>,
    /// The span that caused it: the W3C parent id, 16 hex digits.
    pub parent_span_id: Option<&'a str>,
    /// Time the upstream took to answer, in microseconds; written in milliseconds.
    pub upstream_us: Option<u64>,
    /// Metrics of the response's `Server-Timing`, in milliseconds.
    pub metrics: &'a [(&'a str, f64)],
    /// Phases of the exchange, in microseconds; written in milliseconds. DEBUG records only.
    pub phases: &'a [(&'static str, u64)],
}

/// The HTTP exchange. Unknown values are left out.
#[derive(Clone, Debug, Default)]
pub struct Http<'a> {
    /// `GET`, `POST`, …
    pub method: Option<&'a str>,
    /// `http` or `https`.
    pub scheme: Option<&'a str>,
    /// The requested authority.
    pub host: Option<&'a str>,
    /// The path without its query, redacted.
    pub path: Option<&'a str>,
    /// The query, redacted.
    pub query: Option<&'a str>,
    /// The response's status; `None` if there was no response.
    pub status: Option<u16>,
    /// `HTTP/1.1`, `HTTP/2`, …
    pub protocol: Option<&'a str>,
    /// The user agent.
    pub user_agent: Option<&'a str>,
    /// The client's address, without its port.
    pub client_ip: Option<&'a str>,
    /// The route's name.
    pub route: Option<&'a str>,
    /// The upstream cluster's name.
    pub cluster: Option<&'a str>,
    /// The upstream host's `ip:port`.
    pub upstream: Option<&'a str>,
    /// Number of upstream attempts.
    pub attempts: Option<u64>,
    /// Bytes received from the client, headers included.
    pub request_bytes: Option<u64>,
    /// Bytes sent to the client, headers included.
    pub response_bytes: Option<u64>,
    /// Configured request headers, redacted.
    pub request_headers: Pairs<'a>,
    /// Configured response headers, redacted.
    pub response_headers: Pairs<'a>,
}

/// What went wrong, in Envoy's own words.
#[derive(Clone, Debug, Default)]
pub struct ErrorDetails<'a> {
    /// Envoy's response code details.
    pub details: Option<&'a str>,
    /// Short names of Envoy's response flags, for example `UF`.
    pub flags: &'a [&'a str],
    /// Why the connection to the upstream failed.
    pub transport_failure: Option<&'a str>,
    /// The gRPC status code, for gRPC traffic.
    pub grpc_status: Option<u32>,
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The gateway's configured name, node id or host name.
    pub gateway: &'a str,
    /// The boot: one lifetime of the filter's root context.
    pub boot: Uuid,
    /// Sequence number within the boot, from 1.
    pub seq: u64,
}

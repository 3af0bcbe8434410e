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
    /// How severe the outcome is.
    pub level: Level,
    /// `gateway.<service>`.
    pub logger_name: &'a str,
    /// The route's name, or `unrouted`.
    pub function_name: &'a str,
    /// One line for people: `GET /api -> 200 in 45.23 ms`.
    pub message: &'a str,
    /// Who asked, and which flow it belongs to.
    pub context: Context<'a>,
    /// How long it took and how it ended.
    pub trace: Trace<'a>,
    /// What was asked and answered.
    pub http: Http<'a>,
    /// What went wrong, when something did.
    pub error: Option<ErrorDetails<'a>>,
    /// Whether the record also belongs to the audit trail.
    pub audit: bool,
    /// How many requests this record stands for, when it was sampled.
    pub weight: Option<f64>,
    /// Configured fields, under `extra`.
    pub extra: Pairs<'a>,
    /// A UUIDv7, assigned once: MongoDB's `_id`.
    pub id: Uuid,
    /// Which record of which sender this is.
    pub source: Source<'a>,
}

/// The ids and the tenant. The first five keys are always written, null where unknown.
#[derive(Clone, Debug, Default)]
pub struct Context<'a> {
    /// Unique per request.
    pub request_id: Option<&'a str>,
    /// Shared by all requests of one flow.
    pub correlation_id: Option<&'a str>,
    /// The organization that asked.
    pub organization_id: Option<&'a str>,
    /// The user who asked.
    pub user_id: Option<&'a str>,
    /// The conversation it belongs to.
    pub conversation_id: Option<&'a str>,
    /// The request id a client sent, where it was not adopted.
    pub client_request_id: Option<&'a str>,
    /// The correlation id a client sent, where it was not adopted.
    pub client_correlation_id: Option<&'a str>,
}

/// Whether the exchange succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was answered, without a fault of the server's side.
    Success,
    /// ERROR or CRITICAL, or aborted.
    Error,
}

/// Timing, and the distributed trace it belongs to.
#[derive(Clone, Debug)]
pub struct Trace<'a> {
    /// Whole time of the exchange, in microseconds; written in milliseconds.
    pub execution_time_us: u64,
    /// How it ended.
    pub status: Status,
    /// Slower than the configured bound.
    pub slow: bool,
    /// The W3C trace id, 32 hex digits.
    pub trace_id: Option<&'a str>,
    /// The W3C parent id, 16 hex digits.
    pub parent_span_id: Option<&'a str>,
    /// Time the upstream took to answer, in microseconds; written in milliseconds.
    pub upstream_us: Option<u64>,
    /// Metrics of the response's `Server-Timing`, in milliseconds.
    pub metrics: &'a [(&'a str, f64)],
    /// Phases of the exchange, in microseconds; written in milliseconds. DEBUG records only.
    pub phases: &'a [(&'static str, u64)],
}

/// The HTTP exchange. What is unknown is left out.
#[derive(Clone, Debug, Default)]
pub struct Http<'a> {
    /// `GET`, `POST`, …
    pub method: Option<&'a str>,
    /// `http` or `https`.
    pub scheme: Option<&'a str>,
    /// The authority asked for.
    pub host: Option<&'a str>,
    /// The path without its query, redacted.
    pub path: Option<&'a str>,
    /// The query, redacted.
    pub query: Option<&'a str>,
    /// The response's status; none when there was no response.
    pub status: Option<u16>,
    /// `HTTP/1.1`, `HTTP/2`, …
    pub protocol: Option<&'a str>,
    /// The client's program.
    pub user_agent: Option<&'a str>,
    /// The client's address, without its port.
    pub client_ip: Option<&'a str>,
    /// The route's name.
    pub route: Option<&'a str>,
    /// The upstream cluster's name.
    pub cluster: Option<&'a str>,
    /// The upstream host's `ip:port`.
    pub upstream: Option<&'a str>,
    /// How many times the upstream was tried.
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
    /// Short names of Envoy's response flags, such as `UF`.
    pub flags: &'a [&'a str],
    /// Why the connection to the upstream failed.
    pub transport_failure: Option<&'a str>,
    /// The gRPC status code, for gRPC traffic.
    pub grpc_status: Option<u32>,
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The gateway's node id, else its host name.
    pub gateway: &'a str,
    /// One life of the filter's root context.
    pub boot: Uuid,
    /// The how-many-th record of that life, from 1.
    pub seq: u64,
}

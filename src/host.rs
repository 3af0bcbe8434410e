//! The host interface that the filter needs, in the filter's own types.
//!
//! The core knows the proxy only through [`Host`]. The shell implements it over proxy-wasm; tests
//! implement it over plain data. No call may fail in a way that could harm the request: a value that the
//! host cannot provide is empty or absent.

use crate::envoy::headers::Headers;

/// The record's key in filter state; Envoy exposes it as `wasm.gatelog`.
pub const FILTER_STATE: &str = "gatelog";

/// Marks an exchange for which this filter decided to make no record, so that the same
/// module as an access logger does not record it after all.
pub const FILTER_STATE_SEEN: &str = "gatelog_seen";

/// A header map of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeaderMap {
    /// The request's headers; readable when they come in and when the exchange is logged.
    Request,
    /// The response's headers.
    Response,
    /// The response's trailers.
    ResponseTrailers,
    /// The headers of a callout's answer.
    Callout,
}

/// Why the host refused to change a header or to make a callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// Invalid argument: an unknown cluster, or a map that is not available in this callback.
    BadArgument,
    /// Not possible at the moment: no endpoint, no stream.
    Unavailable,
    /// A status that this filter has no name for.
    Other(u32),
}

/// An HTTP request that the filter itself makes.
#[derive(Clone, Copy, Debug)]
pub struct Callout<'a> {
    /// The upstream cluster.
    pub cluster: &'a str,
    /// Headers, pseudo-headers included.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
    /// How long the answer may take, in milliseconds.
    pub timeout_ms: u64,
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only increases.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution of values.
    Histogram,
}

/// Log severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Information for someone who follows the log.
    Info,
    /// Something went wrong and the filter recovered.
    Warn,
    /// Something is wrong and an operator must act.
    Error,
}

/// The proxy, as the filter sees it.
pub trait Host {
    /// The wall clock: nanoseconds since 1970-01-01 UTC.
    fn unix_nanos(&self) -> u64;

    /// A clock that never goes back: nanoseconds since any fixed point.
    fn monotonic_nanos(&self) -> u64;

    /// Fills `bytes` from a cryptographically secure source.
    fn random(&self, bytes: &mut [u8]);

    /// All headers of a map; empty if the map cannot be read now.
    fn headers(&self, map: HeaderMap) -> Headers;

    /// The first value of one header.
    fn header(&self, map: HeaderMap, name: &str) -> Option<Vec<u8>>;

    /// Sets a header to one value, replacing any it had.
    fn set_header(&self, map: HeaderMap, name: &str, value: &[u8]) -> Result<(), Refused>;

    /// Removes all values of a header.
    fn remove_header(&self, map: HeaderMap, name: &str) -> Result<(), Refused>;

    /// A property of the exchange or the proxy. Path segments are joined by NUL.
    fn property(&self, path: &str) -> Option<Vec<u8>>;

    /// Compiles an expression over properties, for [`Host::evaluate`]; `None` if the host does not support
    /// expressions. It lives as long as the root context.
    fn compile(&self, _expression: &str) -> Option<u32> {
        None
    }

    /// The elements of the list that a compiled expression evaluates to for this exchange, as the names of
    /// a map; `None` if it has no value.
    fn evaluate(&self, _expression: u32) -> Option<Headers> {
        None
    }

    /// The list of [`crate::envoy::attributes::Attribute`]s, on a host that reads them without a call
    /// for each; `None` on one that has only properties and expressions.
    fn attributes(&self) -> Option<Headers> {
        None
    }

    /// The payloads of the tokens that the proxy verified, by name, on a host that has them as JSON.
    fn verified_claims(&self) -> Option<serde_json::Value> {
        None
    }

    /// Stores a value in the exchange's filter state, for the proxy's own access loggers.
    fn set_filter_state(&self, name: &str, value: &[u8]) -> Result<(), Refused>;

    /// Puts an exchange's lines into the journal, without their last line feed. Without a line it only marks
    /// the exchange as seen.
    fn publish(&self, lines: &[u8]) -> Result<(), Refused> {
        match lines {
            [] => self.set_filter_state(FILTER_STATE_SEEN, b"1"),
            _ => self.set_filter_state(FILTER_STATE, lines),
        }
    }

    /// Starts a callout and returns its token. Only from the root context: a callout made from a
    /// stream's context dies with the stream.
    fn dispatch(&self, callout: &Callout<'_>) -> Result<u32, Refused>;

    /// Defines a metric and returns its handle.
    fn define_metric(&self, kind: MetricKind, name: &str) -> Option<u32>;

    /// Adds to a counter or a gauge.
    fn add_metric(&self, metric: u32, delta: i64);

    /// Records one value of a histogram.
    fn record_metric(&self, metric: u32, value: u64);

    /// Writes one line to the proxy's own log.
    fn log(&self, severity: Severity, line: &str);

    /// Sets the tick period, in milliseconds.
    fn set_tick(&self, period_ms: u32);
}

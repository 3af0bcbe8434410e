//! What the filter asks of its host, in types of the filter's own.
//!
//! The core knows the proxy only through [`Host`]. The shell implements it over proxy-wasm; tests
//! implement it over plain data. No call may fail in a way that could harm the request: what the
//! host cannot give is empty or absent.

use crate::envoy::headers::Headers;

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

/// Why a header could not be changed or a callout not be made: the host's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// The host found an argument wrong: an unknown cluster, a map that the callback lacks.
    BadArgument,
    /// The host could not do it now: no endpoint, no stream.
    Unavailable,
    /// A status that this filter has no name for.
    Other(u32),
}

/// One HTTP request of the filter's own.
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

/// How a metric is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution of values.
    Histogram,
}

/// How loud a line of the filter's own is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// For whoever follows along.
    Info,
    /// Something was wrong and the filter recovered.
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

    /// All headers of a map; none where the map cannot be read now.
    fn headers(&self, map: HeaderMap) -> Headers;

    /// The first value of one header.
    fn header(&self, map: HeaderMap, name: &str) -> Option<Vec<u8>>;

    /// Sets a header to one value, whatever it had.
    fn set_header(&self, map: HeaderMap, name: &str, value: &[u8]) -> Result<(), Refused>;

    /// Removes all values of a header.
    fn remove_header(&self, map: HeaderMap, name: &str) -> Result<(), Refused>;

    /// A property of the exchange or the proxy. Path segments are joined by NUL.
    fn property(&self, path: &str) -> Option<Vec<u8>>;

    /// Compiles an expression over properties, for [`Host::evaluate`]; none where the host knows no
    /// expressions. It lives as long as the root context.
    fn compile(&self, _expression: &str) -> Option<u32> {
        None
    }

    /// The elements of the list that a compiled expression gives for this exchange, as the names of
    /// a map; none where it has no value.
    fn evaluate(&self, _expression: u32) -> Option<Headers> {
        None
    }

    /// Keeps a value with the exchange, for the proxy's own access loggers.
    fn set_filter_state(&self, name: &str, value: &[u8]) -> Result<(), Refused>;

    /// Starts a callout and gives its token. Only from the root context: a callout made from a
    /// stream's context dies with the stream.
    fn dispatch(&self, callout: &Callout<'_>) -> Result<u32, Refused>;

    /// Defines a metric and gives its handle.
    fn define_metric(&self, kind: MetricKind, name: &str) -> Option<u32>;

    /// Adds to a counter or a gauge.
    fn add_metric(&self, metric: u32, delta: i64);

    /// Records one value of a histogram.
    fn record_metric(&self, metric: u32, value: u64);

    /// Writes one line to the proxy's own log.
    fn log(&self, severity: Severity, line: &str);

    /// Asks for a tick every so many milliseconds.
    fn set_tick(&self, period_ms: u32);
}

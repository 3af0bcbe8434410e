//! What the host knows and what the module did to it: all under the test's control.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::headers::Headers;
use super::status::{LogLevel, Map, MetricKind, Status};

/// One stream, as Envoy would have it. A map that is `None` is one that Envoy does not have.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Headers of the request.
    pub request_headers: Option<Headers>,
    /// Trailers of the request.
    pub request_trailers: Option<Headers>,
    /// Headers of the response.
    pub response_headers: Option<Headers>,
    /// Trailers of the response.
    pub response_trailers: Option<Headers>,
    /// Properties by dotted name; set with [`Stream::property`].
    pub properties: BTreeMap<String, Vec<u8>>,
    /// What the module set with `proxy_set_property`, by path.
    pub filter_state: BTreeMap<String, Vec<u8>>,
}

impl Stream {
    /// Sets a property, such as `response.code`, to a value in Envoy's encoding.
    pub fn property(&mut self, name: &str, value: impl PropertyValue) -> &mut Self {
        self.properties.insert(name.to_owned(), value.encode());
        self
    }

    fn map(&self, map: Map) -> Option<&Headers> {
        match map {
            Map::RequestHeaders => self.request_headers.as_ref(),
            Map::RequestTrailers => self.request_trailers.as_ref(),
            Map::ResponseHeaders => self.response_headers.as_ref(),
            Map::ResponseTrailers => self.response_trailers.as_ref(),
            Map::CalloutHeaders | Map::CalloutTrailers => None,
        }
    }

    fn map_mut(&mut self, map: Map) -> Option<&mut Headers> {
        match map {
            Map::RequestHeaders => self.request_headers.as_mut(),
            Map::RequestTrailers => self.request_trailers.as_mut(),
            Map::ResponseHeaders => self.response_headers.as_mut(),
            Map::ResponseTrailers => self.response_trailers.as_mut(),
            Map::CalloutHeaders | Map::CalloutTrailers => None,
        }
    }
}

/// A property value: integers are 8 bytes little endian, booleans one byte, durations nanoseconds
/// as an integer, text its bytes.
pub trait PropertyValue {
    /// The bytes that the module receives.
    fn encode(self) -> Vec<u8>;
}

impl PropertyValue for i64 {
    fn encode(self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }
}

impl PropertyValue for u64 {
    fn encode(self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }
}

impl PropertyValue for bool {
    fn encode(self) -> Vec<u8> {
        vec![u8::from(self)]
    }
}

impl PropertyValue for Duration {
    fn encode(self) -> Vec<u8> {
        i64::try_from(self.as_nanos()).unwrap_or(i64::MAX).encode()
    }
}

impl PropertyValue for &str {
    fn encode(self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl PropertyValue for &[u8] {
    fn encode(self) -> Vec<u8> {
        self.to_vec()
    }
}

/// A line that the module logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its severity.
    pub level: LogLevel,
    /// Its text; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// A metric that the module defined.
#[derive(Clone, Debug)]
pub struct Metric {
    /// Its kind.
    pub kind: MetricKind,
    /// Its name.
    pub name: String,
    /// A counter's or gauge's value; for a histogram, the number of recorded values.
    pub value: i64,
    /// A histogram's values, in order.
    pub recorded: Vec<u64>,
}

/// How a cluster answers `proxy_http_call`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cluster {
    /// Accepts the call; the test may or may not answer it.
    Reachable,
    /// Has no endpoint: the call fails immediately, without a callback.
    WithoutEndpoint,
}

/// A callout that the module sent.
#[derive(Clone, Debug)]
pub struct Callout {
    /// Identifies it in the response.
    pub token: u32,
    /// The context that sent it.
    pub context: u32,
    /// The target cluster.
    pub cluster: String,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Headers,
    /// The timeout, in milliseconds.
    pub timeout_ms: u32,
}

/// A callout response. No headers at all means that the stream was reset.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Headers,
}

impl Answer {
    /// A response with this status and no body.
    pub fn status(code: u16) -> Self {
        Self { headers: Headers::from([(":status", code.to_string())]), ..Self::default() }
    }

    /// What Envoy passes when the collector resets the stream: nothing.
    pub fn reset() -> Self {
        Self::default()
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.add(name, value);
        self
    }
}

/// Everything the module can see or change.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The wall clock, in nanoseconds since 1970.
    pub wall_ns: u64,
    /// The monotonic clock, in nanoseconds.
    pub monotonic_ns: u64,
    /// State of the generator behind `random_get`; the same seed yields the same bytes.
    pub random_seed: u64,
    /// The environment, as set by `vm_config.environment_variables`.
    pub environment: Vec<(String, String)>,
    /// The VM's configuration.
    pub vm_configuration: Vec<u8>,
    /// The plugin's configuration, as passed to the last `configure`.
    pub plugin_configuration: Vec<u8>,
    /// Properties that every context sees, for example `xds.node.id`.
    pub properties: BTreeMap<String, Vec<u8>>,
    /// Whether the host lacks expressions.
    pub no_expressions: bool,
    /// Every expression that the module has compiled; its token is its index.
    pub expressions: Vec<String>,
    /// The streams, by context id.
    pub streams: BTreeMap<u32, Stream>,
    /// The clusters that Envoy knows.
    pub clusters: BTreeMap<String, Cluster>,
    /// Every line that the module has logged.
    pub logs: Vec<LogLine>,
    /// Every metric that the module has defined; its id is its index.
    pub metrics: Vec<Metric>,
    /// Every callout that the module has sent, including answered ones.
    pub callouts: Vec<Callout>,
    /// The tick period in milliseconds, once set.
    pub tick_period_ms: Option<u32>,
    /// Root contexts whose `on_done` returned "not yet".
    pub pending_done: BTreeSet<u32>,
    /// Root contexts that deferred their end and then reported that they were done.
    pub finished: Vec<u32>,
    pub(super) view: View,
}

/// What the running callback can see.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// The context that the callback is for.
    pub(super) context: u32,
    /// The stream that properties and maps belong to.
    pub(super) stream: Option<u32>,
    /// Whether `proxy_set_property` has a stream to set filter state on.
    pub(super) filter_state: bool,
    pub(super) readable: &'static [Map],
    pub(super) writable: &'static [Map],
    pub(super) logging: bool,
    pub(super) configuring: bool,
    pub(super) answer: Option<Answer>,
}

impl World {
    /// A world at a fixed time with one cluster, `gatelog_collector`, and nothing else.
    pub fn new() -> Self {
        Self {
            wall_ns: 1_769_393_517_469_652_000,
            monotonic_ns: 5_000_000_000,
            random_seed: 1,
            clusters: BTreeMap::from([("gatelog_collector".to_owned(), Cluster::Reachable)]),
            ..Self::default()
        }
    }

    /// Advances both clocks.
    pub fn advance(&mut self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.wall_ns += by;
        self.monotonic_ns += by;
    }

    /// A metric's value, by name; `None` if it is not defined.
    pub fn metric(&self, name: &str) -> Option<i64> {
        self.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
    }

    pub(super) fn property(&self, path: &str) -> Option<&Vec<u8>> {
        self.view
            .stream
            .and_then(|stream| self.streams.get(&stream))
            .and_then(|stream| {
                stream.filter_state.get(path).or_else(|| stream.properties.get(path))
            })
            .or_else(|| self.properties.get(path))
    }

    /// The values of a response header, joined as in Envoy's expressions; empty if the header is
    /// absent.
    pub(super) fn response_header(&self, name: &str) -> Vec<u8> {
        let stream = self.view.stream.and_then(|stream| self.streams.get(&stream));
        let headers = stream.and_then(|stream| stream.response_headers.as_ref());
        let named = headers.into_iter().flat_map(Headers::iter).filter(|(own, _)| *own == name);
        named.map(|(_, value)| value).collect::<Vec<_>>().join(&b',')
    }

    pub(super) fn stream_mut(&mut self) -> Option<&mut Stream> {
        let stream = self.view.stream?;
        self.streams.get_mut(&stream)
    }

    /// A map that the callback can read, or the status of the refusal: in the log phase a missing
    /// map is not found, in another callback it is a bad argument.
    pub(super) fn map(&self, map: Map) -> Result<&Headers, Status> {
        let found = match map {
            Map::CalloutHeaders => self.view.answer.as_ref().map(|answer| &answer.headers),
            Map::CalloutTrailers => self.view.answer.as_ref().map(|answer| &answer.trailers),
            _ if !self.view.readable.contains(&map) => None,
            _ => self
                .view
                .stream
                .and_then(|stream| self.streams.get(&stream))
                .and_then(|stream| stream.map(map)),
        };
        let refusal = if self.view.logging { Status::NOT_FOUND } else { Status::BAD_ARGUMENT };
        found.ok_or(refusal)
    }

    /// A map that the callback can change.
    pub(super) fn map_mut(&mut self, map: Map) -> Result<&mut Headers, Status> {
        if !self.view.writable.contains(&map) {
            return Err(Status::BAD_ARGUMENT);
        }
        self.stream_mut().and_then(|stream| stream.map_mut(map)).ok_or(Status::BAD_ARGUMENT)
    }

    /// Bytes from the generator `SplitMix64`, after S. Vigna's public-domain description.
    pub(super) fn random(&mut self, bytes: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes);
        while out.len() < bytes {
            self.random_seed = self.random_seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.random_seed;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            out.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
        }
        out.truncate(bytes);
        out
    }
}

//! A stream as an access logger sees it: nothing can be changed.

use gatelog::envoy::headers::Headers;
use gatelog::host::{Callout, HeaderMap, Host, MetricKind, Refused, Severity};

use super::source::{self, Source};
use crate::abi::attribute::Attribute;
use crate::abi::callbacks::log;
use crate::abi::logged::Logged;
use crate::abi::timing::Timing;
use crate::stats::{STATS, Stats};

/// Dynamic metadata by which the filter tells the access logger that it has seen a stream; an access
/// logger cannot read filter state.
pub(crate) const SPACE: &str = "gatelog";
pub(crate) const SEEN: &str = "seen";

/// A stream as the core sees it.
pub(crate) struct LoggedHost(Logged);

impl LoggedHost {
    /// For the stream that a hook was given.
    pub(crate) fn of(logged: Logged) -> Self {
        Self(logged)
    }

    /// Whether the filter has seen it.
    pub(crate) fn seen(&self) -> bool {
        self.0.metadata(SPACE, SEEN).is_some()
    }
}

impl Source for LoggedHost {
    fn append_text(&self, attribute: Attribute, to: &mut Vec<u8>) -> bool {
        self.0.append_text(attribute, to)
    }

    fn uint(&self, attribute: Attribute) -> Option<u64> {
        self.0.uint(attribute)
    }

    fn timing(&self) -> Timing {
        self.0.timing()
    }

    fn append_response_header(&self, name: &str, to: &mut Vec<u8>) {
        let response = self.0.headers(HeaderMap::Response);
        to.extend_from_slice(&response.values(name).collect::<Vec<_>>().join(&b','));
    }
}

impl Host for LoggedHost {
    fn unix_nanos(&self) -> u64 {
        super::unix_nanos()
    }

    fn monotonic_nanos(&self) -> u64 {
        super::monotonic_nanos()
    }

    fn random(&self, bytes: &mut [u8]) {
        super::random(bytes);
    }

    fn headers(&self, map: HeaderMap) -> Headers {
        self.0.headers(map)
    }

    fn header(&self, map: HeaderMap, name: &str) -> Option<Vec<u8>> {
        self.headers(map).get(name).map(<[u8]>::to_vec)
    }

    fn set_header(&self, _map: HeaderMap, _name: &str, _value: &[u8]) -> Result<(), Refused> {
        Err(Refused::BadArgument)
    }

    fn remove_header(&self, _map: HeaderMap, _name: &str) -> Result<(), Refused> {
        Err(Refused::BadArgument)
    }

    fn property(&self, path: &str) -> Option<Vec<u8>> {
        source::property(self, path)
    }

    fn attributes(&self) -> Option<Headers> {
        Some(source::attributes(self))
    }

    fn set_filter_state(&self, _name: &str, _value: &[u8]) -> Result<(), Refused> {
        Err(Refused::BadArgument)
    }

    fn dispatch(&self, _callout: &Callout<'_>) -> Result<u32, Refused> {
        Err(Refused::Unavailable)
    }

    fn define_metric(&self, _kind: MetricKind, name: &str) -> Option<u32> {
        Stats::place(name)
    }

    fn add_metric(&self, metric: u32, delta: i64) {
        STATS.add(metric, delta);
    }

    fn record_metric(&self, _metric: u32, _value: u64) {}

    fn log(&self, severity: Severity, line: &str) {
        log(severity, line);
    }

    fn set_tick(&self, _period_ms: u32) {}
}

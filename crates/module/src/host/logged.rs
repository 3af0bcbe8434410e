//! A stream as an access logger sees it: nothing can be changed.

use gatelog::envoy::attributes::HEADERS;
use gatelog::envoy::headers::Headers;
use gatelog::envoy::property;
use gatelog::host::{Callout, HeaderMap, Host, MetricKind, Refused, Severity};

use super::list::List;
use crate::abi::attribute::Attribute;
use crate::abi::callbacks::log;
use crate::abi::logged::Logged;
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

    fn text(&self, attribute: Attribute) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        self.0.append_text(attribute, &mut value).then_some(value)
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
        match path {
            property::SOURCE_ADDRESS => self.text(Attribute::Source),
            property::UPSTREAM_TRANSPORT_FAILURE => self.text(Attribute::UpstreamFailure),
            property::NODE_ID => self.text(Attribute::Node),
            property::REQUEST_TIME => {
                self.0.timing().start_unix_ns().map(|time| time.to_le_bytes().to_vec())
            }
            property::REQUEST_DURATION => {
                self.0.timing().complete_ns().map(|time| time.to_le_bytes().to_vec())
            }
            _ => None,
        }
    }

    fn attributes(&self) -> Option<Headers> {
        let mut list = List::new();
        let text = |list: &mut List, attribute| {
            list.push(|bytes| {
                self.0.append_text(attribute, bytes);
            });
        };
        list.uint(self.0.uint(Attribute::Status));
        list.uint(self.0.uint(Attribute::Flags));
        text(&mut list, Attribute::Source);
        text(&mut list, Attribute::Protocol);
        text(&mut list, Attribute::Route);
        text(&mut list, Attribute::Cluster);
        text(&mut list, Attribute::Upstream);
        list.uint(self.0.timing().upstream_ns());
        list.uint(self.0.uint(Attribute::Attempts));
        list.uint(self.0.uint(Attribute::RequestTotalSize));
        list.uint(self.0.uint(Attribute::ResponseTotalSize));
        text(&mut list, Attribute::Details);
        let response = self.headers(HeaderMap::Response);
        for name in HEADERS {
            list.push(|bytes| {
                bytes.extend_from_slice(&response.values(name).collect::<Vec<_>>().join(&b','));
            });
        }
        Some(list.finish())
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

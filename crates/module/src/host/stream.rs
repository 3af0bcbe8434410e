//! A stream of the HTTP filter, on its worker's thread.

use std::cell::RefCell;

use gatelog::envoy::attributes::HEADERS;
use gatelog::envoy::headers::Headers;
use gatelog::envoy::property;
use gatelog::host::{Callout, HeaderMap, Host, MetricKind, Refused, Severity};
use serde_json::Value;

use super::list::List;
use crate::abi::attribute::Attribute;
use crate::abi::callbacks::log;
use crate::abi::stream::Stream;
use crate::stats::{STATS, Stats};

/// Filter state that another filter sets to the payloads that `jwt_authn` verified, as JSON.
pub(crate) const CLAIMS: &str = "gatelog.claims";

/// Filter state has this name before the core's, so that one access log serves the wasm filter and the
/// module.
const PREFIX: &str = "wasm.";

/// A stream as the core sees it.
pub(crate) struct StreamHost {
    stream: Stream,
    /// The response's headers, which several parts of the core ask for.
    name: RefCell<String>,
}

impl StreamHost {
    /// For the stream that a hook was given.
    pub(crate) fn of(stream: Stream) -> Self {
        Self { stream, name: RefCell::new(String::new()) }
    }

    /// The stream.
    pub(crate) fn stream(&self) -> Stream {
        self.stream
    }

    fn text(&self, attribute: Attribute) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        self.stream.append_text(attribute, &mut value).then_some(value)
    }

    fn uint(&self, attribute: Attribute) -> Option<Vec<u8>> {
        self.stream.uint(attribute).map(|value| value.to_le_bytes().to_vec())
    }
}

impl Host for StreamHost {
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
        self.stream.headers(map)
    }

    fn header(&self, map: HeaderMap, name: &str) -> Option<Vec<u8>> {
        self.stream.header(map, name, 0)
    }

    fn set_header(&self, map: HeaderMap, name: &str, value: &[u8]) -> Result<(), Refused> {
        let done = self.stream.set_header(map, name, Some(value));
        done.then_some(()).ok_or(Refused::BadArgument)
    }

    fn remove_header(&self, map: HeaderMap, name: &str) -> Result<(), Refused> {
        let done = self.stream.set_header(map, name, None);
        done.then_some(()).ok_or(Refused::BadArgument)
    }

    fn property(&self, path: &str) -> Option<Vec<u8>> {
        match path {
            property::SOURCE_ADDRESS => self.text(Attribute::Source),
            property::UPSTREAM_TRANSPORT_FAILURE => self.text(Attribute::UpstreamFailure),
            property::NODE_ID => self.text(Attribute::Node),
            property::REQUEST_TIME => {
                self.stream.timing().start_unix_ns().map(|time| time.to_le_bytes().to_vec())
            }
            property::REQUEST_DURATION => {
                self.stream.timing().complete_ns().map(|time| time.to_le_bytes().to_vec())
            }
            property::RESPONSE_CODE => self.uint(Attribute::Status),
            _ => None,
        }
    }

    fn attributes(&self) -> Option<Headers> {
        let mut list = List::new();
        let stream = self.stream;
        let text = |list: &mut List, attribute| {
            list.push(|bytes| {
                stream.append_text(attribute, bytes);
            });
        };
        list.uint(stream.uint(Attribute::Status));
        list.uint(stream.uint(Attribute::Flags));
        text(&mut list, Attribute::Source);
        text(&mut list, Attribute::Protocol);
        text(&mut list, Attribute::Route);
        text(&mut list, Attribute::Cluster);
        text(&mut list, Attribute::Upstream);
        list.uint(stream.timing().upstream_ns());
        list.uint(stream.uint(Attribute::Attempts));
        list.uint(stream.uint(Attribute::RequestTotalSize));
        list.uint(stream.uint(Attribute::ResponseTotalSize));
        text(&mut list, Attribute::Details);
        for name in HEADERS {
            list.push(|bytes| {
                let mut values = 0..;
                let mut next = || stream.header(HeaderMap::Response, name, values.next()?);
                if let Some(first) = next() {
                    bytes.extend_from_slice(&first);
                }
                while let Some(value) = next() {
                    bytes.push(b',');
                    bytes.extend_from_slice(&value);
                }
            });
        }
        Some(list.finish())
    }

    fn verified_claims(&self) -> Option<Value> {
        serde_json::from_slice(&self.stream.filter_state(CLAIMS)?).ok()
    }

    fn set_filter_state(&self, name: &str, value: &[u8]) -> Result<(), Refused> {
        let mut whole = self.name.borrow_mut();
        whole.clear();
        whole.push_str(PREFIX);
        whole.push_str(name);
        let done = self.stream.set_filter_state(&whole, value);
        done.then_some(()).ok_or(Refused::BadArgument)
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

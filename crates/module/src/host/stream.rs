//! A stream of the HTTP filter, on its worker's thread.

use std::cell::RefCell;

use gatelog::envoy::headers::Headers;
use gatelog::host::{Callout, FILTER_STATE, HeaderMap, Host, MetricKind, Refused, Severity};
use serde_json::Value;

use super::source::{self, Source};
use crate::abi::attribute::Attribute;
use crate::abi::callbacks::log;
use crate::abi::stream::Stream;
use crate::abi::timing::Timing;
use crate::journal::journal;
use crate::stats::{STATS, Stats};

/// Filter state that another filter sets to the payloads that `jwt_authn` verified, as JSON.
pub(crate) const CLAIMS: &str = "gatelog.claims";

/// Filter state has this name before the core's, so that one access log serves the wasm filter and the
/// module.
const PREFIX: &str = "wasm.";

/// A stream as the core sees it.
pub(crate) struct StreamHost {
    stream: Stream,
    /// Room for a name in filter state.
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
}

impl Source for StreamHost {
    fn append_text(&self, attribute: Attribute, to: &mut Vec<u8>) -> bool {
        self.stream.append_text(attribute, to)
    }

    fn uint(&self, attribute: Attribute) -> Option<u64> {
        self.stream.uint(attribute)
    }

    fn timing(&self) -> Timing {
        self.stream.timing()
    }

    fn append_response_header(&self, name: &str, to: &mut Vec<u8>) {
        let mut places = 0..;
        let mut next = || self.stream.header(HeaderMap::Response, name, places.next()?);
        if let Some(first) = next() {
            to.extend_from_slice(&first);
        }
        while let Some(value) = next() {
            to.push(b',');
            to.extend_from_slice(&value);
        }
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
        source::property(self, path)
    }

    fn attributes(&self) -> Option<Headers> {
        Some(source::attributes(self))
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

    /// Whether a stream was seen is told by metadata, where an access logger asks.
    fn publish(&self, lines: &[u8]) -> Result<(), Refused> {
        match journal() {
            _ if lines.is_empty() => Ok(()),
            Some(journal) => {
                journal.add(lines);
                Ok(())
            }
            None => self.set_filter_state(FILTER_STATE, lines),
        }
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

//! A configuration on the main thread: callouts and stats.

use std::cell::{Cell, RefCell};

use gatelog::envoy::headers::Headers;
use gatelog::host::{Callout, HeaderMap, Host, MetricKind, Refused, Severity};

use crate::abi::callbacks::log;
use crate::abi::configuration::{Configuration, Unsent};
use crate::stats::{Ids, STATS, Stats};

/// The main thread as the core sees it, in a hook of one configuration.
pub(crate) struct MainThread<'a> {
    configuration: Configuration,
    stats: &'a Ids,
    /// The headers of the answer that the hook brings.
    answer: Headers,
    /// Tokens are given by the process: Envoy's numbers of callouts are those of one configuration.
    last_token: Cell<u32>,
    /// The callouts that were made: Envoy's number and the token.
    made: RefCell<Vec<(u64, u32)>>,
}

impl<'a> MainThread<'a> {
    /// For the configuration that a hook was given.
    pub(crate) fn of(configuration: Configuration, stats: &'a Ids, answer: Headers) -> Self {
        Self { configuration, stats, answer, last_token: Cell::new(0), made: RefCell::default() }
    }

    /// Gives tokens after this one.
    pub(crate) fn tokens_after(&self, last: u32) {
        self.last_token.set(last);
    }

    /// The callouts that were made.
    pub(crate) fn made(&self) -> Vec<(u64, u32)> {
        self.made.take()
    }

    /// Tells Envoy what was counted.
    pub(crate) fn tell_stats(&self) {
        STATS.tell(self.configuration, self.stats);
    }
}

impl Host for MainThread<'_> {
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
        match map {
            HeaderMap::Callout => self.answer.clone(),
            _ => Headers::default(),
        }
    }

    fn header(&self, map: HeaderMap, name: &str) -> Option<Vec<u8>> {
        let answer = (map == HeaderMap::Callout).then(|| self.answer.get(name)).flatten();
        answer.map(<[u8]>::to_vec)
    }

    fn set_header(&self, _map: HeaderMap, _name: &str, _value: &[u8]) -> Result<(), Refused> {
        Err(Refused::BadArgument)
    }

    fn remove_header(&self, _map: HeaderMap, _name: &str) -> Result<(), Refused> {
        Err(Refused::BadArgument)
    }

    fn property(&self, _path: &str) -> Option<Vec<u8>> {
        None
    }

    fn set_filter_state(&self, _name: &str, _value: &[u8]) -> Result<(), Refused> {
        Err(Refused::BadArgument)
    }

    fn dispatch(&self, callout: &Callout<'_>) -> Result<u32, Refused> {
        let Callout { cluster, headers, body, timeout_ms } = *callout;
        let id = self.configuration.callout(cluster, headers, body, timeout_ms);
        let id = id.map_err(|unsent| match unsent {
            Unsent::Malformed | Unsent::NoCluster => Refused::BadArgument,
            Unsent::Unavailable(_) => Refused::Unavailable,
        })?;
        // 0 stands for "never sent" in the outbox.
        let token = self.last_token.get().wrapping_add(1).max(1);
        self.last_token.set(token);
        self.made.borrow_mut().push((id, token));
        Ok(token)
    }

    fn define_metric(&self, _kind: MetricKind, name: &str) -> Option<u32> {
        Stats::place(name)
    }

    fn add_metric(&self, metric: u32, delta: i64) {
        STATS.add(metric, delta);
    }

    fn record_metric(&self, metric: u32, value: u64) {
        if let Some(id) = self.stats.at(metric) {
            self.configuration.tell(MetricKind::Histogram, id, value);
        }
    }

    fn log(&self, severity: Severity, line: &str) {
        log(severity, line);
    }

    fn set_tick(&self, _period_ms: u32) {}
}

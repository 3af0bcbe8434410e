//! An exchange that is over.

use std::cell::OnceCell;

use gatelog_record::Level;

use crate::decision::outcome::Outcome;
use crate::envoy::headers::Headers;
use crate::host::{HeaderMap, Host};
use crate::identity::ids::Ids;

/// What is known about an exchange before the decision about its record.
pub struct Finished {
    /// The ids.
    pub ids: Ids,
    /// Whether the filter saw the request's headers.
    pub begun: bool,
    /// Start time, wall clock.
    pub start_unix_ns: u64,
    /// How long it took.
    pub duration_ns: u64,
    /// The request's headers as received.
    pub received: Headers,
    /// The request's headers at its end, once they were read.
    pub at_end: OnceCell<Headers>,
    /// How long the response's headers took to come; only at level DEBUG.
    pub responded_ns: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Envoy's response code details.
    pub details: Option<Vec<u8>>,
}

impl Finished {
    /// Whether the record says what went wrong.
    pub fn failed(&self) -> bool {
        self.outcome.level() >= Level::Warning || self.outcome.aborted()
    }

    /// The request's headers as later filters left them. They are read at the first call: an exchange
    /// without a record needs none. Those of a request that never reached the filter were read as they are now.
    pub fn current(&self, host: &dyn Host) -> &Headers {
        if !self.begun {
            return &self.received;
        }
        self.at_end.get_or_init(|| host.headers(HeaderMap::Request))
    }
}

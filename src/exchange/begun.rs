//! An exchange whose request has come in.

use crate::envoy::headers::Headers;
use crate::identity::ids::Ids;

/// What is kept of a request from its headers to its log.
#[derive(Debug)]
pub struct Begun {
    /// Start time, wall clock.
    pub start_unix_ns: u64,
    /// Start time, monotonic clock.
    pub start_ns: u64,
    /// The request's headers as received.
    pub headers: Headers,
    /// The ids.
    pub ids: Ids,
}

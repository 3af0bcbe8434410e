//! An exchange whose request has come in.

use crate::envoy::headers::Headers;
use crate::identity::ids::Ids;

/// What is kept of a request from its headers to its log.
#[derive(Debug)]
pub struct Begun {
    /// When, on the wall clock.
    pub start_unix_ns: u64,
    /// When, on the monotonic clock.
    pub start_ns: u64,
    /// The request's headers as they came in.
    pub headers: Headers,
    /// The ids.
    pub ids: Ids,
}

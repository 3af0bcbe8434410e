//! How gatelog batches reach a collector, whoever sends them.
//!
//! - [`queue`]: the records that wait, bounded in bytes, and which are dropped first.
//! - [`answer`]: what a collector's answer means for its batch.
//! - [`backoff`]: how long to wait after a failure.
//! - `client` (feature): an HTTP client of one collector.
//! - `follow` (feature `client`): the live tail of one collector.
//!
//! Without the client: no I/O; builds for wasm and native alike.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod answer;
pub mod backoff;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod follow;
pub mod queue;

//! Receives gatelog batches, spools them durably, stores them in MongoDB.
//!
//! ```text
//! POST /v1/records ─► ingest ─► spool (SQLite) ─► writer ─► store (MongoDB)
//!                                  │                │
//!                                  ├── accounting ──┤
//!                                  └── rollups ─────┘
//! ```

pub mod accounting;
mod backoff;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
#[cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
pub mod erase;
pub mod flow;
#[cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
pub mod http;
#[cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
pub mod ingest;
pub mod logging;
pub mod metrics;
pub mod outage;
#[cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
pub mod replay;
#[cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
pub mod rollup;
pub mod spool;
pub mod store;
#[cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
pub mod tail;
pub mod tombstone;
mod varint;
pub mod writer;

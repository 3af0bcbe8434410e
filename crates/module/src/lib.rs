//! gatelog as an Envoy dynamic module: the filter's core in a shared library, without a sandbox.
//!
//! Workers make records and hand them over; everything is sent on Envoy's main thread.
//!
//! ```text
//! worker threads          any thread          main thread
//! hooks ─► stream ─► worker ─► hand_over ──►  deliveries ─► callouts
//!                 │              ▲ clock: a tick for each configuration
//!                 └─► journal ─► standard output, by a thread of its own
//! ```
//!
//! `abi` is the only part with foreign functions and raw pointers; `guard` catches unwinding at each
//! hook; `host` implements the core's `Host` three times: for a stream, for an access logger, and for
//! the main thread.

// What is handled here comes from outside: no number in it may overflow.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod abi;
mod clock;
mod deliveries;
mod extension;
mod guard;
mod hand_over;
mod host;
mod installed;
mod journal;
mod stats;
mod stream;
mod worker;

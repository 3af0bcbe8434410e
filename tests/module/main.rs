//! The module on a real Envoy: what `tests/filter/` shows of the wasm filter, and the library itself.
//!
//! The tests are the same files; [`shell`] is the parameter. What differs is said where it does, with
//! the reason in docs/module.md.

#![allow(missing_docs, reason = "a test binary")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, also from the functions it calls"
)]

#[path = "../filter/access_logger.rs"]
mod access_logger;
#[path = "../filter/chains.rs"]
mod chains;
#[path = "../filter/claims.rs"]
mod claims;
#[path = "../filter/hostile.rs"]
mod hostile;
#[path = "../filter/identity.rs"]
mod identity;
mod journal;
mod library;
#[path = "../filter/load.rs"]
mod load;
#[path = "../filter/outage.rs"]
mod outage;
#[path = "../filter/outcomes.rs"]
mod outcomes;
#[path = "../filter/propagation.rs"]
mod propagation;
#[path = "../filter/replacement.rs"]
mod replacement;
#[path = "../filter/rig.rs"]
mod rig;
#[path = "../filter/secrets.rs"]
mod secrets;
mod shell;
mod termination;
#[path = "../filter/upstream.rs"]
mod upstream;
mod workers;

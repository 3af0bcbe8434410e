//! The filter on a real Envoy: every outcome, every byte, every change of configuration.

#![allow(missing_docs, reason = "a test binary")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, also from the functions it calls"
)]

mod access_logger;
mod capabilities;
mod chains;
mod claims;
mod hostile;
mod identity;
mod load;
mod outage;
mod outcomes;
mod propagation;
mod replacement;
mod rig;
mod secrets;
mod shell;
mod upstream;

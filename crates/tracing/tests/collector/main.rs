//! A service's records and the real collector, in good days and bad. The accounting adds up in each.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod answers;
mod outages;
mod service;

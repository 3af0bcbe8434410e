//! What the records of events say.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod bounds;
mod context;
mod errors;
mod events;
mod logged;
mod secrets;
mod timed;

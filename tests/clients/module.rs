//! The clients of `main.rs` with the dynamic module. `otlp` is not here: it is about services that log
//! to the collector themselves.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod browser;
mod contains;
mod curl;
mod grpc;
mod h2load;
mod program;
mod websocket;

use gatelog_testkit::Shell;

/// The form of the filter that these tests run.
const SHELL: Shell = Shell::Module;

//! The gateway of `envoy/envoy.yaml`, driven by widely used third-party
//! clients: what each of them sees, and the records it leaves. `make test-clients` builds the parts
//! and runs these.
//!
//! Here with the wasm filter; `module.rs` lists what runs with the dynamic module too.

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
mod otlp;
mod program;
mod websocket;

use gatelog_testkit::Shell;

/// The form of the filter that these tests run.
const SHELL: Shell = Shell::Wasm;

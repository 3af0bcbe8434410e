//! End to end, on a real Envoy, the real collector and a real database: the records say what a
//! client did. `make test-e2e` builds the parts and runs these.
//!
//! Here with the wasm filter; `module.rs` lists what runs with the dynamic module too.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod accounted;
mod console;
mod control_planes;
mod deployments;
mod drain;
mod identity;
mod levels;
mod queries;
mod records;
mod retention;
mod services;
mod several;
mod shells;
mod spans;
mod stdout;
mod supported;
mod tls;
mod tokens;
mod updates;

use gatelog_testkit::{Shell, stored};

/// The form of the filter that these tests run.
const SHELL: Shell = Shell::Wasm;

//! End to end with the dynamic module: the files of `main.rs` in which the form of the filter takes part.
//!
//! | only with the wasm filter | because |
//! |---|---|
//! | `control_planes`, `deployments` | they are about files that load the wasm filter |
//! | `queries`, `retention` | they are about the database |
//! | `shells` | it runs both forms itself |
//! | `supported` | the module is for one release of Envoy; `tests/module/library.rs` checks others |

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod accounted;
mod drain;
mod identity;
mod levels;
mod records;
mod services;
mod several;
mod spans;
mod stdout;
mod tls;
mod tokens;
mod updates;

use gatelog_testkit::{Shell, stored};

/// The form of the filter that these tests run.
const SHELL: Shell = Shell::Module;

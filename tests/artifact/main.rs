//! The shipped module, `target/gatelog.wasm`, on the strict mock host.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod budget;
mod configuration;
mod delivery;
mod exports;
mod faults;
mod gateway;
mod hostile;
mod lifecycle;
mod ordinary;
mod propagation;

//! Structured request logging at the gateway: a proxy-wasm filter for Envoy.
//!
//! The core is pure: it accesses the proxy only through the [`host::Host`] trait. The shell, compiled
//! for wasm alone, is the one module that speaks the proxy-wasm ABI.
//!
//! Data flows one way, through five modules: shell → [`envoy`] → [`identity`] → [`decision`] →
//! [`compose`] → [`delivery`] → shell. [`exchange`] holds the life of one exchange.

// What is parsed here comes from outside: no number in it may overflow.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod compose;
pub mod config;
pub mod decision;
pub mod delivery;
pub mod envoy;
pub mod exchange;
pub mod host;
pub mod identity;
pub mod metrics;
pub mod worker;

#[cfg(target_os = "wasi")]
mod shell;

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod documentation;
#[cfg(test)]
mod plain_host;

//! Structured request logging at the gateway: a proxy-wasm filter for Envoy.
//!
//! The core is pure: it sees the proxy through the [`host::Host`] trait only. The shell, compiled
//! for wasm alone, is the one module that speaks the proxy-wasm ABI.
//!
//! Data flows one way: shell → [`exchange`] → ([`identity`], [`rules`], [`outcome`], [`sampling`],
//! [`tenancy`], [`redaction`]) → [`access_log`] → [`assemble`] → [`queue`] → [`outbox`] → shell.

#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

pub mod access_log;
pub mod assemble;
pub mod attributes;
pub mod backoff;
pub mod config;
pub mod exchange;
pub mod facts;
pub mod headers;
pub mod host;
pub mod identity;
pub mod metrics;
pub mod outbox;
pub mod outcome;
pub mod path_template;
pub mod property;
pub mod queue;
pub mod redaction;
pub mod response_flags;
pub mod rules;
pub mod sampling;
pub mod server_timing;
pub mod tenancy;
pub mod traceparent;
pub mod uuids;
pub mod worker;

#[cfg(target_os = "wasi")]
mod shell;

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod documentation;
#[cfg(test)]
mod plain_host;

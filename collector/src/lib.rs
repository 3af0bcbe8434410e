//! Receives gatelog batches, spools them durably, stores them in MongoDB.

#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

pub mod store;

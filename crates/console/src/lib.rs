//! See, search and follow gatelog's records: a JSON API, and pages that are its client.
//!
//! ```text
//! request ─► guard (headers, cross-site rules) ─► who (token, session, identity) ─► api ─► search ─► MongoDB
//! ```
//!
//! It only reads records: its database user needs no right to write them. Saved [`views`] are kept in a database of
//! its own, if it may write that. Every query is within the caller's
//! [`Scope`](gatelog_search::Scope), which only [`who`] makes.

// What is parsed here comes from outside: no number in it may overflow.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod api;
pub mod audit;
pub mod cli;
pub mod config;
pub mod health;
pub mod metrics;
mod pages;
pub mod serve;
pub mod tail;
pub mod views;
pub mod who;

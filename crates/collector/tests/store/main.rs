//! The store on a real server: documents, indexes and retention, the documented queries, faults.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod accounts;
mod agreement;
mod documents;
mod export;
mod faults;
mod find;
mod fixture;
mod flow;
mod indexes;
mod lookups;
mod queries;
mod rollups;
mod search;
mod services;

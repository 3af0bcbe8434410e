//! The collector as a process, on a real database: what it acknowledged is stored exactly once,
//! whatever happens to it or to MongoDB.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod check;
mod commands;
mod connections;
mod durability;
mod erase;
mod erase_role;
mod health;
mod load;
mod logs;
mod outages;
mod rollups;
mod tail;

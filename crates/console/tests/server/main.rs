//! The console as a process, on a real database: whose records it shows to whom, and what it does with
//! what is sent to it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod answers;
mod audit;
mod export;
mod fixture;
mod isolation;
mod memory;
mod overview;
mod process;
mod tail;
mod turns;
mod viewers;
mod views;
mod within;

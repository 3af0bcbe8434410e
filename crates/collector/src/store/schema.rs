//! Indexes and retention: the intended state of the collections, and how they reach it.

mod change;
mod found;
mod indexes;
mod plan;
mod reconcile;
mod retention;

pub use change::{Action, Change};
pub use retention::{ParseRetentionError, Period, Retention};

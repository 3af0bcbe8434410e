//! Indexes and retention: what the collections should have, and bringing them to it.

mod change;
mod found;
mod indexes;
mod plan;
mod reconcile;
mod retention;

pub use change::{Action, Change};
pub use retention::{ParseRetentionError, Period, Retention};

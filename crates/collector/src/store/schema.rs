//! Indexes and retention: what the collections should have, and bringing them to it.

mod indexes;
mod reconcile;
mod retention;

pub use reconcile::{Action, Change};
pub use retention::{ParseRetentionError, Period, Retention};

//! Rollups: what the collector stored, counted by minute and hour.
//!
//! A record adds its [`Measure`] to each of its dimensions, which [`Seen`] makes once for records that
//! are alike. What a spool row adds is its [`Tally`]; the spool adds the tally to its table when the row
//! is settled (`spool::rollups`), and [`push`] brings the table's values to the database. What is counted for whom, and why that is exact, is in
//! `docs/decisions/0008-rollups-counted-with-the-row.md`.

mod dimension;
mod facts;
mod fingerprint;
mod histogram;
mod mark;
mod measure;
mod names;
mod observation;
mod period;
pub mod push;
pub(crate) mod recount;
mod seen;
mod tally;
mod value;

pub use dimension::{Dimension, Family};
pub use facts::{Facts, WEIGHT_ONE};
pub use histogram::Histogram;
pub use mark::mark;
pub use measure::Measure;
pub use names::{LIMITS, Names};
pub use observation::Observation;
pub use period::{HOURS_KEPT, MINUTES_KEPT, Period, Slot};
pub use seen::Seen;
pub use tally::Tally;
pub use value::Value;

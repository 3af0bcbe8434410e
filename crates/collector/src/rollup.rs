//! Rollups: what the collector stored, counted by minute and hour.
//!
//! A record becomes an [`Observation`]; the observations of a spool row add up in its [`Tally`]; the
//! spool adds the tally to its table when the row is settled (`spool::rollups`), and [`push`] brings
//! the table's values to the database. What is counted for whom, and why that is exact, is in
//! `docs/decisions/0008-rollups-counted-with-the-row.md`.

mod dimension;
mod fingerprint;
mod histogram;
mod mark;
mod names;
mod observation;
mod period;
pub mod push;
pub(crate) mod recount;
mod tally;
mod value;

pub use dimension::{Dimension, Family};
pub use histogram::Histogram;
pub use mark::mark;
pub use names::{LIMITS, Names};
pub use observation::{Facts, Observation, WEIGHT_ONE};
pub use period::{HOURS_KEPT, MINUTES_KEPT, Period, Slot};
pub use tally::Tally;
pub use value::Value;

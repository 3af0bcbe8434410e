//! Tombstones: whose records are erased, so that no collector inserts one of them again.
//!
//! A tombstone names a field, the keyed hash of a value, and a time. A record is covered if the
//! field has that value and the record's timestamp is not later. Nothing here speaks to the database:
//! `store::tombstones` reads and writes them, `erase` decides when.

mod field;
mod gate;
mod key;
mod known;

pub use field::Field;
pub use gate::{Draining, Gate, Pass};
pub use key::{Hash, Key};
pub use known::{MAX_TOMBSTONES, Tombstone, Tombstones};

//! What one record adds to each of its dimensions.

use gatelog_record::Level;

use super::facts::Facts;
use super::period::Slot;

/// What one record adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Measure {
    /// Where it is counted.
    pub slot: Slot,
    /// How many requests it stands for, in millionths.
    pub weight: u64,
    /// Whether it is an error.
    pub is_error: bool,
    /// How long it took, in µs, if it took a time.
    pub took_us: Option<u64>,
}

impl Measure {
    /// Measures a record of a batch that arrived at `received`, in ms since 1970. `None` for the
    /// second record of a request, of level DEBUG, which is not counted.
    pub fn of(facts: &Facts<'_>, received: i64) -> Option<Self> {
        if facts.is_exchange() && facts.level == Level::Debug {
            return None;
        }
        // An application's record is made at its end.
        let took = facts.took_us().filter(|_| facts.is_exchange()).unwrap_or(0);
        let took = i64::try_from(took).unwrap_or(i64::MAX);
        let end = facts.timestamp.unix_micros().saturating_add(took);
        Some(Self {
            slot: Slot::of(end, received),
            weight: facts.weight(),
            is_error: facts.level >= Level::Error,
            took_us: facts.took_us(),
        })
    }
}

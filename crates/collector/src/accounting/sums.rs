//! The sum of all statements, for the metrics, which any client may request as often as it likes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::account::{BootKey, Statement};
use super::ledger::Packed;
use super::peers::Peers;

/// How long a sum is reused before it is recomputed.
const FRESH: Duration = Duration::from_millis(500);

/// At most one part in `SHARE` of a processor's time goes into computing the sum.
const SHARE: u32 = 20;

/// The number of known boots and the sum of their statements; recomputed no more often than its
/// bound allows, by one caller at a time. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    last: Arc<Mutex<Option<Sum>>>,
}

#[derive(Clone, Debug)]
struct Sum {
    boots: usize,
    statement: Statement,
    /// When it must be recomputed.
    until: Instant,
}

impl Sums {
    /// The sum, at most half a second old or twenty times as old as it takes to compute. Blocks
    /// while another caller computes it.
    pub fn get(
        &self,
        peers: &Peers,
        ledger: impl Fn(Option<&BootKey>, usize) -> Vec<(Arc<BootKey>, Packed)>,
        silent_before: i64,
    ) -> (usize, Statement) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let started = Instant::now();
        if let Some(sum) = last.as_ref().filter(|sum| started < sum.until) {
            return (sum.boots, sum.statement.clone());
        }
        let (boots, statement) = peers.sum(ledger, silent_before);
        let fresh = FRESH.max(started.elapsed().saturating_mul(SHARE));
        let until = Instant::now().checked_add(fresh).unwrap_or(started);
        *last = Some(Sum { boots, statement: statement.clone(), until });
        (boots, statement)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn many_who_ask_get_the_same_sum() {
        let (sums, made) = (Sums::default(), Cell::new(0));
        for _ in 0..1_000 {
            sums.get(
                &Peers::default(),
                |_, _| {
                    made.set(made.get() + 1);
                    Vec::new()
                },
                0,
            );
        }
        assert!(made.get() < 1_000, "{} of 1,000", made.get());
    }
}

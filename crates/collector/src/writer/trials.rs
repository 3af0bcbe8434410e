//! Counts how often a parked row was refused individually, and decides when its records are at
//! fault.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// A record refused individually this many times is at fault: once may be chance, and twice the
/// same chance.
const REFUSALS: u32 = 3;

/// And over at least this time: transient server errors, for example during an index build or a
/// restart, have passed by then.
const SPAN: Duration = Duration::from_mins(1);

/// Time between two attempts for the same rows, so that the refusals are spread over [`SPAN`].
pub(super) const EVERY: Duration = Duration::from_secs(30);

/// Maximum rows of one collection on trial at once, about 50 bytes of memory each. Others wait
/// until these are settled, which takes about a minute.
const ROWS_MAX: usize = 4_096;

/// The rows of one collection on trial, by number. Kept only in memory: after a restart the trials
/// start over, which costs a minute.
#[derive(Debug, Default)]
pub(super) struct Trials {
    rows: BTreeMap<i64, Trial>,
}

#[derive(Clone, Copy, Debug)]
struct Trial {
    first: Instant,
    last: Instant,
    refusals: u32,
}

impl Trials {
    /// Records that all records of a row were refused individually. Returns whether they are at
    /// fault: refused often enough, over a long enough time, and between any two refusals their
    /// collection accepted another document (`stored` is when it last did). If it accepted none,
    /// the collection may be the cause.
    pub(super) fn refused(&mut self, row: i64, stored: Option<Instant>, now: Instant) -> bool {
        let Some(trial) = self.rows.get_mut(&row) else {
            if self.rows.len() < ROWS_MAX {
                self.rows.insert(row, Trial { first: now, last: now, refusals: 1 });
            }
            return false;
        };
        if stored.is_some_and(|at| at > trial.last) {
            trial.last = now;
            trial.refusals += 1;
        }
        trial.refusals >= REFUSALS && now.saturating_duration_since(trial.first) >= SPAN
    }

    /// Ends the trial of a row.
    pub(super) fn end(&mut self, row: i64) {
        self.rows.remove(&row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_row_refused_three_times_over_a_minute_among_others_that_are_taken_is_to_blame() {
        let (mut trials, start) = (Trials::default(), Instant::now());
        assert!(!trials.refused(1, Some(start), start));
        assert!(!trials.refused(1, Some(after(start, 29)), after(start, 30)));
        assert!(trials.refused(1, Some(after(start, 31)), after(start, 60)));
    }

    #[test]
    fn three_refusals_in_less_than_a_minute_are_too_few() {
        let (mut trials, start) = (Trials::default(), Instant::now());
        for second in 0..60 {
            let now = after(start, second);
            assert!(!trials.refused(1, Some(now), now), "{second}");
        }
        assert!(trials.refused(1, None, after(start, 60)));
    }

    #[test]
    fn while_its_collection_takes_nothing_else_no_row_is_to_blame() {
        let (mut trials, start) = (Trials::default(), Instant::now());
        let before = start.checked_sub(Duration::from_secs(1));
        for second in 0..10_000 {
            assert!(!trials.refused(1, before, after(start, second)));
            assert!(!trials.refused(2, None, after(start, second)));
        }
        // One other document is not enough: the collection must accept one between any two
        // refusals.
        assert!(!trials.refused(1, Some(after(start, 10_000)), after(start, 10_001)));
        assert!(!trials.refused(1, Some(after(start, 10_000)), after(start, 20_000)));
        assert!(trials.refused(1, Some(after(start, 20_000)), after(start, 20_001)));
    }

    #[test]
    fn rows_past_the_bound_wait_for_the_first_ones() {
        let (mut trials, now) = (Trials::default(), Instant::now());
        for row in 0..10_000 {
            trials.refused(row, Some(now), now);
        }
        assert_eq!(trials.rows.len(), ROWS_MAX);
        trials.end(0);
        trials.refused(9_999, Some(now), now);
        assert!(trials.rows.contains_key(&9_999));
    }
}

//! How much time to search next. Little at first, as records may be many; then as much as the server
//! is likely to read in the time that a window should take, and no more than what is left of the page
//! is likely to need: there are servers that read all of a window, whatever the limit.

use std::time::Duration;

use gatelog_record::Timestamp;

use crate::limits::{WINDOW_AIM, WINDOW_TIME};

/// The length of the first window, and the bounds of all others, in microseconds.
const FIRST: i64 = 1_000_000;
const SHORTEST: i64 = 10_000;
const LONGEST: i64 = 400 * 86_400 * 1_000_000;

/// How many times longer the next window may be: behind a time without records there may be many.
const GROWTH: i64 = 4;
/// How many times shorter it is after one that the server did not finish.
const CUT: i64 = 16;

/// How many times longer than it should a window may take at first. One that is not finished by then was far too
/// long; after each such window the next one may take twice as long, as the server may be slow by itself.
const PATIENCE: u32 = 4;

/// How many times longer than it should a window may take before the next one is shorter.
const SLOW: i64 = 2;

/// The shortest that a window becomes because a page is nearly full, in microseconds.
const NEARLY: i64 = 1_000_000;

/// How much time a search reads at once. It learns from window to window, so a search that goes on
/// goes on with its own.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Of the next window, in microseconds.
    length: i64,
    /// The time that was searched, in microseconds, and what it had.
    searched: i64,
    found: usize,
    /// How long the server may take for the next window.
    patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

impl Pace {
    /// That of a search that has not begun.
    pub const fn new() -> Self {
        let patience = WINDOW_AIM.saturating_mul(PATIENCE);
        Self { length: FIRST, searched: 0, found: 0, patience }
    }

    /// That of a search that goes on, and whose next window has this length, within bounds.
    pub fn of_millis(millis: u64) -> Self {
        let length = i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(1_000);
        Self { length: length.clamp(SHORTEST, LONGEST), ..Self::new() }
    }

    /// The length of the next window, in milliseconds.
    pub fn millis(&self) -> u64 {
        u64::try_from(self.length).unwrap_or(0).checked_div(1_000).unwrap_or(0)
    }

    /// How long the server may take for the next window.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Where the window begins that ends here, if so many records are still wanted.
    pub(super) fn begin(&self, end: Timestamp, since: Timestamp, wanted: usize) -> Timestamp {
        let length = self.enough(wanted).map_or(self.length, |enough| enough.min(self.length));
        let micros = end.unix_micros().saturating_sub(length);
        since.max(Timestamp::from_unix_micros(micros.div_euclid(1_000).saturating_mul(1_000)))
    }

    /// The time that has half as many again, if it has as many as the time before; `None` if nothing was
    /// found yet.
    fn enough(&self, wanted: usize) -> Option<i64> {
        let [wanted, found] =
            [wanted, self.found].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        let each = self.searched.checked_div(found)?;
        let enough = each.saturating_mul(wanted);
        Some(enough.saturating_add(enough.checked_div(2).unwrap_or(0)).max(NEARLY))
    }

    /// Learns how long the server took for a window from here to there, and how much it had.
    pub(super) fn took(
        &mut self,
        time: Duration,
        since: Timestamp,
        until: Timestamp,
        found: usize,
    ) {
        let searched = until.unix_micros().saturating_sub(since.unix_micros()).max(0);
        self.searched = self.searched.saturating_add(searched);
        self.found = self.found.saturating_add(found);
        let [took, aim] =
            [time, WINDOW_AIM].map(|time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
        let fits = searched.saturating_mul(aim).checked_div(took.max(1)).unwrap_or(0);
        // What waits for a processor, and each call's own time, say nothing about how much there was.
        let fits = if took <= aim {
            fits
        } else if took <= aim.saturating_mul(SLOW) {
            searched
        } else {
            fits.max(searched.checked_div(2).unwrap_or(0))
        };
        let longest = searched.max(SHORTEST).saturating_mul(GROWTH).min(LONGEST);
        self.length = fits.clamp(SHORTEST, longest);
        let patience = WINDOW_AIM.max(time).saturating_mul(PATIENCE);
        self.patience = self.patience.min(patience);
    }

    /// A window took too long: returns whether another one may take less.
    pub(super) fn shrink(&mut self) -> bool {
        let may = self.length > SHORTEST || self.patience < WINDOW_TIME;
        self.length = self.length.checked_div(CUT).unwrap_or(0).max(SHORTEST);
        self.patience = self.patience.saturating_mul(2).min(WINDOW_TIME);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_micros(seconds * 1_000_000)
    }

    /// The seconds that a search reads window by window, at so many microseconds of the server a second.
    fn lengths(each: u64, windows: usize) -> Vec<i64> {
        let mut pace = Pace::new();
        let end = at(1_000_000_000);
        let mut all = Vec::new();
        for _ in 0..windows {
            let begin = pace.begin(end, Timestamp::FIRST, 100);
            let length = end.unix_micros() - begin.unix_micros();
            all.push(length / 1_000_000);
            let time = u64::try_from(length).unwrap() * each / 1_000_000;
            pace.took(Duration::from_micros(time), begin, end, 0);
        }
        all
    }

    #[test]
    fn windows_become_as_long_as_the_server_reads_in_their_time() {
        let aim = u64::try_from(WINDOW_AIM.as_micros()).unwrap();
        // Six records a second, 80 µs each.
        let whole = i64::try_from(aim / 480).unwrap();
        let read = lengths(480, 8);
        assert_eq!(read[..4], [1, 4, 16, 64]);
        assert!(
            read[5..].iter().all(|length| (whole - 1..=whole + 1).contains(length)),
            "{read:?}"
        );
        // Next to none.
        assert_eq!(lengths(0, 5), [1, 4, 16, 64, 256]);
        assert_eq!(lengths(0, 20)[19], 400 * 86_400);
        // Each too slow.
        let mut pace = Pace::new();
        pace.took(Duration::from_secs(10), at(0), at(1), 0);
        assert_eq!(at(1).unix_micros() - pace.begin(at(1), at(0), 1).unix_micros(), 500_000);
        pace.took(2 * WINDOW_AIM, at(0), at(1), 0);
        assert_eq!(pace.begin(at(1), at(0), 1), at(0), "kept");
        while pace.shrink() {}
        assert_eq!(at(1).unix_micros() - pace.begin(at(1), at(0), 1).unix_micros(), SHORTEST);
    }

    #[test]
    fn after_a_window_that_was_not_finished_the_next_is_shorter_and_may_take_longer() {
        let mut pace = Pace::of_millis(4_096_000);
        let length = |pace: &Pace| {
            at(100_000).unix_micros() - pace.begin(at(100_000), at(0), 1).unix_micros()
        };
        let mut seen = Vec::new();
        loop {
            seen.push((length(&pace), pace.patience().as_millis()));
            if !pace.shrink() {
                break;
            }
        }
        assert_eq!(
            seen,
            [
                (4_096_000_000, 400),
                (256_000_000, 800),
                (16_000_000, 1_600),
                (1_000_000, 3_200),
                (63_000, 5_000),
                (SHORTEST, 5_000),
            ]
        );
        // It is as slow for whatever it reads: then its next window must not be given up.
        pace.took(Duration::from_secs(1), at(0), at(1), 0);
        assert_eq!(pace.patience().as_millis(), 4_000);
        pace.took(Duration::from_millis(10), at(0), at(1), 0);
        assert_eq!(pace.patience().as_millis(), 400);
    }

    #[test]
    fn a_window_never_begins_before_the_search_does() {
        let mut pace = Pace::new();
        pace.took(Duration::ZERO, at(96), at(100), 0);
        assert_eq!(pace.begin(at(100), at(90), 1), at(90));
        assert_eq!(pace.begin(at(100), at(0), 1), at(84));
        let odd = Timestamp::from_unix_micros(100_000_000 + 1_999);
        assert_eq!(pace.begin(odd, at(0), 1), Timestamp::from_unix_micros(84_001_000));
    }

    #[test]
    fn a_window_is_no_longer_than_what_is_left_of_the_page_is_likely_to_take() {
        let end = at(100_000);
        let mut pace = Pace::new();
        pace.took(Duration::ZERO, end, at(100_060), 10);
        // One every 6 s.
        assert_eq!(pace.begin(end, Timestamp::FIRST, 20), at(100_000 - 180));
        assert_eq!(pace.begin(end, Timestamp::FIRST, 1_000), at(100_000 - 240));
        pace.took(Duration::ZERO, at(99_820), end, 0);
        // The more was searched in vain, the longer.
        assert_eq!(pace.begin(end, Timestamp::FIRST, 20), at(100_000 - 720));
        for _ in 0..10 {
            pace.took(Duration::ZERO, at(99_990), end, usize::MAX);
        }
        assert_eq!(pace.begin(end, Timestamp::FIRST, 1), at(100_000 - 1));
    }
}

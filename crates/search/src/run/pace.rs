//! How much time to search next. Little at first, as records may be many; then as much as the server
//! is likely to read in the time that a window should take, and no more than what is left of the page
//! is likely to need: there are servers that read all of a window, whatever the limit.
//!
//! A window takes a time of its own, such as the way to the server and back, and time to read, which
//! grows with its length. Only the latter says how long a window should be: a far server would
//! otherwise be asked for less and less, and a search would never end.

use std::time::Duration;

use gatelog_record::Timestamp;

use crate::limits::{WINDOW_AIM, WINDOW_TIME};

/// The length of the first window, and the bounds of all others, in microseconds.
const FIRST: i64 = 1_000_000;
const SHORTEST: i64 = 10_000;
const LONGEST: i64 = 400 * 86_400 * 1_000_000;

/// How many times longer the next window may be: behind a time without records there may be many.
const GROWTH: i64 = 4;
/// The same after the first window, if it took long.
const SLOW_GROWTH: i64 = 2;
/// How many times shorter it is after one that the server did not finish.
const CUT: i64 = 16;

/// How many times as long as the one before, or as it should, a window may take. One that is not finished by then was
/// far too long; after each such window the next one may take twice as long.
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
    /// What a window takes whatever its length, in microseconds; `None` until one was read.
    fixed: Option<i64>,
    /// The last window that was read as a whole: its length and how long it took, in microseconds.
    last: Option<(i64, i64)>,
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
        Self { length: FIRST, searched: 0, found: 0, fixed: None, last: None, patience }
    }

    /// That of a search that goes on: how long its next window is, and what a window takes whatever its length, in
    /// milliseconds, within bounds.
    pub fn of_millis(length: u64, fixed: Option<u64>) -> Self {
        let micros = |millis| i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(1_000);
        let fixed = fixed.map(|fixed| micros(fixed).min(micros_of(WINDOW_TIME)));
        let length = micros(length).clamp(SHORTEST, LONGEST);
        let patience = patience(Duration::from_micros(fixed.unwrap_or(0).unsigned_abs()));
        Self { length, fixed, patience, ..Self::new() }
    }

    /// The length of the next window, in milliseconds.
    pub fn millis(&self) -> u64 {
        millis_of(self.length)
    }

    /// What a window takes whatever its length, in milliseconds; `None` until one was read.
    pub fn fixed_millis(&self) -> Option<u64> {
        self.fixed.map(millis_of)
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

    /// Learns how long the server took for a window from here to there, and how much it had. `whole`: nothing of
    /// it was left out.
    pub(super) fn took(
        &mut self,
        time: Duration,
        (since, until): (Timestamp, Timestamp),
        whole: bool,
        found: usize,
    ) {
        let searched = until.unix_micros().saturating_sub(since.unix_micros()).max(0);
        self.searched = self.searched.saturating_add(searched);
        self.found = self.found.saturating_add(found);
        let (took, aim) = (micros_of(time), micros_of(WINDOW_AIM));
        let is_first = self.last.is_none();
        if whole {
            self.learn_fixed(searched, took);
        }
        let fixed = self.fixed.unwrap_or(0).min(took);
        // At least half of the time should be reading.
        let (read, aim_read) = (took.saturating_sub(fixed), aim.max(fixed));
        let fits = searched.saturating_mul(aim_read).checked_div(read.max(1)).unwrap_or(0);
        // What waits for a processor says nothing about how much there was.
        let fits = if read <= aim_read {
            fits
        } else if read <= aim_read.saturating_mul(SLOW) {
            searched
        } else {
            fits.max(searched.checked_div(2).unwrap_or(0))
        };
        let is_slow = took > aim.saturating_mul(SLOW);
        let growth = if is_first && is_slow { SLOW_GROWTH } else { GROWTH };
        let longest = searched.max(SHORTEST).saturating_mul(growth).min(LONGEST);
        self.length = fits.clamp(SHORTEST, longest);
        self.patience = patience(time);
    }

    /// The first window is short: what it takes is hardly reading. Two of different lengths tell more.
    fn learn_fixed(&mut self, searched: i64, took: i64) {
        self.fixed = match self.last {
            None => self.fixed.or(Some(took)),
            Some((length, time)) => {
                let (short, long) = if searched < length {
                    ((searched, took), (length, time))
                } else {
                    ((length, time), (searched, took))
                };
                let differ = long.0.saturating_sub(short.0);
                if differ.saturating_mul(2) >= short.0.max(1) {
                    let grown = long.1.saturating_sub(short.1).max(0);
                    let reading = grown.saturating_mul(short.0).checked_div(differ).unwrap_or(0);
                    Some(short.1.min(long.1).saturating_sub(reading).max(0))
                } else {
                    self.fixed
                }
            }
        };
        self.last = Some((searched, took));
    }

    /// A window took too long: returns whether another one may take less.
    pub(super) fn shrink(&mut self) -> bool {
        let may = self.length > SHORTEST || self.patience < WINDOW_TIME;
        self.length = self.length.checked_div(CUT).unwrap_or(0).max(SHORTEST);
        self.patience = self.patience.saturating_mul(2).min(WINDOW_TIME);
        self.last = None;
        may
    }
}

/// How long a window may take after one that took this long.
fn patience(took: Duration) -> Duration {
    took.max(WINDOW_AIM).saturating_mul(PATIENCE).min(WINDOW_TIME)
}

fn micros_of(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn millis_of(micros: i64) -> u64 {
    u64::try_from(micros).unwrap_or(0).checked_div(1_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_micros(seconds * 1_000_000)
    }

    /// The seconds that a search reads window by window, at so many microseconds of the server for each, and so
    /// many a second.
    fn lengths((fixed, each): (u64, u64), windows: usize) -> Vec<i64> {
        let mut pace = Pace::new();
        let end = at(1_000_000_000);
        let mut all = Vec::new();
        while all.len() < windows {
            let begin = pace.begin(end, Timestamp::FIRST, 100);
            let length = end.unix_micros() - begin.unix_micros();
            let time = fixed + u64::try_from(length).unwrap() * each / 1_000_000;
            let time = Duration::from_micros(time);
            if time > pace.patience() {
                pace.shrink();
            } else {
                all.push(length / 1_000_000);
                pace.took(time, (begin, end), true, 0);
            }
        }
        all
    }

    #[test]
    fn windows_become_as_long_as_the_server_reads_in_their_time() {
        let aim = u64::try_from(WINDOW_AIM.as_micros()).unwrap();
        // Six records a second, 80 µs each.
        let whole = i64::try_from(aim / 480).unwrap();
        let read = lengths((0, 480), 8);
        assert_eq!(read[..4], [1, 4, 16, 64]);
        assert!(
            read[5..].iter().all(|length| (whole - 1..=whole + 1).contains(length)),
            "{read:?}"
        );
        // Next to none.
        assert_eq!(lengths((0, 0), 5), [1, 4, 16, 64, 256]);
        assert_eq!(lengths((0, 0), 20)[19], 400 * 86_400);
        // Many in each second: the first window is taken for the way there and back, but no further one.
        let many = lengths((0, 300_000), 6);
        assert!(many[2..].iter().all(|length| *length <= 1), "{many:?}");
    }

    #[test]
    fn a_far_or_slow_server_is_not_asked_for_less_and_less() {
        for (fixed, days) in [(20, 12), (60, 12), (120, 12), (200, 12), (600, 15), (1_500, 17)] {
            // Without records, and with those of which 400 ms are for a day.
            for each in [0, 4] {
                let windows = lengths((fixed * 1_000, each), days);
                let searched: i64 = windows.iter().sum();
                assert!(searched >= 86_400, "{fixed} ms each: {windows:?}");
            }
            // Half of the time is reading.
            let windows = lengths((fixed * 1_000, 480), 20);
            let reads = windows[12..].iter().sum::<i64>() * 480 / 8 / 1_000;
            let fixed = i64::try_from(fixed).unwrap();
            assert!(
                reads >= fixed.min(50) && reads <= 4 * fixed.max(100),
                "{fixed} ms each: {windows:?}"
            );
        }
    }

    #[test]
    fn a_search_that_goes_on_again_and_again_comes_to_its_end_however_slow_each_window_is() {
        for fixed in [60, 200, 600, 1_500, 4_000] {
            let (mut end, mut answers) = (100_000_000_000_i64, 0);
            let mut pace = Pace::new();
            while end > 0 {
                // One window, and where it was given up others.
                loop {
                    let begin =
                        pace.begin(Timestamp::from_unix_micros(end), at(0), 100).unix_micros();
                    if Duration::from_millis(fixed) <= pace.patience() {
                        let window = [begin, end].map(Timestamp::from_unix_micros);
                        pace.took(Duration::from_millis(fixed), window.into(), true, 0);
                        end = begin;
                        break;
                    }
                    assert!(pace.shrink());
                }
                answers += 1;
                pace = Pace::of_millis(pace.millis(), pace.fixed_millis());
            }
            assert!(answers <= 32, "{fixed} ms each: {answers}");
        }
    }

    #[test]
    fn after_a_window_that_was_not_finished_the_next_is_shorter_and_may_take_longer() {
        let mut pace = Pace::of_millis(4_096_000, Some(0));
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
        pace.took(Duration::from_secs(1), (at(0), at(1)), true, 0);
        assert_eq!(pace.patience().as_millis(), 4_000);
        pace.took(Duration::from_millis(10), (at(0), at(1)), true, 0);
        assert_eq!(pace.patience().as_millis(), 400);
    }

    #[test]
    fn a_window_never_begins_before_the_search_does() {
        let mut pace = Pace::new();
        pace.took(Duration::ZERO, (at(96), at(100)), true, 0);
        assert_eq!(pace.begin(at(100), at(90), 1), at(90));
        assert_eq!(pace.begin(at(100), at(0), 1), at(84));
        let odd = Timestamp::from_unix_micros(100_000_000 + 1_999);
        assert_eq!(pace.begin(odd, at(0), 1), Timestamp::from_unix_micros(84_001_000));
    }

    #[test]
    fn a_window_is_no_longer_than_what_is_left_of_the_page_is_likely_to_take() {
        let end = at(100_000);
        let mut pace = Pace::new();
        pace.took(Duration::ZERO, (end, at(100_060)), true, 10);
        // One every 6 s.
        assert_eq!(pace.begin(end, Timestamp::FIRST, 20), at(100_000 - 180));
        assert_eq!(pace.begin(end, Timestamp::FIRST, 1_000), at(100_000 - 240));
        pace.took(Duration::ZERO, (at(99_820), end), true, 0);
        // The more was searched in vain, the longer.
        assert_eq!(pace.begin(end, Timestamp::FIRST, 20), at(100_000 - 720));
        for _ in 0..10 {
            pace.took(Duration::ZERO, (at(99_990), end), true, usize::MAX);
        }
        assert_eq!(pace.begin(end, Timestamp::FIRST, 1), at(100_000 - 1));
    }
}

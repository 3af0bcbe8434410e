//! How much time to search next. Little at first: where records are many, a page is full at once,
//! and a server that sorts what it has read reads little. Then more and more, as long as it is
//! quick, and no more than what is left of the page is likely to take: there are servers that read
//! all of a window, whatever the limit.

use std::time::Duration;

use gatelog_record::Timestamp;

/// The lengths of windows, in seconds.
const LENGTHS: [i64; 11] = [
    1,
    10,
    60,
    5 * 60,
    30 * 60,
    2 * 3_600,
    12 * 3_600,
    2 * 86_400,
    10 * 86_400,
    60 * 86_400,
    400 * 86_400,
];

/// The next window is longer after one that took less, and shorter after one that took more.
const QUICK: Duration = Duration::from_millis(500);
const SLOW: Duration = Duration::from_millis(2_500);

/// A minute.
const FIRST: usize = 2;

/// The shortest that a window becomes because a page is nearly full, in microseconds.
const NEARLY: i64 = 1_000_000;

/// The length of the next window.
#[derive(Debug)]
pub(super) struct Windows {
    length: usize,
    /// The time that was searched, in microseconds, and what it had.
    searched: i64,
    found: usize,
}

impl Windows {
    pub(super) fn new() -> Self {
        Self { length: FIRST, searched: 0, found: 0 }
    }

    /// Where the window begins that ends here, if so many records are still wanted.
    pub(super) fn begin(&self, end: Timestamp, since: Timestamp, wanted: usize) -> Timestamp {
        let seconds = LENGTHS.get(self.length).copied().unwrap_or(1);
        let length = seconds.saturating_mul(1_000_000);
        let length = self.enough(wanted).map_or(length, |enough| enough.min(length));
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
        let searched = until.unix_micros().saturating_sub(since.unix_micros());
        self.searched = self.searched.saturating_add(searched.max(0));
        self.found = self.found.saturating_add(found);
        if time < QUICK {
            self.length = self.length.saturating_add(1).min(LENGTHS.len().saturating_sub(1));
        } else if time > SLOW {
            self.length = self.length.saturating_sub(1);
        }
    }

    /// A window took too long: returns whether there is a smaller one.
    pub(super) fn shrink(&mut self) -> bool {
        let smaller = self.length.saturating_sub(2);
        let shrunk = smaller < self.length;
        self.length = smaller;
        shrunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(windows: &mut Windows, times: &[u64]) -> Vec<i64> {
        let end = Timestamp::from_unix_micros(1_000_000_000_000_000);
        let length = |windows: &Windows| {
            let begin = windows.begin(end, Timestamp::FIRST, 100);
            (end.unix_micros() - begin.unix_micros()) / 1_000_000
        };
        let mut all = vec![length(windows)];
        for millis in times {
            windows.took(Duration::from_millis(*millis), Timestamp::FIRST, end, 0);
            all.push(length(windows));
        }
        all
    }

    #[test]
    fn windows_grow_while_the_server_is_quick_and_shrink_when_it_is_slow() {
        let grown = lengths(&mut Windows::new(), &[0; 10]);
        assert_eq!(grown[..4], [60, 300, 1_800, 7_200]);
        assert_eq!(grown[8..], [400 * 86_400; 3]);
        assert_eq!(lengths(&mut Windows::new(), &[1_000, 3_000, 9_000, 9_000]), [60, 60, 10, 1, 1]);
        let mut windows = Windows::new();
        assert!(windows.shrink() && !windows.shrink());
    }

    #[test]
    fn a_window_never_begins_before_the_search_does() {
        let at = |seconds: i64| Timestamp::from_unix_micros(seconds * 1_000_000);
        assert_eq!(Windows::new().begin(at(100), at(70), 1), at(70));
        assert_eq!(Windows::new().begin(at(100), at(0), 1), at(40));
        let odd = Timestamp::from_unix_micros(100_000_000 + 1_999);
        assert_eq!(Windows::new().begin(odd, at(0), 1), Timestamp::from_unix_micros(40_001_000));
    }

    #[test]
    fn a_window_is_no_longer_than_what_is_left_of_the_page_is_likely_to_take() {
        let at = |seconds: i64| Timestamp::from_unix_micros(seconds * 1_000_000);
        let end = at(100_000);
        let mut windows = Windows::new();
        windows.took(Duration::ZERO, end, at(100_060), 10);
        // One every 6 s.
        assert_eq!(windows.begin(end, Timestamp::FIRST, 20), at(100_000 - 180));
        assert_eq!(windows.begin(end, Timestamp::FIRST, 1_000), at(100_000 - 300));
        windows.took(Duration::ZERO, at(99_820), end, 0);
        // The more was searched in vain, the longer.
        assert_eq!(windows.begin(end, Timestamp::FIRST, 20), at(100_000 - 720));
        for _ in 0..10 {
            windows.took(Duration::ZERO, end, end, usize::MAX);
        }
        assert_eq!(windows.begin(end, Timestamp::FIRST, 1), at(100_000 - 1));
    }
}

//! How much time to search next. Little at first: where records are many, a page is full at once,
//! and a server that sorts what it has read reads little. Then more and more, as long as it is
//! quick.

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

/// The length of the next window.
#[derive(Debug)]
pub(super) struct Windows {
    length: usize,
}

impl Windows {
    pub(super) fn new() -> Self {
        Self { length: FIRST }
    }

    /// Where the window begins that ends here.
    pub(super) fn begin(&self, end: Timestamp, since: Timestamp) -> Timestamp {
        let seconds = LENGTHS.get(self.length).copied().unwrap_or(1);
        let micros = end.unix_micros().saturating_sub(seconds.saturating_mul(1_000_000));
        since.max(Timestamp::from_unix_micros(micros.div_euclid(1_000).saturating_mul(1_000)))
    }

    /// Learns how long the server took for a window.
    pub(super) fn took(&mut self, time: Duration) {
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
            let begin = windows.begin(end, Timestamp::FIRST);
            (end.unix_micros() - begin.unix_micros()) / 1_000_000
        };
        let mut all = vec![length(windows)];
        for millis in times {
            windows.took(Duration::from_millis(*millis));
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
        assert_eq!(Windows::new().begin(at(100), at(70)), at(70));
        assert_eq!(Windows::new().begin(at(100), at(0)), at(40));
        let odd = Timestamp::from_unix_micros(100_000_000 + 1_999);
        assert_eq!(Windows::new().begin(odd, at(0)), Timestamp::from_unix_micros(40_001_000));
    }
}

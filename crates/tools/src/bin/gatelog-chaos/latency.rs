//! Request latency with the filter, compared with the same requests without it.
//!
//! Every request is timed twice in a row, once with the filter and once without, so both run under
//! the same conditions, whatever else the machine does. The median and the 99th percentile are
//! compared; a request that waits for a failing collector would take hundreds of milliseconds
//! longer.

use std::time::Duration;

use crate::load::Sent;

/// How much longer the median may be: far below the cost of any logging fault, far above the
/// filter's own cost (docs/performance.md).
const MEDIAN_TOLERANCE: Duration = Duration::from_millis(1);

/// How much longer than twice the unfiltered value the 99th percentile may be: among a few hundred
/// requests it is the second or third slowest, and a busy machine delays some in its scheduler.
const TAIL_TOLERANCE: Duration = Duration::from_millis(50);

/// Median and 99th percentile of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quantiles {
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
}

/// Both sides.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latency {
    pub(crate) filtered: Quantiles,
    pub(crate) bare: Quantiles,
}

impl Quantiles {
    fn of(times: impl Iterator<Item = Duration>) -> Self {
        let mut times: Vec<Duration> = times.collect();
        times.sort();
        let at = |percent: usize| times.get(times.len() * percent / 100).copied();
        Self { median: at(50).unwrap_or_default(), p99: at(99).unwrap_or_default() }
    }
}

impl Latency {
    /// The latencies of the sent requests.
    pub(crate) fn of(sent: &[Sent]) -> Self {
        Self {
            filtered: Quantiles::of(sent.iter().map(|sent| sent.took)),
            bare: Quantiles::of(sent.iter().map(|sent| sent.without)),
        }
    }

    /// Upper bounds for the filtered side.
    pub(crate) fn bounds(&self) -> Quantiles {
        Quantiles {
            median: self.bare.median + self.bare.median / 2 + MEDIAN_TOLERANCE,
            p99: self.bare.p99 * 2 + TAIL_TOLERANCE,
        }
    }
}

/// In milliseconds, to two decimals.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_wait_for_a_collector_are_beyond_the_bounds() {
        let waits = |number: u64| if number.is_multiple_of(20) { 200 } else { 2 };
        let sent = |number| Sent {
            id: String::new(),
            level: "info",
            audited: false,
            harm: None,
            took: Duration::from_millis(waits(number)),
            without: Duration::from_millis(2),
        };
        let latency = Latency::of(&(0..200).map(sent).collect::<Vec<_>>());
        assert!(latency.filtered.median <= latency.bounds().median);
        assert!(latency.filtered.p99 > latency.bounds().p99);
    }
}

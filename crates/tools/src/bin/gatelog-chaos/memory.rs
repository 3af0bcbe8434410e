//! Resident memory of Envoy and the collector during a case, and whether it grows.

use std::time::{Duration, Instant};

/// One process's resident memory over time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// Time since the case began, and bytes.
    samples: Vec<(Duration, u64)>,
}

/// The memory of both processes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memories {
    pub(crate) envoy: Memory,
    pub(crate) collector: Memory,
}

/// Shorter runs say nothing about growth: buffers and caches fill first.
const SHORTEST: Duration = Duration::from_mins(20);

/// Fraction of a run, from its start, in which memory is still warming up.
const WARM_UP: f64 = 0.2;

/// Maximum growth that counts as none, in bytes per hour: a leak of one byte per record would be
/// less, but one of a record's size (1 KB, at 40 records per second) would be a hundred times as
/// much.
pub(crate) const GROWTH_BOUND: f64 = 2.0 * 1024.0 * 1024.0;

/// Schedules the samples.
#[derive(Debug)]
pub(crate) struct Sampler {
    began: Instant,
    interval: Duration,
    next: Duration,
}

impl Sampler {
    /// For a repeating case that runs this long, or for a short one.
    pub(crate) fn new(run: Duration) -> Self {
        let interval = Duration::from_secs(if run.is_zero() { 1 } else { 10 });
        Self { began: Instant::now(), interval, next: Duration::ZERO }
    }

    /// When the next sample is due, if that is now; the one after it is due an interval later.
    pub(crate) fn due(&mut self) -> Option<Duration> {
        let now = self.began.elapsed();
        (now >= self.next).then(|| {
            self.next = now + self.interval;
            now
        })
    }

    /// The time since the case began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Memory {
    pub(crate) fn add(&mut self, at: Duration, bytes: u64) {
        self.samples.push((at, bytes));
    }

    pub(crate) fn count(&self) -> usize {
        self.samples.len()
    }

    pub(crate) fn first(&self) -> u64 {
        self.samples.first().map_or(0, |(_, bytes)| *bytes)
    }

    pub(crate) fn last(&self) -> u64 {
        self.samples.last().map_or(0, |(_, bytes)| *bytes)
    }

    pub(crate) fn median(&self) -> u64 {
        let mut bytes: Vec<u64> = self.samples.iter().map(|(_, bytes)| *bytes).collect();
        bytes.sort_unstable();
        bytes.get(bytes.len() / 2).copied().unwrap_or(0)
    }

    pub(crate) fn most(&self) -> u64 {
        self.samples.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0)
    }

    /// Growth in bytes per hour, after warm-up: the median of the slopes between all pairs of
    /// samples (Theil-Sen), which is robust against a few high samples during a fault. `None` for a
    /// short run.
    pub(crate) fn growth(&self) -> Option<f64> {
        let (end, _) = self.samples.last().filter(|(end, _)| *end >= SHORTEST)?;
        let warm = end.mul_f64(WARM_UP);
        let warm: Vec<_> = self.samples.iter().filter(|(at, _)| *at >= warm).collect();
        let mut slopes = Vec::new();
        for (index, (earlier, before)) in warm.iter().enumerate() {
            for (later, after) in warm.iter().skip(index + 1) {
                let hours = later.saturating_sub(*earlier).as_secs_f64() / 3_600.0;
                slopes.push((bytes(*after) - bytes(*before)) / hours);
            }
        }
        slopes.sort_by(f64::total_cmp);
        slopes.get(slopes.len() / 2).copied()
    }
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn bytes(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over_an_hour(bytes: impl Fn(u64) -> u64) -> Memory {
        let mut memory = Memory::default();
        for sample in 0..360 {
            memory.add(Duration::from_secs(sample * 10), bytes(sample));
        }
        memory
    }

    #[test]
    fn a_leak_is_told_from_a_warm_up_and_from_peaks() {
        let warm_up = over_an_hour(|sample| 50_000_000 + sample.min(60) * 100_000);
        assert_eq!(warm_up.growth(), Some(0.0));
        let peaks = over_an_hour(|sample| if sample % 60 == 0 { 90_000_000 } else { 50_000_000 });
        assert_eq!(peaks.growth(), Some(0.0));
        let leak = over_an_hour(|sample| 50_000_000 + sample * 10_000);
        assert!(leak.growth().unwrap() > GROWTH_BOUND);
    }

    #[test]
    fn a_short_run_says_nothing_of_growth() {
        let mut memory = Memory::default();
        memory.add(Duration::from_mins(1), 1);
        assert_eq!(
            (memory.growth(), memory.first(), memory.last(), memory.most()),
            (None, 1, 1, 1)
        );
    }
}

//! How long to wait after failures: exponential, jittered, bounded.

/// The wait before the next attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    initial_ns: u64,
    max_ns: u64,
    failures: u32,
    until_ns: u64,
}

impl Backoff {
    /// No delay yet; the first failure waits up to `initial_ns`, no delay exceeds `max_ns`.
    pub const fn new(initial_ns: u64, max_ns: u64) -> Self {
        Self { initial_ns, max_ns, failures: 0, until_ns: 0 }
    }

    /// Whether an attempt may be made.
    pub const fn ready(&self, now_ns: u64) -> bool {
        now_ns >= self.until_ns
    }

    /// How long until then, in nanoseconds.
    pub const fn wait_ns(&self, now_ns: u64) -> u64 {
        self.until_ns.saturating_sub(now_ns)
    }

    /// Failures in a row.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a failure. Failures of batches that were in flight together count once. `at_least_ns`
    /// is the delay that the answer asked for; `random` picks from the upper half of the delay, so that
    /// workers do not all retry at once.
    pub fn failed(&mut self, now_ns: u64, at_least_ns: u64, random: u32) {
        let at_least = now_ns.saturating_add(at_least_ns.min(self.max_ns));
        if self.ready(now_ns) {
            self.failures = self.failures.saturating_add(1);
            let doublings = self.failures.saturating_sub(1).min(32);
            let wait = self.initial_ns.saturating_mul(1_u64 << doublings).min(self.max_ns);
            let half = wait / 2;
            let jitter = half.saturating_mul(u64::from(random >> 16)) >> 16;
            self.until_ns = now_ns.saturating_add(wait.saturating_sub(half)).saturating_add(jitter);
        }
        self.until_ns = self.until_ns.max(at_least);
    }

    /// Forgets all failures.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.until_ns = 0;
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn waits_double_up_to_the_bound() {
        let mut backoff = Backoff::new(200, 1_000);
        let mut now = 0;
        let waits: Vec<u64> = (0..6)
            .map(|_| {
                backoff.failed(now, 0, u32::MAX);
                let wait = (0..10_000).find(|wait| backoff.ready(now + wait)).unwrap();
                now += wait;
                wait
            })
            .collect();
        assert_eq!(waits, [199, 399, 799, 999, 999, 999]);
        backoff.succeeded();
        assert!(backoff.ready(0));
    }

    #[test]
    fn jitter_spreads_over_the_upper_half() {
        let mut backoff = Backoff::new(200, 1_000);
        backoff.failed(0, 0, 0);
        assert!(!backoff.ready(99) && backoff.ready(100));
    }

    #[test]
    fn failures_in_flight_together_count_once() {
        let mut backoff = Backoff::new(200, 1_000);
        for _ in 0..4 {
            backoff.failed(0, 0, u32::MAX);
        }
        assert_eq!(backoff.failures(), 1);
    }

    #[test]
    fn what_the_answer_asks_for_is_honoured_within_the_bound() {
        let mut backoff = Backoff::new(200, 1_000);
        backoff.failed(0, 700, 0);
        assert!(!backoff.ready(699) && backoff.ready(700));
        backoff.failed(700, u64::MAX, 0);
        assert!(!backoff.ready(1_699) && backoff.ready(1_700));
    }
}

//! How long to wait before a retry.

use std::time::Duration;

use gatelog_record::Uuid;

/// The first wait is at most this long.
const FIRST: Duration = Duration::from_millis(100);
/// No wait is longer than this: after an outage, writing goes on this much later at most.
const LONGEST: Duration = Duration::from_secs(10);

/// Waits that double, each drawn evenly from its upper half, so that several writers and
/// collectors do not come back at the same moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backoff {
    tries: u32,
}

impl Backoff {
    pub(crate) fn next(&mut self) -> Duration {
        let whole = FIRST.saturating_mul(2_u32.saturating_pow(self.tries)).min(LONGEST);
        self.tries = self.tries.saturating_add(1).min(30);
        whole.mul_f64(0.5 + random() * 0.5)
    }
}

/// From 0 up to 1; the randomness of a fresh UUID is good enough for a wait.
fn random() -> f64 {
    let [.., a, b] = *Uuid::new_v4().as_bytes();
    f64::from(u16::from_le_bytes([a, b])) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_differ() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..40).map(|_| backoff.next()).collect();
        assert!(waits[0] >= FIRST / 2 && waits[0] <= FIRST);
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(waits[20..].iter().all(|wait| *wait >= LONGEST / 2));
        assert!(waits[20..].iter().any(|wait| *wait != waits[20]));
    }
}

//! When what happened to a stream.

/// When what happened to a stream, in nanoseconds: the start since 1970, the others since the start, −1
/// for what did not happen. Envoy 1.40 writes 176 bytes; there is room for what it may add.
#[repr(C)]
pub(crate) struct Timing {
    values: [i64; 32],
}

/// Places in what Envoy writes.
const START: usize = 0;
const FIRST_SENT_UPSTREAM: usize = 9;
const LAST_RECEIVED_UPSTREAM: usize = 13;
const COMPLETE: usize = 17;

impl Timing {
    /// Nothing happened.
    pub(crate) fn none() -> Self {
        Self { values: [-1; 32] }
    }

    /// Sets the times of the upstream.
    #[cfg(test)]
    pub(crate) fn set_upstream(&mut self, first_sent: i64, last_received: i64) {
        self.values[FIRST_SENT_UPSTREAM] = first_sent;
        self.values[LAST_RECEIVED_UPSTREAM] = last_received;
    }

    fn at(&self, place: usize) -> Option<u64> {
        self.values.get(place).and_then(|value| u64::try_from(*value).ok())
    }

    /// The start, since 1970.
    pub(crate) fn start_unix_ns(&self) -> Option<u64> {
        self.at(START)
    }

    /// The whole exchange.
    pub(crate) fn complete_ns(&self) -> Option<u64> {
        self.at(COMPLETE)
    }

    /// From the first byte sent to the upstream to the last received from it.
    pub(crate) fn upstream_ns(&self) -> Option<u64> {
        self.at(LAST_RECEIVED_UPSTREAM)?.checked_sub(self.at(FIRST_SENT_UPSTREAM)?)
    }
}

/// Has Envoy fill in the times; what it does not write did not happen.
pub(super) fn timing(fill: impl FnOnce(*mut Timing)) -> Timing {
    let mut timing = Timing::none();
    fill(&raw mut timing);
    timing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_happen_has_no_time() {
        let mut timing = Timing::none();
        assert_eq!(timing.start_unix_ns(), None);
        assert_eq!(timing.upstream_ns(), None);
        timing.set_upstream(10, -1);
        assert_eq!(timing.upstream_ns(), None);
        timing.set_upstream(10, 5);
        assert_eq!(timing.upstream_ns(), None, "never below zero");
        timing.set_upstream(10, 25);
        assert_eq!(timing.upstream_ns(), Some(15));
    }
}

//! When what happened to a stream.

/// When what happened to a stream, in nanoseconds: the start since 1970, the others since the start, −1
/// for what did not happen. Envoy 1.40 writes 176 bytes; there is room for what it may add.
#[repr(C)]
pub(crate) struct Timing {
    pub(super) values: [i64; 32],
}

impl Timing {
    fn at(&self, place: usize) -> Option<u64> {
        self.values.get(place).and_then(|value| u64::try_from(*value).ok())
    }

    /// The start, since 1970.
    pub(crate) fn start_unix_ns(&self) -> Option<u64> {
        self.at(0)
    }

    /// The whole exchange.
    pub(crate) fn complete_ns(&self) -> Option<u64> {
        self.at(17)
    }

    /// From the first byte sent to the upstream to the last received from it.
    pub(crate) fn upstream_ns(&self) -> Option<u64> {
        self.at(13)?.checked_sub(self.at(9)?)
    }
}

/// Has Envoy fill in the times; what it does not write did not happen.
pub(super) fn timing(fill: impl FnOnce(*mut Timing)) -> Timing {
    let mut timing = Timing { values: [-1; 32] };
    fill(&raw mut timing);
    timing
}

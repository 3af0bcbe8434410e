//! Time that passes when a test says so.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proxy_wasm_host::abi::v0_2_1::Clock;

/// Where the wall clock starts: 2026-01-26T02:11:57.469652Z.
const START_UNIX_NS: u64 = 1_769_393_517_469_652_000;

/// Nanoseconds since the start.
#[derive(Default)]
pub(crate) struct Time(AtomicU64);

impl Time {
    pub(crate) fn pass(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for Time {
    fn realtime_nanos(&self) -> u64 {
        START_UNIX_NS + self.monotonic_nanos()
    }

    fn monotonic_nanos(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

//! Envoy as the core's [`gatelog::host::Host`]: for a stream, for an access logger, for the main thread.

mod list;
pub(crate) mod logged;
pub(crate) mod main_thread;
mod source;
pub(crate) mod stream;

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use gatelog::host::Severity;

use crate::abi::callbacks::log;

/// The wall clock: nanoseconds since 1970.
pub(crate) fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// A clock that never goes back, the same on every thread.
pub(crate) fn monotonic_nanos() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = START.get_or_init(Instant::now).elapsed();
    // Never 0: the core takes times for later than its own beginnings.
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX).saturating_add(1)
}

/// Fills `bytes` from the system's source.
pub(crate) fn random(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_err() {
        // Never observed. Ids would then differ by time alone, so it is logged.
        log(Severity::Error, "gatelog: the system gives no random bytes");
    }
}

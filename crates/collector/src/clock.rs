//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use gatelog_record::Timestamp;

/// Milliseconds since the epoch.
pub fn now_millis() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// The instant as a record's timestamp.
pub fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_micros(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
}

//! A report's machine and time.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use gatelog_record::Timestamp;

/// `2 x Intel(R) Xeon(R) CPU, Linux 6.1.0`.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, name)| name);
    let release = read("/proc/sys/kernel/osrelease");
    format!("{cores} x {model}, Linux {}", release.trim())
}

/// The current time in UTC, to the second: `2026-01-26T02:11:57+00:00`.
pub(crate) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = since.as_secs().saturating_mul(1_000_000);
    let text = Timestamp::from_unix_micros(i64::try_from(micros).unwrap_or(0)).to_string();
    text.replace(".000000", "")
}

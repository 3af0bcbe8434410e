//! Pins processes to cores and reads how much processor time they have used.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Envoy's core.
pub(crate) const ENVOY_CORE: u32 = 0;

/// The core for load, upstream and collector.
pub(crate) const LOAD_CORE: u32 = 1;

/// The kernel's unit in /proc, the same on every Linux: `USER_HZ`.
const TICKS_PER_SECOND: u32 = 100;

/// Pins all threads of a process to one core.
pub(crate) fn pin(id: u32, core: u32) -> Result<()> {
    let mut command = Command::new("taskset");
    command.args(["--all-tasks", "--cpu-list", "--pid", &core.to_string(), &id.to_string()]);
    let status = command.stdout(Stdio::null()).status().context("taskset: install util-linux")?;
    ensure!(status.success(), "taskset: cannot pin process {id} to core {core}");
    Ok(())
}

/// Pins this process, and the load generators it starts, to one core.
pub(crate) fn pin_this_process(core: u32) -> Result<()> {
    pin(std::process::id(), core)
}

/// Processor time of all threads that a process has, to the nanosecond: for one whose threads live as
/// long as it does.
pub(crate) fn used_by_threads(id: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{id}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let nanos = text.split_whitespace().next().context("schedstat is empty")?;
        sum += Duration::from_nanos(nanos.parse()?);
    }
    Ok(sum)
}

/// Processor time that a process has used since it started, in user and kernel mode.
pub(crate) fn used(id: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // Skip the name, which may contain spaces: fields from 3 on (proc(5)); utime is 14, stime 15.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| {
        fields.get(field - 3).context("a field is missing")?.parse::<u32>().context("no number")
    };
    Ok(Duration::from_secs(1) * (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND)
}

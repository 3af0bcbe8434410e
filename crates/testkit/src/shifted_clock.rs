//! A wall clock that can be set for individual processes: they load a library (`shifted_clock.c`)
//! that adds an offset to the kernel's time. Clocks that measure elapsed time are unchanged, as
//! when an administrator sets the time.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

const SOURCE: &str = include_str!("shifted_clock.c");

/// The clock; it exists until this value is dropped.
#[derive(Debug)]
pub struct ShiftedClock {
    offset: File,
    directory: TempDir,
}

impl ShiftedClock {
    /// Creates one that is correct until it is set. Compiles the library, with `cc`.
    pub fn new() -> Result<Self> {
        let directory = TempDir::new()?;
        let inside = |name: &str| directory.path().join(name);
        fs::write(inside("clock.c"), SOURCE)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-shared", "-fPIC", "-o"]);
        let built = compiler.arg(inside("clock.so")).arg(inside("clock.c")).output();
        let built = built.context("starting 'cc' (Debian package gcc)")?;
        ensure!(built.status.success(), "cc: {}", String::from_utf8_lossy(&built.stderr));
        let offset = File::options().create_new(true).write(true).open(inside("offset"))?;
        let clock = Self { offset, directory };
        clock.set(0)?;
        Ok(clock)
    }

    /// The environment variables that make a process use this clock.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.display().to_string();
        let inside = |name: &str| text(self.directory.path().join(name));
        vec![
            ("LD_PRELOAD".to_owned(), inside("clock.so")),
            ("SHIFTED_CLOCK_OFFSET".to_owned(), inside("offset")),
        ]
    }

    /// Sets how many seconds it is ahead from now on, or behind if negative.
    pub fn set(&self, seconds: i64) -> Result<()> {
        Ok(self.offset.write_all_at(&seconds.to_ne_bytes(), 0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_the_clock_as_it_is_set() {
        let clock = ShiftedClock::new().unwrap();
        let seen = || {
            let output = Command::new("date").arg("+%s").envs(clock.environment()).output();
            let text = String::from_utf8(output.unwrap().stdout).unwrap();
            text.trim().parse::<i64>().unwrap()
        };
        let now = seen();
        clock.set(-3_600).unwrap();
        let earlier = seen();
        assert!((3_500..3_700).contains(&(now - earlier)), "{now} {earlier}");
    }
}

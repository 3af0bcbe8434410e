//! A pipe as Envoy's standard output, as a container has it, instead of a file.

use std::fs::File;
use std::io::{copy, sink};
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, ensure};

/// A named pipe whose reader discards what comes, if `BENCH_STDOUT` is `pipe`; otherwise `None`, a file.
pub(crate) fn from_environment() -> Result<Option<PathBuf>> {
    match std::env::var("BENCH_STDOUT").as_deref() {
        Err(_) | Ok("file") => Ok(None),
        Ok("pipe") => discarding().map(Some),
        Ok(other) => anyhow::bail!("BENCH_STDOUT = {other:?}: must be file or pipe"),
    }
}

fn discarding() -> Result<PathBuf> {
    let path = tempfile::tempdir()?.keep().join("stdout");
    let made = Command::new("mkfifo").arg(&path).status().context("mkfifo")?;
    ensure!(made.success(), "mkfifo {}", path.display());
    // Opened for both, so that opening waits for nobody, and reading does not end with a writer.
    let mut reader = File::options().read(true).write(true).open(&path)?;
    thread::spawn(move || copy(&mut reader, &mut sink()));
    Ok(path)
}

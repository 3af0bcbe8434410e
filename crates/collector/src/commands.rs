//! The commands of the program.

pub mod check;
pub mod dead_letters;
pub mod erase;
pub mod export;
pub mod find;
pub mod health;
mod printable;
mod query;
pub mod recount;
pub mod replay;
pub mod serve;
mod span;
pub mod tail;
mod target;
pub mod trace;

use std::fmt;
use std::future::Future;

use crate::config::Faults;
use crate::http::MAX_DECODERS;

/// Most threads for what blocks: one for every post that may be decoded, one to read the spool, and
/// one for whatever else waits for the system. A bound of memory: a batch that waits for one is in
/// memory as it came, not yet decompressed.
const BLOCKING_THREADS: usize = MAX_DECODERS + 2;

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The process's exit status: 1 failure, 2 invalid configuration.
    pub status: u8,
    /// The message for standard error; empty if everything was already printed.
    pub text: String,
}

impl Failure {
    /// The command failed.
    pub fn failed(text: impl fmt::Display) -> Self {
        Self { status: 1, text: text.to_string() }
    }

    /// The configuration is invalid, and nothing was started.
    pub fn configuration(text: impl fmt::Display) -> Self {
        Self { status: 2, text: format!("configuration:\n{text}") }
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Failure::configuration(faults)
    }
}

/// Runs a command on its own runtime.
pub fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    let done = runtime.block_on(command);
    // Calls to the database that were given up may still wait for their answers.
    runtime.shutdown_background();
    done
}

//! The gatelog collector.

#[cfg(target_env = "gnu")]
mod heap;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_env = "gnu")]
    heap::keep_small();
    gatelog_collector::cli::run(std::env::args_os())
}

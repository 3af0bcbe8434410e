//! The gatelog collector.

use std::process::ExitCode;

fn main() -> ExitCode {
    gatelog_collector::cli::run(std::env::args_os())
}

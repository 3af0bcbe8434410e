//! The gatelog console.

use std::process::ExitCode;

fn main() -> ExitCode {
    gatelog_console::cli::run(std::env::args_os())
}

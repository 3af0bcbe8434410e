//! The command line: commands and exit statuses.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use gatelog_collector::commands::block_on;

use crate::config::ServeArgs;
use crate::health::{self, HealthArgs};
use crate::serve;

/// What this program's own variables begin with.
const PREFIX: &str = "GATELOG_CONSOLE_";

/// Shows what gatelog stored: search, flows, and whether it is complete.
///
/// Every flag can also be set by the environment variable shown with it; durations carry units
/// (500ms, 10s, 5m, 2h, 30d).
#[derive(Parser, Debug)]
#[command(
    name = "gatelog-console",
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 success; 1 failure; \
                  2 the command line or the configuration is invalid, and nothing was started."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve the pages and the API
    ///
    /// SIGTERM and SIGINT: stop accepting, finish open requests, exit with 0.
    /// SIGHUP: reload the tokens and the certificates.
    Serve(Box<ServeArgs>),
    /// Ask a running console for its health: exit 0 if healthy (for a container's health check)
    Health(HealthArgs),
}

/// Runs the program.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        // Prints help to standard output and faults to standard error; exits 0 or 2.
        Err(error) => error.exit(),
    };
    let given = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let strange = strange(&settings(), given);
    let done = match cli.command {
        Command::Serve(args) => block_on(serve::run(&args, &strange)),
        Command::Health(args) => block_on(health::run(&args)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("gatelog-console: {}", failure.text);
            ExitCode::from(failure.status)
        }
    }
}

/// Every environment variable that any command reads.
fn settings() -> Vec<String> {
    let program = Cli::command();
    let arguments = program.get_subcommands().flat_map(clap::Command::get_arguments);
    let names = arguments.filter_map(|argument| argument.get_env()?.to_str());
    names.map(str::to_owned).collect()
}

/// A line for each variable that looks like a setting and is none: it would be ignored silently.
fn strange(settings: &[String], given: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<_> = given
        .filter(|name| name.starts_with(PREFIX) && !settings.contains(name) && !is_link(name))
        .map(|name| {
            let name = name.escape_debug();
            format!(
                "{name} is not a setting of the console and is ignored; see gatelog-console serve \
                 --help"
            )
        })
        .collect();
    lines.sort();
    lines
}

/// Kubernetes gives every container such variables for each service.
fn is_link(name: &str) -> bool {
    name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_PORT_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_mistyped_setting_is_told_and_a_service_link_is_not() {
        let told = strange(
            &settings(),
            ["GATELOG_CONSOLE_LISTEN", "GATELOG_CONSOLE_LISTN", "GATELOG_CONSOLE_PORT", "PATH"]
                .map(str::to_owned)
                .into_iter(),
        );
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("GATELOG_CONSOLE_LISTN is not a setting"), "{told:?}");
    }
}

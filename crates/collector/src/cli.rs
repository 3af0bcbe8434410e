//! The command line: commands and exit statuses.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::commands::dead_letters::{self, DeadLettersArgs};
use crate::commands::erase::{self, EraseArgs};
use crate::commands::export::{self, ExportArgs};
use crate::commands::find::{self, FindArgs};
use crate::commands::health::{self, HealthArgs};
use crate::commands::recount::{self, RecountArgs};
use crate::commands::replay::{self, ReplayArgs};
use crate::commands::tail::{self, TailArgs};
use crate::commands::trace::{self, TraceArgs};
use crate::commands::{self, check, serve};
use crate::config::{ServeArgs, environment};

/// Receives batches of gatelog records, spools them durably and stores them in MongoDB.
///
/// Without a command it runs `serve`. Every flag can also be set by the environment variable shown
/// with it; durations and sizes carry units (500ms, 10s, 5m, 2h, 30d; 64KiB, 8MiB, 1GiB).
#[derive(Parser, Debug)]
#[command(
    name = "gatelog-collector",
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 success; 1 failure, or partial failure; \
                  2 the command line or the configuration is invalid, and nothing was started."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Accept batches and write them to MongoDB (the default)
    ///
    /// SIGTERM and SIGINT: stop accepting, finish open requests, commit, exit with 0.
    /// SIGHUP: reload the tokens and the certificates.
    Serve(Box<ServeArgs>),
    /// Check the configuration and everything that `serve` needs
    Check(Box<ServeArgs>),
    /// Ask a running collector for its health: exit 0 if healthy (for a container's health check)
    Health(HealthArgs),
    /// Print all records of one correlation id as a tree, with durations and errors
    ///
    /// Nesting follows span ids and request ids if the records have them, else time.
    Trace(TraceArgs),
    /// Print the newest records that match a query
    ///
    /// Searches the collections of all levels back in time. How far it came, and whether the limit
    /// left out records, goes to standard error. docs/search.md has the language of queries.
    Find(FindArgs),
    /// Write all records that match a query, as NDJSON or CSV
    ///
    /// Streams them to standard output, newest first; progress goes to standard error.
    Export(ExportArgs),
    /// Print records that match a query as the collectors accept them
    ///
    /// Until it is interrupted. A collector that cannot be reached is named, and tried again; records
    /// that were left out because there were too many are counted.
    Tail(TailArgs),
    /// Send the records of journals that a collector does not have yet
    ///
    /// A journal is what Envoy wrote to standard output or its access log file; lines that are not
    /// records are skipped. Records that the collector has are not sent, and records sent twice are
    /// stored once, so an interrupted replay can be rerun. Prints its result as JSON.
    Replay(ReplayArgs),
    /// Count stored records again, and replace the rollups of some hours
    ///
    /// For records that no collector has counted: stored by an earlier version or without rollups, or
    /// by a collector that was lost with its disk. Progress goes to standard error; prints its
    /// result as JSON.
    Recount(RecountArgs),
    /// Delete the records of a user, organization or conversation, and keep them deleted
    ///
    /// Writes a tombstone, waits until every collector knows it and inserts no such record any more,
    /// then deletes what is stored, and looks again until nothing is found. Progress goes to standard
    /// error. May be interrupted and run again. What is not erased is named at the end.
    Erase(EraseArgs),
    /// List, retry or delete records that could not be stored
    ///
    /// Works on the spool's directory, whether or not a collector is running on it.
    DeadLetters(DeadLettersArgs),
    /// Print a shell completion script
    ///
    /// For bash: gatelog-collector completions bash > /etc/bash_completion.d/gatelog-collector
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Runs the program.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(with_command(arguments.collect())) {
        Ok(cli) => cli,
        // Prints help to standard output and faults to standard error; exits 0 or 2.
        Err(error) => error.exit(),
    };
    let strange = environment::strange(&settings(), &given());
    if !matches!(cli.command, Command::Serve(_)) {
        for line in &strange {
            eprintln!("gatelog-collector: warning: {line}");
        }
    }
    let done = match cli.command {
        Command::Serve(args) => commands::block_on(serve::run(&args, &strange)),
        Command::Check(args) => commands::block_on(check::run(&args)),
        Command::Health(args) => commands::block_on(health::run(&args)),
        Command::Trace(args) => commands::block_on(trace::run(&args)),
        Command::Find(args) => commands::block_on(find::run(&args)),
        Command::Tail(args) => commands::block_on(tail::run(&args)),
        Command::Export(args) => commands::block_on(export::run(&args)),
        Command::Replay(args) => commands::block_on(replay::run(&args)),
        Command::Recount(args) => commands::block_on(recount::run(&args)),
        Command::Erase(args) => commands::block_on(erase::run(&args)),
        Command::DeadLetters(args) => dead_letters::run(&args),
        Command::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(
                shell,
                &mut command,
                "gatelog-collector",
                &mut std::io::stdout(),
            );
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.text.is_empty() {
                eprintln!("gatelog-collector: {}", failure.text);
            }
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

/// The names of all variables that are set.
fn given() -> Vec<String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
}

/// Adds `serve` if no command is named.
fn with_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let names_one = match arguments.get(1).and_then(|first| first.to_str()) {
        Some("-h" | "--help" | "-V" | "--version") => true,
        Some(first) => !first.starts_with('-'),
        None => false,
    };
    if !names_one {
        arguments.insert(arguments.len().min(1), "serve".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_settings_are_those_that_the_help_names() {
        let settings = settings();
        for name in ["MONGODB_URI", "GATELOG_URL", "GATELOG_SPOOL_DIR", "LOG_LEVEL"] {
            assert!(settings.iter().any(|known| known == name), "{name}");
        }
    }

    #[test]
    fn serving_is_the_default() {
        for line in [&["gatelog-collector"][..], &["gatelog-collector", "--listen=127.0.0.1:0"]] {
            let line = with_command(line.iter().map(OsString::from).collect());
            assert!(matches!(Cli::parse_from(line).command, Command::Serve(_)));
        }
        let line = with_command(vec!["gatelog-collector".into(), "check".into()]);
        assert!(matches!(Cli::parse_from(line).command, Command::Check(_)));
    }
}

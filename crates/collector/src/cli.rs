//! The command line: what can be asked, and how it ends.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::commands::dead_letters::{self, DeadLettersArgs};
use crate::commands::health::{self, HealthArgs};
use crate::commands::replay::{self, ReplayArgs};
use crate::commands::trace::{self, TraceArgs};
use crate::commands::{self, check, serve};
use crate::config::{ServeArgs, environment};

/// Receives gatelog batches, spools them durably, stores them in MongoDB.
///
/// Without a command it serves. Every flag can be given as the environment variable named beside
/// it; durations and sizes carry units (500ms, 10s, 5m, 2h, 30d; 64KiB, 8MiB, 1GiB).
#[derive(Parser, Debug)]
#[command(
    name = "gatelog-collector",
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 done as asked; 1 it failed, or part of it did; \
                  2 the command line or the configuration is wrong, and nothing was started."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Accept batches and write them to MongoDB (the default)
    ///
    /// SIGTERM and SIGINT: accept no more, finish what is open, commit, exit 0.
    /// SIGHUP: reread the tokens and the certificates.
    Serve(Box<ServeArgs>),
    /// Check the configuration and every connection that serving would need
    Check(Box<ServeArgs>),
    /// Ask a serving collector whether it lives: exit 0 if so (what a container's health check runs)
    Health(HealthArgs),
    /// Print all records of one correlation id as a tree, with durations and errors
    ///
    /// What is part of what is told by span ids and request ids where the records have them, else
    /// by time.
    Trace(TraceArgs),
    /// Deliver what journals hold and a collector misses
    ///
    /// A journal is what Envoy printed, or its access log file: lines that are no records are
    /// passed over. Records that the collector knows are not sent, and what is sent twice is
    /// stored once, so a replay that was broken off is run again. Prints its result as JSON.
    Replay(ReplayArgs),
    /// List, retry or remove records that could not be stored
    ///
    /// Works on the spool's directory, while a collector serves from it or not.
    DeadLetters(DeadLettersArgs),
    /// Print a script that completes this program's commands and flags in a shell
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
        Command::Replay(args) => commands::block_on(replay::run(&args)),
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

/// The names of the variables that are set.
fn given() -> Vec<String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
}

/// Serving is what is meant when no command is named.
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

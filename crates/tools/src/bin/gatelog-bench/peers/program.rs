//! The programs that receive JSON records over TCP, one per line, and store each one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatelog_testkit::{
    Database, Process, bound_command, checkout, eventually, tool_path, unreachable_address,
};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Timeout for a program to start listening.
const START: Duration = Duration::from_secs(20);

/// A program that stores records in place of the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Python, `insert_one` for each record.
    InsertEach,
    /// Python, `insert_one` for each document that the collector makes from a record.
    InsertEachDocument,
    /// Its MongoDB destination, with the default settings.
    SyslogNg,
    /// `ommongodb`, with the default settings except for a longer queue.
    Rsyslog,
}

/// A running program, and the connection that feeds it.
pub(super) struct Running {
    pub(super) process: Process,
    connection: TcpStream,
    // Declared after the process: removed once it has exited.
    _directory: TempDir,
}

impl Program {
    /// The package that it comes from, with its version, as found by `scripts/peers.sh`.
    pub(super) fn package(self) -> Option<String> {
        let name = self.unpacked_as()?;
        let packages = fs::read_to_string(peers().join(format!("{name}.stamp"))).ok()?;
        let own = [format!("{name}-core_"), format!("{name}_")];
        let found = packages.lines().find(|line| own.iter().any(|own| line.starts_with(own)));
        found.map(|line| line.trim_end_matches(".deb").to_owned())
    }

    fn unpacked_as(self) -> Option<&'static str> {
        match self {
            Program::InsertEach | Program::InsertEachDocument => None,
            Program::SyslogNg => Some("syslog-ng"),
            Program::Rsyslog => Some("rsyslog"),
        }
    }

    /// Starts it so that it stores into `database`.
    pub(super) async fn start(self, database: &Database) -> Result<Running> {
        let directory = TempDir::new()?;
        let mut command = self.command(directory.path())?;
        // The port is reserved, and then released for the program.
        let (address, taken) = unreachable_address()?;
        drop(taken);
        let uri = match self {
            Program::SyslogNg => with_database(database.uri(), database.name()),
            _ => database.uri().to_owned(),
        };
        command.env("PORT", address.port().to_string());
        command.env("MONGODB_URI", uri).env("DATABASE", database.name());
        let mut process = Process::start("peer", command, directory.path())?;
        let connection = eventually("it listens", START, async || {
            process.ensure_running()?;
            Ok(TcpStream::connect(address).await?)
        })
        .await?;
        Ok(Running { process, connection, _directory: directory })
    }

    fn command(self, directory: &Path) -> Result<Command> {
        let own = checkout().join("crates/tools/src/bin/gatelog-bench/peers");
        let scratch = |name: &str| directory.join(name);
        let prefix = peers().join(self.unpacked_as().unwrap_or_default());
        let command = match self {
            Program::InsertEach | Program::InsertEachDocument => {
                let mut command = bound_command(&tool_path("python")?);
                command.arg(own.join("insert_each.py"));
                command.args((self == Program::InsertEachDocument).then_some("all"));
                command
            }
            Program::SyslogNg => {
                let modules = library(&prefix, "libafmongodb.so")?;
                let mut command = unpacked(&prefix, "usr/sbin/syslog-ng")?;
                command.args(["--foreground", "--no-caps", "--cfgfile"]);
                command.arg(own.join("syslog-ng.conf")).arg("--module-path").arg(modules);
                command.arg("--persist-file").arg(scratch("persist"));
                command.arg("--control").arg(scratch("control"));
                command.arg("--pidfile").arg(scratch("pid"));
                command
            }
            Program::Rsyslog => {
                let modules = library(&prefix, "ommongodb.so")?;
                let mut command = unpacked(&prefix, "usr/sbin/rsyslogd")?;
                command.arg("-n").arg("-f").arg(own.join("rsyslog.conf"));
                command.arg("-M").arg(modules).arg("-i").arg(scratch("pid"));
                command
            }
        };
        Ok(command)
    }
}

impl Running {
    /// Sends lines to it; it may not have stored them when this returns.
    pub(super) async fn feed(&mut self, lines: &[u8]) -> Result<()> {
        self.connection.write_all(lines).await.context("feeding it records")
    }
}

fn peers() -> PathBuf {
    checkout().join(".tools/peers")
}

/// The command that runs a program from unpacked packages, with their libraries.
fn unpacked(prefix: &Path, program: &str) -> Result<Command> {
    let mut command = bound_command(&prefix.join(program));
    let mut found = Vec::new();
    for libraries in ["usr/lib", "lib"] {
        let libraries = prefix.join(libraries);
        if libraries.exists() {
            library_directories(&libraries, &mut found)?;
        }
    }
    command.env("LD_LIBRARY_PATH", std::env::join_paths(found)?);
    Ok(command)
}

/// The directory under `prefix` that contains a module.
fn library(prefix: &Path, module: &str) -> Result<PathBuf> {
    let whole = prefix.with_extension("stamp").exists();
    ensure!(whole, "not unpacked: run 'scripts/peers.sh' where there is apt-get");
    let mut found = Vec::new();
    library_directories(&prefix.join("usr/lib"), &mut found)?;
    let holds = found.into_iter().find(|directory| directory.join(module).exists());
    holds.with_context(|| format!("{module} is not in {}", prefix.display()))
}

/// All directories under `from`, including itself.
fn library_directories(from: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    found.push(from.to_owned());
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            library_directories(&entry.path(), found)?;
        }
    }
    Ok(())
}

/// A connection string that names the database, as syslog-ng requires.
fn with_database(uri: &str, name: &str) -> String {
    let (address, options) = uri.split_once('?').unwrap_or((uri, ""));
    format!("{}/{name}?{options}", address.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_names_the_database_before_its_options() {
        assert_eq!(with_database("mongodb://h:1/", "d"), "mongodb://h:1/d?");
        assert_eq!(with_database("mongodb://h:1/?a=b", "d"), "mongodb://h:1/d?a=b");
    }
}

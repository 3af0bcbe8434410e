//! The shipped collector: the binary, running as a process.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, bound_command};
use crate::{Client, Database, Reply, eventually, paths};

/// Timeout for the collector to start listening and to exit.
const PATIENCE: Duration = Duration::from_secs(30);

/// Options for starting a collector.
#[derive(Clone, Debug, Default)]
pub struct CollectorOptions {
    /// Environment variables in addition to those for the database, the spool and the address.
    pub environment: Vec<(String, String)>,
}

/// A running collector.
#[derive(Debug)]
pub struct Collector {
    program: PathBuf,
    process: Process,
    address: SocketAddr,
    database: Database,
    options: CollectorOptions,
    // Declared after the process: removed once it has exited.
    directory: TempDir,
}

impl Collector {
    /// Starts a collector with an empty spool that writes to `database`.
    pub async fn start(database: &Database, options: CollectorOptions) -> Result<Self> {
        Self::start_program(&paths::collector()?, database, options).await
    }

    /// Starts another program than the one under test: a collector of an earlier version.
    pub async fn start_program(
        program: &Path,
        database: &Database,
        options: CollectorOptions,
    ) -> Result<Self> {
        let directory = TempDir::new()?;
        let (process, address) =
            launch(program, &directory, database, &options, "127.0.0.1:0").await?;
        let (program, database) = (program.to_owned(), database.clone());
        Ok(Self { program, process, address, database, options, directory })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process, to stop, resume or inspect it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The directory of its spool.
    pub fn spool(&self) -> PathBuf {
        self.directory.path().join("spool")
    }

    /// Sends SIGTERM; returns an error unless it exits by itself with status 0.
    pub fn stop(&mut self) -> Result<()> {
        let ended = self.process.terminate(PATIENCE)?;
        ensure!(ended.success(), "the collector ended with {ended}:\n{}", self.process.stderr());
        Ok(())
    }

    /// Sends SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again after [`stop`](Self::stop) or [`kill`](Self::kill), with the same address,
    /// spool and database.
    pub async fn restart(&mut self) -> Result<()> {
        let address = self.address.to_string();
        let Self { program, directory, database, options, .. } = &*self;
        let (process, _) = launch(program, directory, database, options, &address).await?;
        self.process = process;
        Ok(())
    }

    /// `GET path` on its HTTP interface.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        Client::default().get(self.address, path).await
    }

    /// `GET /v1/accounting`.
    pub async fn accounting(&self) -> Result<Value> {
        self.get("/v1/accounting").await?.json()
    }

    /// Another of its commands (`trace`, `replay`, …) with the same environment, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(&self.program);
        configure(&mut command, &self.directory, &self.database, &self.options);
        command.env("GATELOG_LISTEN", self.address.to_string()).args(arguments);
        Ok(command)
    }
}

fn configure(
    command: &mut Command,
    directory: &TempDir,
    database: &Database,
    options: &CollectorOptions,
) {
    command.env("MONGODB_URI", database.uri());
    command.env("GATELOG_DATABASE", database.name());
    command.env("GATELOG_SPOOL_DIR", directory.path().join("spool"));
    command.envs(options.environment.iter().map(|(name, value)| (name, value)));
}

async fn launch(
    program: &Path,
    directory: &TempDir,
    database: &Database,
    options: &CollectorOptions,
    listen: &str,
) -> Result<(Process, SocketAddr)> {
    let address_file = directory.path().join("address");
    if address_file.exists() {
        fs::remove_file(&address_file)?;
    }
    let mut command = bound_command(program);
    configure(&mut command, directory, database, options);
    command.env("GATELOG_LISTEN", listen).arg("--address-file").arg(&address_file);
    let mut process = Process::start("collector", command, directory.path())?;
    let address = eventually("the collector listens", PATIENCE, async || {
        process.ensure_running()?;
        Ok(fs::read_to_string(&address_file)?.trim().parse()?)
    })
    .await?;
    Ok((process, address))
}

//! An example service: its program, running as a process behind the gateway.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;

use crate::process::{Process, bound_command};
use crate::{eventually, paths};

/// Timeout for the service to start listening and to exit.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running example service.
#[derive(Debug)]
pub struct ExampleService {
    process: Process,
    address: SocketAddr,
    gateway_file: PathBuf,
    // Declared after the process: removed once it has exited.
    _directory: TempDir,
}

impl ExampleService {
    /// Starts the program with this name, which sends its records to the collector.
    pub async fn start(name: &str, collector: SocketAddr) -> Result<Self> {
        let directory = TempDir::new()?;
        let inside = |name: &str| directory.path().join(name);
        let (address_file, gateway_file) = (inside("address"), inside("gateway"));
        let mut command = bound_command(&paths::example(name)?);
        command.env("LISTEN", "127.0.0.1:0").env("ADDRESS_FILE", &address_file);
        command.env("COLLECTOR_URL", format!("http://{collector}"));
        command.env("GATEWAY_FILE", &gateway_file).env_remove("LOG_LEVEL");
        let mut process = Process::start(name, command, directory.path())?;
        let address = eventually("the example service listens", PATIENCE, async || {
            process.ensure_running()?;
            Ok(fs::read_to_string(&address_file)?.trim().parse()?)
        })
        .await?;
        Ok(Self { process, address, gateway_file, _directory: directory })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells it where the gateway is: it starts first, and calls the gateway only later.
    pub fn call_through(&self, gateway: SocketAddr) -> Result<()> {
        Ok(fs::write(&self.gateway_file, gateway.to_string())?)
    }

    /// The lines of its standard output.
    pub fn lines(&self) -> Result<Vec<String>> {
        Ok(fs::read_to_string(self.process.stdout())?.lines().map(str::to_owned).collect())
    }

    /// Sends SIGTERM and waits: it sends what waits before it exits.
    pub fn stop(&mut self) -> Result<()> {
        let ended = self.process.terminate(PATIENCE)?;
        anyhow::ensure!(ended.success(), "it ended with {ended}:\n{}", self.process.stderr());
        Ok(())
    }
}

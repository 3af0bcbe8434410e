//! The shipped console: the binary, running as a process.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::process::{Process, bound_command};
use crate::{Database, eventually, paths};

/// Timeout for the console to start listening and to exit.
const PATIENCE: Duration = Duration::from_secs(30);

/// Options for starting a console.
#[derive(Clone, Debug)]
pub struct ConsoleOptions {
    /// The address to listen on.
    pub listen: String,
    /// Environment variables in addition to those for the database, the address and the code.
    pub environment: Vec<(String, String)>,
    /// The viewers' tokens, one line each as in `GATELOG_CONSOLE_TOKENS_FILE`.
    pub viewers: Vec<String>,
}

impl Default for ConsoleOptions {
    /// On a free port, for whoever has its link.
    fn default() -> Self {
        Self { listen: "127.0.0.1:0".to_owned(), environment: Vec::new(), viewers: Vec::new() }
    }
}

/// A running console.
#[derive(Debug)]
pub struct Console {
    process: Process,
    address: SocketAddr,
    // Declared after the process: removed once it has exited.
    directory: TempDir,
}

impl Console {
    /// Starts a console that shows `database`.
    pub async fn start(database: &Database, options: ConsoleOptions) -> Result<Self> {
        let directory = TempDir::new()?;
        let inside = |name: &str| directory.path().join(name);
        let address_file = inside("address");
        let mut command = bound_command(&paths::console()?);
        command.arg("serve").env("MONGODB_URI", database.uri());
        command.env("GATELOG_DATABASE", database.name());
        command.env("GATELOG_CONSOLE_LISTEN", options.listen);
        command.env("GATELOG_CONSOLE_ADDRESS_FILE", &address_file);
        command.env("GATELOG_CONSOLE_CODE_FILE", inside("code"));
        if !options.viewers.is_empty() {
            fs::write(inside("viewers"), options.viewers.join("\n"))?;
            command.env("GATELOG_CONSOLE_TOKENS_FILE", inside("viewers"));
        }
        command.envs(options.environment);
        let mut process = Process::start("console", command, directory.path())?;
        let address = eventually("the console listens", PATIENCE, async || {
            process.ensure_running()?;
            Ok(fs::read_to_string(&address_file)?.trim().parse()?)
        })
        .await?;
        Ok(Self { process, address, directory })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process, to stop or inspect it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The code that signs in next, with the role all. Once used, there is another one.
    pub fn code(&self) -> Result<String> {
        let code = fs::read_to_string(self.directory.path().join("code"));
        Ok(code.context("the console's code")?.trim().to_owned())
    }

    /// The link that signs in with [`code`](Self::code).
    pub fn link(&self) -> Result<String> {
        Ok(format!("http://{}/#code={}", self.address, self.code()?))
    }

    /// Sends SIGTERM; returns an error unless it exits by itself with status 0.
    pub fn stop(&mut self) -> Result<()> {
        let ended = self.process.terminate(PATIENCE)?;
        ensure!(ended.success(), "the console ended with {ended}:\n{}", self.process.stderr());
        Ok(())
    }
}

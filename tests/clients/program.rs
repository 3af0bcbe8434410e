//! Third-party programs, as processes that end with the test.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use gatelog_testkit::{checkout, tool_path};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Maximum time for a client to finish, and for a service to start listening.
const PATIENCE: Duration = Duration::from_mins(2);

/// The output of a program that has ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program to be started; killed when its value is dropped.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Starts a program.
pub(crate) fn start(mut command: Command) -> Child {
    let program = command.as_std().get_program().to_owned();
    command
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}: run 'make tools'", program.display()))
}

/// Runs a program to its end.
pub(crate) async fn run(command: Command) -> Ended {
    let what = format!("{:?}", command.as_std());
    let ended = timeout(PATIENCE, start(command).wait_with_output()).await;
    let output = ended.unwrap_or_else(|_| panic!("{what}: no end within {PATIENCE:?}")).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs a program that must succeed, and returns its output.
pub(crate) async fn output_of(command: Command) -> String {
    let what = format!("{:?}", command.as_std());
    let ended = run(command).await;
    assert!(ended.status.success(), "{what}: {}\n{}{}", ended.status, ended.stdout, ended.stderr);
    ended.stdout
}

/// A script of this directory, for the Python or the Node that has the clients' libraries.
pub(crate) fn script(name: &str) -> Command {
    let mut command = if Path::new(name).extension() == Some(OsStr::new("js")) {
        let mut node = command("node");
        let modules = checkout().join(".tools/clients/node_modules");
        assert!(modules.exists(), "{} is missing: run 'make tools'", modules.display());
        node.env("NODE_PATH", modules);
        node
    } else {
        command(tool_path("python3").unwrap())
    };
    command.arg(checkout().join("tests/clients").join(name));
    command
}

/// Runs a script of this directory, and returns what it reports about its exchange.
pub(crate) async fn told_by(name: &str, arguments: &[&str]) -> Value {
    let mut command = script(name);
    command.args(arguments);
    let told = output_of(command).await;
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{name}: {error}: {told}"))
}

/// A service that ends with its value: its script ends when its input does.
pub(crate) struct Service {
    address: SocketAddr,
    _process: Child,
}

impl Service {
    /// Starts a script of this directory that prints the port it listens on.
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, &[]).await
    }

    /// Starts it with these environment variables.
    pub(crate) async fn start_with(name: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = script(name);
        command.envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = start(command);
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = timeout(PATIENCE, lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{name}: no port within {PATIENCE:?}"));
        let port = line.unwrap().unwrap_or_else(|| panic!("{name} ended without a port"));
        let address = SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap()));
        Self { address, _process: process }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

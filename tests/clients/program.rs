//! Programs of others, as processes that end with the test.

use std::ffi::OsStr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Longest that a client may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a program that has ended left behind.
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

/// Runs a program that must succeed, and gives what it printed.
pub(crate) async fn output_of(command: Command) -> String {
    let what = format!("{:?}", command.as_std());
    let ended = run(command).await;
    assert!(ended.status.success(), "{what}: {}\n{}{}", ended.status, ended.stdout, ended.stderr);
    ended.stdout
}

//! A child process that never outlives its owner: it is stopped and reaped on drop, and killed by
//! the kernel when the test process itself is killed.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use anyhow::{Context, Result, bail};
pub use rustix::process::Signal;

use crate::Hopeless;
use rustix::process::{Pid, kill_process};

/// How long a process may take to exit after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// How many of the last lines of a process's log an error or a failed test shows.
const SHOWN_LINES: usize = 20;

/// A running program, with its output in files.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

type Spawn = (Command, Sender<io::Result<Child>>);

/// The kernel kills a child when the *thread* that started it ends (`setpriv --pdeathsig`), so one
/// thread that lives as long as the process starts all children.
static SPAWNER: LazyLock<Sender<Spawn>> = LazyLock::new(|| {
    let (sender, orders) = channel::<Spawn>();
    thread::spawn(move || {
        for (mut command, answer) in orders {
            // A caller that is gone needs no answer.
            drop(answer.send(command.spawn()));
        }
    });
    sender
});

fn spawn(command: Command) -> Result<Child> {
    let (answer, answered) = channel();
    SPAWNER.send((command, answer)).context("the thread that starts processes has ended")?;
    Ok(answered.recv()??)
}

/// The command that runs `program` bound to this process's lifetime, if the system supports that.
pub fn bound_command(program: &Path) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    let mut command = if setpriv.exists() {
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // Ctrl-C in a terminal should reach only this program, which then stops the children in order.
    command.process_group(0);
    command
}

impl Process {
    /// Starts `command`, made by [`bound_command`], with its output appended to `NAME.stdout` and
    /// `NAME.stderr` in `directory`.
    pub fn start(name: &str, command: Command, directory: &Path) -> Result<Self> {
        let stdout = directory.join(format!("{name}.stdout"));
        Self::start_into(name, command, directory, stdout)
    }

    /// Starts it with its standard output appended to `stdout`, which may be a named pipe.
    pub fn start_into(
        name: &str,
        mut command: Command,
        directory: &Path,
        stdout: PathBuf,
    ) -> Result<Self> {
        let stderr = directory.join(format!("{name}.stderr"));
        let append = |path: &Path| {
            File::options().create(true).append(true).open(path).context("opening a log file")
        };
        command.stdin(Stdio::null()).stdout(append(&stdout)?).stderr(append(&stderr)?);
        let child = spawn(command).with_context(|| format!("starting {name}"))?;
        Ok(Self { name: name.to_owned(), child, stdout, stderr })
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file that captures its standard output.
    pub fn stdout(&self) -> &Path {
        &self.stdout
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        fs::read(&self.stderr)
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .unwrap_or_default()
    }

    /// Fails, with the last lines of its log, if the process has exited: waiting cannot fix that.
    pub fn ensure_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = self.last_lines();
            bail!(Hopeless(format!("{} ended with {status}:\n{log}", self.name)));
        }
        Ok(())
    }

    /// Sends a signal. Does nothing if the process has already exited.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.context("a process id out of range")?, signal)?;
        Ok(())
    }

    /// Waits for the process to exit by itself; `None` if it does not within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() >= deadline {
                return Ok(ended);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends SIGTERM and waits; returns an error if the process does not exit within `limit`.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait(limit)?
            .with_context(|| format!("{} did not end within {limit:?} of SIGTERM", self.name))
    }

    /// Sends SIGKILL and waits for the process to exit.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Resident memory in bytes (`VmRSS`).
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u64 = line.context("no VmRSS")?.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }

    fn last_lines(&self) -> String {
        let text = self.stderr();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(SHOWN_LINES);
        lines.into_iter().skip(from).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        if thread::panicking() {
            eprintln!("--- last lines of {}'s log ---\n{}", self.name, self.last_lines());
        }
        if self.terminate(GRACE).is_err() {
            drop(self.kill());
        }
    }
}

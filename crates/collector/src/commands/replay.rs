//! `replay`: delivers what a gateway's journal holds and a collector misses.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::Failure;
use super::target::TargetArgs;
use crate::client::Client;
use crate::config::Faults;
use crate::config::units::duration;
use crate::replay::{Notice, Replay, ReplayError, Tally};

/// How much of a journal is read at once.
const BUFFER_BYTES: usize = 256 << 10;
/// Damaged lines that are named for each journal; all of them are counted.
const NAMED_LINES: u64 = 20;

/// What to replay, and where to.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// Journals: what Envoy printed, one JSON record a line among other lines; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
    /// File with a bearer token of the collector; its first line is taken
    #[arg(long, value_name = "FILE", env = "GATELOG_TOKENS_FILE")]
    token_file: Option<PathBuf>,
    /// How long to try while the collector is away or full
    #[arg(long, value_name = "TIME", default_value = "5m")]
    patience: String,
}

/// Replays the files, and prints what became of them as one line of JSON.
///
/// # Errors
///
/// The collector is away or refuses, a file cannot be read, or a record was not taken.
pub async fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let mut faults = Faults::default();
    let patience = faults.take("--patience", &args.patience, duration(&args.patience));
    let given = |file: &Option<PathBuf>| file.clone().filter(|file| !file.as_os_str().is_empty());
    let client = Client::new(&args.target.with_token(given(&args.token_file)));
    let client = client.map_err(|error| faults.add_rule(error)).ok();
    let (Some(client), Some(patience)) = (client, patience) else {
        return Err(faults.into());
    };
    let mut replay = Replay::new(client, patience);
    let mut result = Ok(());
    for file in &args.files {
        result = one(&mut replay, file).await;
        if result.is_err() {
            break;
        }
    }
    let tally = replay.tally();
    println!("{}", summary(tally));
    result?;
    if tally.quarantined > 0 || tally.refused > 0 {
        return Err(Failure::failed(
            "some records were not stored: see the collector's dead letters",
        ));
    }
    Ok(())
}

async fn one(replay: &mut Replay, file: &PathBuf) -> Result<(), Failure> {
    let name = file.display().to_string();
    let fault = |error: ReplayError| Failure::failed(format!("\"{name}\": {error}"));
    let mut told = Told::new(&name);
    if file.as_os_str() == "-" {
        let input = BufReader::with_capacity(BUFFER_BYTES, io::stdin());
        replay.journal(input, |notice| told.tell(&notice)).await.map_err(fault)
    } else {
        let input = File::open(file).map_err(|error| fault(ReplayError::Read(error)))?;
        let input = BufReader::with_capacity(BUFFER_BYTES, input);
        replay.journal(input, |notice| told.tell(&notice)).await.map_err(fault)
    }
}

fn summary(tally: &Tally) -> serde_json::Value {
    json!({
        "lines": tally.lines, "records": tally.records, "other": tally.other,
        "damaged": tally.damaged, "salvaged": tally.salvaged, "without_id": tally.without_id,
        "known": tally.known, "sent": tally.sent, "quarantined": tally.quarantined,
        "refused": tally.refused,
    })
}

/// Says on standard error how far it is, now and then, and which lines are damaged.
struct Told<'a> {
    name: &'a str,
    every: Duration,
    reported: Instant,
    damaged: u64,
}

impl<'a> Told<'a> {
    fn new(name: &'a str) -> Self {
        let seconds = if io::stderr().is_terminal() { 1 } else { 30 };
        Self { name, every: Duration::from_secs(seconds), reported: Instant::now(), damaged: 0 }
    }

    fn tell(&mut self, notice: &Notice<'_>) {
        match notice {
            Notice::Progress(tally) => self.progress(tally),
            Notice::Damaged { line, records, reason } => {
                self.damaged = self.damaged.saturating_add(1);
                if self.damaged <= NAMED_LINES {
                    eprintln!("{}:{line}: {reason}; whole records in it: {records}", self.name);
                } else if self.damaged == NAMED_LINES.saturating_add(1) {
                    eprintln!("{}: more lines are damaged: see the count", self.name);
                }
            }
        }
    }

    fn progress(&mut self, tally: &Tally) {
        if self.reported.elapsed() >= self.every {
            self.reported = Instant::now();
            let Tally { bytes, records, known, sent, .. } = tally;
            let mib = bytes >> 20;
            eprintln!("{}: {mib} MiB, {records} records, {known} known, {sent} sent", self.name);
        }
    }
}

//! `replay`: delivers what a gateway's journal holds and a collector misses.

mod input;

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use gatelog_record::units::parse_duration;

use super::Failure;
use super::target::TargetArgs;
use crate::config::Faults;
use crate::replay::{Notice, Replay, ReplayError, Tally};
use gatelog_delivery::client::Client;

/// Damaged lines that are named for each journal; all of them are counted.
const NAMED_LINES: u64 = 20;

/// What to replay, and where to.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// Journals: what Envoy printed, one JSON record a line among other lines, gzipped or not; - is
    /// standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
    /// File with a bearer token of the collector: the first word of its first line that is neither
    /// empty nor a comment (#), as in the collector's own file of tokens; it must send and read
    #[arg(long, value_name = "FILE", env = "GATELOG_TOKENS_FILE")]
    token_file: Option<PathBuf>,
    /// How long to try while the collector is away or full [default: 5m, but 10s where it never
    /// answered]
    #[arg(long, value_name = "TIME")]
    patience: Option<String>,
}

/// Replays the files, and prints what became of them as one line of JSON.
///
/// # Errors
///
/// The collector is away or refuses, a file cannot be read, or a record was not taken.
pub async fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let mut faults = Faults::default();
    let patience = args.patience.as_ref();
    let patience = patience.and_then(|text| faults.take("--patience", text, parse_duration(text)));
    let given = |file: &Option<PathBuf>| file.clone().filter(|file| !file.as_os_str().is_empty());
    let client = Client::new(&args.target.with_token(given(&args.token_file)));
    let client = client.map_err(|error| faults.add_rule(error)).ok();
    let Some(client) = client.filter(|_| faults.is_empty()) else {
        return Err(faults.into());
    };
    let mut replay = Replay::new(client, patience);
    let mut failures = Vec::new();
    for file in &args.files {
        if let Err(error) = one(&mut replay, file).await {
            // A journal that cannot be read says nothing of the next one.
            let next = matches!(error, ReplayError::Read(_));
            failures.push(format!("\"{}\": {error}", file.display()));
            if !next {
                break;
            }
        }
    }
    let tally = replay.tally();
    println!("{}", summary(tally));
    if !failures.is_empty() {
        return Err(Failure::failed(failures.join("\n")));
    }
    if tally.quarantined > 0 || tally.refused > 0 {
        return Err(Failure::failed(
            "some records were not stored: see the collector's dead letters",
        ));
    }
    Ok(())
}

async fn one(replay: &mut Replay, file: &PathBuf) -> Result<(), ReplayError> {
    let name = file.display().to_string();
    let mut told = Told::new(&name);
    let input = if file.as_os_str() == "-" {
        input::open(io::stdin())
    } else {
        File::open(file).and_then(input::open)
    };
    replay.journal(input.map_err(ReplayError::Read)?, |notice| told.tell(&notice)).await
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

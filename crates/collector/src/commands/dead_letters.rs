//! `dead-letters`: records that could not be stored, with or without a running collector.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use gatelog_record::{DecodeLimits, Timestamp, Uuid, decode_record};
use serde_json::json;

use gatelog_record::units::parse_duration;

use super::Failure;
use super::printable::Printable;
use crate::clock::now_millis;
use crate::config::{Faults, SpoolDirArgs};
use crate::ingest::write_line;
use crate::spool::{DAMAGED, LetterBox, LetterFilter, Retried, SpoolError, StoredLetter};

/// The action and the letters that it applies to.
#[derive(Args, Clone, Debug)]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Print them, oldest first: number, time, kind and reason
    List {
        #[command(flatten)]
        which: Which,
        /// One JSON object per line, with the record's original line
        #[arg(long)]
        json: bool,
    },
    /// Put them back into the spool; those that are still not valid records stay
    Retry {
        #[command(flatten)]
        which: Which,
    },
    /// Delete them: by kind, number or age, or all
    Purge {
        #[command(flatten)]
        which: Which,
        /// All of them
        #[arg(long, conflicts_with_all = ["kind", "id", "older_than"])]
        all: bool,
    },
}

#[derive(Args, Clone, Debug)]
struct Which {
    /// Only this kind, as `list` names it
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only these, by number
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    id: Vec<i64>,
    /// Only those at least this old, for example 7d
    #[arg(long, value_name = "TIME")]
    older_than: Option<String>,
    #[command(flatten)]
    spool: SpoolDirArgs,
}

impl Which {
    fn open(&self) -> Result<(LetterBox, LetterFilter), Failure> {
        let mut faults = Faults::default();
        let before = self.older_than.as_ref().and_then(|text| {
            let age = faults.take("--older-than", text, parse_duration(text))?;
            Some(now_millis().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
        });
        if !faults.is_empty() {
            return Err(faults.into());
        }
        let letters = LetterBox::open(&self.spool.spool_dir).map_err(|error| self.fault(&error))?;
        Ok((letters, LetterFilter { kind: self.kind.clone(), ids: self.id.clone(), before }))
    }

    const fn chooses(&self) -> bool {
        self.kind.is_some() || !self.id.is_empty() || self.older_than.is_some()
    }

    fn fault(&self, error: &SpoolError) -> Failure {
        Failure::failed(format!("spool \"{}\": {error}", self.spool.spool_dir.display()))
    }
}

/// Runs the command.
///
/// # Errors
///
/// There is no spool, it cannot be read or written, or a letter could not be retried.
pub fn run(args: &DeadLettersArgs) -> Result<(), Failure> {
    match &args.action {
        Action::List { which, json } => {
            let (letters, filter) = which.open()?;
            let ids = letters.ids(&filter).map_err(|error| which.fault(&error))?;
            let mut out = io::BufWriter::new(io::stdout().lock());
            for id in ids {
                let letter = letters.get(id).map_err(|error| which.fault(&error))?;
                if let Some(letter) = letter
                    && print(&mut out, &letter, *json).is_err()
                {
                    // Whoever read this has enough (`| head`).
                    return Ok(());
                }
            }
            let _ = out.flush();
            Ok(())
        }
        Action::Retry { which } => {
            let (mut letters, filter) = which.open()?;
            let mut stay = Stay::default();
            let (went, stayed) = letters
                .retry(&filter, |letter| stay.unless(letter, revive(letter)))
                .map_err(|error| which.fault(&error))?;
            println!("{went} back in the spool, {stayed} stayed");
            stay.explain()
        }
        Action::Purge { which, all } => {
            if !all && !which.chooses() {
                return Err(Failure {
                    status: 2,
                    text:
                        "purge: choose which dead letters to delete: --kind KIND, --id NUMBER,… or \
                           --older-than TIME (a letter must match all that are given), or --all"
                            .into(),
                });
            }
            let (mut letters, filter) = which.open()?;
            let removed = letters.purge(&filter).map_err(|error| which.fault(&error))?;
            println!("{removed} removed");
            Ok(())
        }
    }
}

fn print(out: &mut impl Write, stored: &StoredLetter, json: bool) -> io::Result<()> {
    let StoredLetter { id, at, whole, letter } = stored;
    let at = Timestamp::from_unix_micros(at.saturating_mul(1_000)).to_string();
    if json {
        let line = String::from_utf8_lossy(&letter.line);
        let value = json!({
            "id": id, "at": at, "kind": letter.kind, "reason": letter.reason, "whole": whole,
            "line": line,
        });
        writeln!(out, "{}", Printable(&value.to_string()))
    } else {
        // Reasons may quote a record: no control character of theirs reaches a terminal.
        let reason = letter.reason.escape_debug();
        writeln!(out, "{id:>8}  {at}  {:<14}  {reason}", letter.kind.escape_debug())
    }
}

/// Why letters stayed.
#[derive(Debug, Default)]
struct Stay {
    damaged: u64,
    others: u64,
}

impl Stay {
    fn unless(&mut self, letter: &StoredLetter, retried: Option<Retried>) -> Option<Retried> {
        match &retried {
            Some(_) => {}
            None if letter.letter.kind == DAMAGED => self.damaged = self.damaged.saturating_add(1),
            None => self.others = self.others.saturating_add(1),
        }
        retried
    }

    fn explain(&self) -> Result<(), Failure> {
        let mut reasons = Vec::new();
        if self.others > 0 {
            reasons.push(format!(
                "{} still not valid records, or longer than a letter keeps: see the list",
                self.others
            ));
        }
        if self.damaged > 0 {
            reasons.push(format!(
                "{} batches that the disk damaged: what they held may be altered, so it is not \
                 stored; their numbers are missing in the accounting: replay the gateways' journals",
                self.damaged
            ));
        }
        if reasons.is_empty() { Ok(()) } else { Err(Failure::failed(reasons.join("; "))) }
    }
}

/// The letter as a record again, if it is one. Not of a damaged batch: a record that reads well may
/// say something else than what was written.
fn revive(stored: &StoredLetter) -> Option<Retried> {
    if !stored.whole || stored.letter.kind == DAMAGED {
        return None;
    }
    let fresh = Uuid::now_v7();
    let line = stored.letter.line.trim_ascii();
    let record = decode_record(line, &DecodeLimits::default(), fresh).ok()?;
    let mut retried = Retried::default();
    write_line(line, (record.id == fresh).then_some(fresh), &mut retried.line);
    if let Some(source) = &record.source {
        retried.seqs.add(&source.gateway, source.boot, source.seq);
    }
    Some(retried)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::DeadLetter;

    /// One byte of it was altered on the disk, and it was stored as it was then.
    #[test]
    fn a_damaged_batch_is_not_put_back_and_the_command_says_what_helps() {
        let line = br#"{"timestamp":"2026-01-26T03:11:57Z","level":"INFO","message":"7 of 9"}"#;
        let letter = |kind: &str| {
            let (kind, reason) = (kind.to_owned(), String::new());
            StoredLetter {
                id: 1,
                at: 0,
                whole: true,
                letter: DeadLetter { kind, reason, line: line.to_vec() },
            }
        };
        let mut stay = Stay::default();
        let validator = letter("validator");
        assert!(stay.unless(&validator, revive(&validator)).is_some());
        assert!(stay.explain().is_ok());
        let damaged = letter(DAMAGED);
        assert_eq!(stay.unless(&damaged, revive(&damaged)), None);
        let said = stay.explain().unwrap_err().text;
        assert!(said.contains("replay the gateways' journals"), "{said}");
    }
}

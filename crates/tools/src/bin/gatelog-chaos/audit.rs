//! The external audit: compares the load's own list with MongoDB, the journal and the accounting,
//! before and after a replay of the journal.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gatelog_testkit::eventually;

use crate::accounts::Accounts;
use crate::case::Case;
use crate::evidence::{self, Copies};
use crate::latency::Latency;
use crate::logs::LogsFinding;
use crate::memory::Memories;
use crate::system::System;

/// Timeout for the system to settle.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long nothing must change for the system to count as settled even though records are missing:
/// longer than the filter's longest wait between two attempts in these cases.
const QUIET: Duration = Duration::from_secs(8);

/// The same once Envoy has exited: nothing is left to retry.
const QUIET_WITHOUT_ENVOY: Duration = Duration::from_secs(2);

/// Records per request: one for its outcome, and one of level DEBUG.
const RECORDS_EACH: u64 = 2;

/// The outcome of a case.
#[derive(Debug, Default)]
pub(crate) struct Finding {
    /// Requests.
    pub(crate) sent: u64,
    /// What was wrong with each response that differed from the one without the filter.
    pub(crate) harmed: Vec<String>,
    pub(crate) latency: Latency,
    /// The accounting once everything has settled.
    pub(crate) before: Accounts,
    /// The accounting after the replay, and after a retry of the dead letters if there were any.
    pub(crate) after: Accounts,
    /// Documents that MongoDB must have, according to the load's list.
    pub(crate) due: u64,
    /// Documents in excess of what is due.
    pub(crate) duplicate: u64,
    /// Records that MongoDB has, from the load and from others: the number that the accounting must
    /// report.
    pub(crate) records: u64,
    /// What became of the log records of a service, if the case has one.
    pub(crate) logs: Option<LogsFinding>,
    /// Lines missing from standard output.
    pub(crate) unprinted: u64,
    /// Documents that cannot be recovered, by name.
    pub(crate) lost: Copies,
    /// The step that failed, if any.
    pub(crate) error: Option<String>,
    pub(crate) memory: Memories,
    pub(crate) took: Duration,
}

impl Finding {
    /// Records that are not stored, nor about to be, once everything has settled: those that the
    /// accounting lists, those that were queued in an Envoy that has exited, and those that no
    /// batch reported.
    pub(crate) fn missing_before(&self) -> u64 {
        let untold = (self.sent * RECORDS_EACH).saturating_sub(self.before.assigned);
        self.before.missing + self.before.queued + untold
    }

    /// The same after the replay, according to the accounting.
    pub(crate) fn missing_after(&self) -> u64 {
        self.after.missing + self.after.queued
    }
}

/// Stops the load, waits until everything has settled, replays the journal, and compares.
pub(crate) async fn audit(case: &Case, system: &mut System) -> Result<Finding> {
    let sent = system.end_load().await?.to_vec();
    let harm = |sent: &crate::load::Sent| Some(format!("{}: {}", sent.id, sent.harm.as_ref()?));
    let mut finding = Finding {
        sent: u64::try_from(sent.len())?,
        harmed: sent.iter().filter_map(harm).collect(),
        latency: Latency::of(&sent),
        memory: system.memory.clone(),
        ..Finding::default()
    };
    if let Some(logs) = system.logs.take() {
        finding.logs = Some(logs.audit(&system.database).await?);
    }
    settle(system, finding.sent * RECORDS_EACH).await?;
    finding.before = Accounts::of(&system.gateway.collector).await?;

    system.replay()?;
    if finding.before.quarantined > 0 {
        system.retry_dead_letters()?;
    }
    let printed = evidence::lines(&system.gateway.envoy.journal())?;
    let unprinted = evidence::absent(&evidence::lines_due(&sent), &printed);
    finding.unprinted = unprinted.values().sum();
    let due = evidence::documents_due(&sent);
    finding.due = due.values().sum();
    // Whatever is in the journal must arrive; what is not may be lost if the case allows it.
    let expected =
        if case.allow.lost { evidence::recoverable(due.clone(), &printed) } else { due.clone() };
    let found = arrived(system, &expected).await?;
    finding.lost = evidence::absent(&due, &found);
    finding.duplicate = evidence::absent(&found, &due).values().sum();
    finding.after = accounted(system).await?;
    finding.records = evidence::count(&system.database).await?;
    Ok(finding)
}

/// Waits until no record is in flight: all of them are accounted for and at rest, or nothing has
/// changed for a long time.
async fn settle(system: &mut System, records: u64) -> Result<()> {
    let mut last = None;
    let mut since = Instant::now();
    eventually("the system settles", PATIENCE, async || {
        let quiet = if system.has_envoy() { QUIET } else { QUIET_WITHOUT_ENVOY };
        let accounts = Accounts::of(&system.gateway.collector).await?;
        // With several collectors, some may be missing until they learn of each other.
        let at_rest = accounts.moving() + accounts.missing == 0;
        let complete = at_rest && accounts.assigned >= records;
        let told = format!("{accounts:?} for {records} records");
        if last.as_ref() != Some(&accounts) {
            (last, since) = (Some(accounts), Instant::now());
        }
        ensure!(complete || since.elapsed() >= quiet, told);
        Ok(())
    })
    .await
}

/// What MongoDB has, once it has everything expected or nothing more seems to arrive.
async fn arrived(system: &System, expected: &Copies) -> Result<Copies> {
    let mut found = Copies::new();
    let waited = eventually("the replay is stored", PATIENCE, async || {
        found = evidence::documents(&system.database).await?;
        let absent = evidence::absent(expected, &found);
        ensure!(absent.is_empty(), "{} documents are not there", absent.len());
        Ok(())
    })
    .await;
    if let Err(error) = waited {
        println!("    {error:#}");
    }
    Ok(found)
}

/// The accounting, once it covers everything that arrived.
async fn accounted(system: &System) -> Result<Accounts> {
    let mut accounts = Accounts::default();
    let waited = eventually("the accounts are at rest", QUIET, async || {
        accounts = Accounts::of(&system.gateway.collector).await?;
        let Accounts { spooled, quarantined, missing, .. } = accounts;
        ensure!((spooled, quarantined, missing) == (0, 0, 0), "{accounts:?}");
        Ok(())
    })
    .await;
    // The report will say what is wrong with it.
    drop(waited);
    Ok(accounts)
}

//! The audit from outside: the load's own list against MongoDB, the journal and the accounting.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gatelog_tests::{Database, eventually};
use mongodb::bson::doc;
use serde_json::Value;

use crate::case::Case;
use crate::load::Sent;
use crate::system::System;

/// How long the system may take to settle.
const PATIENCE: Duration = Duration::from_mins(1);

/// What became of a case.
#[derive(Debug, Default)]
pub(crate) struct Finding {
    pub(crate) sent: usize,
    pub(crate) harmed: usize,
    pub(crate) p99_ms: u64,
    pub(crate) assigned: u64,
    pub(crate) stored: u64,
    pub(crate) duplicate: u64,
    pub(crate) dropped: BTreeMap<String, u64>,
    /// Before the replay.
    pub(crate) missing: u64,
    /// Requests whose record is nowhere after the replay, by id.
    pub(crate) lost: Vec<String>,
    pub(crate) faults: Vec<String>,
}

/// Ends the load, waits until everything is settled, replays the journal, and compares.
pub(crate) async fn audit(case: &Case, mut system: System) -> Result<Finding> {
    system.end_load().await?;
    let sent = std::mem::take(&mut system.sent);
    let mut finding = Finding { sent: sent.len(), ..Finding::default() };
    finding.faults.extend(sent.is_empty().then(|| "no request was sent".to_owned()));
    let harmed: Vec<&Sent> = sent.iter().filter(|sent| sent.harm.is_some()).collect();
    finding.harmed = harmed.len();
    finding.faults.extend(
        harmed
            .get(case.allow.harmed)
            .map(|first| format!("harmed: {}: {:?}", first.id, first.harm)),
    );
    finding.p99_ms = p99(&sent);

    settle(&system, sent.len()).await?;
    let accounts = accounts(&system).await?;
    for account in &accounts {
        let number = |name: &str| account.get(name).and_then(Value::as_u64).unwrap_or(0);
        finding.assigned += number("assigned");
        finding.missing += number("missing");
        let rest = ["stored", "spooled", "quarantined", "dropped", "queued", "missing"]
            .map(number)
            .iter()
            .sum::<u64>();
        if number("assigned") != rest {
            finding
                .faults
                .push(format!("assigned {} is not {rest}: {account}", number("assigned")));
        }
        let reasons = account.get("dropped_by_reason").and_then(Value::as_object);
        for (reason, count) in
            reasons.into_iter().flatten().filter(|(_, count)| count.as_u64() != Some(0))
        {
            *finding.dropped.entry(reason.clone()).or_default() += count.as_u64().unwrap_or(0);
        }
    }
    for reason in finding.dropped.keys().filter(|reason| !case.allow.dropped.contains(reason)) {
        finding.faults.push(format!("dropped as {reason}"));
    }
    if finding.missing > 0 && !case.allow.missing {
        finding.faults.push(format!("{} missing before the replay", finding.missing));
    }
    replay(&mut system)?;
    compare(case, &system, &sent, &mut finding).await?;
    Ok(finding)
}

fn p99(sent: &[Sent]) -> u64 {
    let mut took: Vec<Duration> = sent.iter().map(|sent| sent.took).collect();
    took.sort();
    let at = took.len() * 99 / 100;
    took.get(at).map_or(0, |took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}

/// How long nothing must have changed for the system to count as settled though records are not
/// there: longer than the filter's longest wait between attempts in these cases.
const QUIET: Duration = Duration::from_secs(8);

/// Waits until no record moves any more: all that was sent is stored, or the rest is accounted for
/// as dropped, missing or quarantined.
async fn settle(system: &System, sent: usize) -> Result<()> {
    let sent = u64::try_from(sent)?;
    let mut last = None;
    let mut since = Instant::now();
    eventually("the system settles", PATIENCE, async || {
        let accounts = accounts(system).await?;
        let total = |name: &str| -> u64 {
            accounts.iter().filter_map(|account| account.get(name)?.as_u64()).sum()
        };
        let state =
            (count(&system.database).await?, total("assigned"), total("spooled") + total("queued"));
        if last.replace(state) != Some(state) {
            since = Instant::now();
        }
        let (stored, _, moving) = state;
        let done = (stored >= sent && moving == 0) || since.elapsed() >= QUIET;
        ensure!(done, "{state:?} for {sent} requests");
        Ok(())
    })
    .await
}

async fn accounts(system: &System) -> Result<Vec<Value>> {
    let accounting = system.gateway.collector.accounting().await?;
    let boots = accounting.get("boots").and_then(Value::as_array).cloned();
    boots.with_context(|| format!("no boots in {accounting}"))
}

/// Records of the load that are stored.
async fn count(database: &Database) -> Result<u64> {
    let own = doc! {"context.correlation_id": {"$regex": "^chaos-[0-9]"}};
    let mut stored = 0;
    for level in ["info", "warning", "error", "critical"] {
        stored += database.count(&format!("{level}_logs"), own.clone()).await?;
    }
    Ok(stored)
}

/// Replays the journal, as an operator would.
fn replay(system: &mut System) -> Result<()> {
    let journal = system.gateway.envoy.journal().path().display().to_string();
    let url = format!("http://{}", system.gateway.collector.address());
    let output =
        system.gateway.collector.command(&["replay", "--url", &url, &journal])?.output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "replay ended with {}: {told}", output.status);
    Ok(())
}

/// Every request has one record in the right collection, once.
async fn compare(case: &Case, system: &System, sent: &[Sent], finding: &mut Finding) -> Result<()> {
    let printed: BTreeSet<String> = system
        .gateway
        .envoy
        .journal()
        .records()?
        .iter()
        .filter_map(|record| Some(record.pointer("/context/correlation_id")?.as_str()?.to_owned()))
        .collect();
    let complete = async || {
        let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for level in ["info", "warning", "error", "critical"] {
            for record in system.database.find(&format!("{level}_logs"), doc! {}).await? {
                let id = record
                    .get_document("context")
                    .and_then(|context| context.get_str("correlation_id"));
                seen.entry(id.unwrap_or_default().to_owned()).or_default().push(level.to_owned());
            }
        }
        anyhow::Ok(seen)
    };
    let seen = eventually("the replay is stored", PATIENCE, async || {
        let seen = complete().await?;
        let absent = sent.iter().filter(|sent| !seen.contains_key(&sent.id));
        // What the journal has must come; what it has not may be lost, where a case allows it.
        let due = absent.filter(|sent| !case.allow.lost || printed.contains(&sent.id)).count();
        ensure!(due == 0, "{due} requests have no record");
        Ok(seen)
    })
    .await;
    let seen = match seen {
        Ok(seen) => seen,
        Err(_) => complete().await?,
    };
    for sent in sent {
        match seen.get(&sent.id).map(Vec::as_slice) {
            None => finding.lost.push(sent.id.clone()),
            Some([level]) if level == sent.level => finding.stored += 1,
            Some([level]) => finding
                .faults
                .push(format!("{}: in {level}_logs, not {}_logs", sent.id, sent.level)),
            Some(levels) => finding.duplicate += u64::try_from(levels.len())? - 1,
        }
    }
    if finding.duplicate > 0 {
        finding.faults.push(format!("{} stored twice", finding.duplicate));
    }
    if !finding.lost.is_empty() && !case.allow.lost {
        finding.faults.push(format!(
            "{} lost, the first is {:?}",
            finding.lost.len(),
            finding.lost.first()
        ));
    }
    Ok(())
}

//! The conditions that a case's finding must meet to pass: one row of the report each.

use serde_json::{Value, json};

use crate::audit::Finding;
use crate::case::{Allow, Case};
use crate::evidence::Place;
use crate::latency::milliseconds;
use crate::logs::LogsFinding;
use crate::memory::{GROWTH_BOUND, Memory};

/// One value in the report.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) value: Value,
    pub(crate) unit: &'static str,
    /// What it must be; null if it is informational.
    pub(crate) target: Value,
    pub(crate) pass: bool,
    /// What is wrong, if the value does not say.
    pub(crate) detail: Option<String>,
}

impl Check {
    fn told(name: &str, value: impl Into<Value>, unit: &'static str) -> Self {
        let (name, value) = (name.to_owned(), value.into());
        Self { name, value, unit, target: Value::Null, pass: true, detail: None }
    }

    fn at_most(name: &str, value: u64, most: u64, unit: &'static str) -> Self {
        let target = if most == 0 { json!("0") } else { json!(format!("<= {most}")) };
        Self { target, pass: value <= most, ..Self::told(name, value, unit) }
    }

    fn exactly(name: &str, value: u64, target: u64, unit: &'static str) -> Self {
        let pass = value == target;
        Self { target: json!(target.to_string()), pass, ..Self::told(name, value, unit) }
    }

    fn zero_unless(allowed: bool, name: &str, value: u64, unit: &'static str) -> Self {
        if allowed { Self::told(name, value, unit) } else { Self::at_most(name, value, 0, unit) }
    }

    fn because(self, detail: Option<&String>) -> Self {
        Self { detail: detail.cloned(), ..self }
    }
}

/// All rows of a case.
pub(crate) fn checks(case: &Case, finding: &Finding) -> Vec<Check> {
    let mut checks = vec![done(finding)];
    checks.extend(requests(&case.allow, finding));
    checks.extend(before_replay(&case.allow, finding));
    checks.extend(after_replay(&case.allow, finding));
    if let Some(logs) = &finding.logs {
        checks.extend(log_records(logs));
    }
    if case.repeats {
        checks.extend(memory("envoy", &finding.memory.envoy));
        checks.extend(memory("collector", &finding.memory.collector));
    }
    checks.push(Check::told("duration", finding.took.as_secs(), "s"));
    checks
}

/// Whether every step and the audit completed.
fn done(finding: &Finding) -> Check {
    let pass = finding.error.is_none();
    let done = Check::told("done", pass, "");
    Check { target: json!("true"), pass, ..done }.because(finding.error.as_ref())
}

fn requests(allow: &Allow, finding: &Finding) -> Vec<Check> {
    let sent = Check::told("requests_sent", finding.sent, "requests");
    let harmed = u64::try_from(finding.harmed.len()).unwrap_or(u64::MAX);
    let mut checks = vec![
        Check { target: json!("> 0"), pass: finding.sent > 0, ..sent },
        Check::at_most("requests_harmed", harmed, allow.harmed, "requests")
            .because(finding.harmed.first()),
    ];
    let (with, without) = (finding.latency.filtered, finding.latency.bare);
    let bounds = finding.latency.bounds();
    for (name, with, without, bound) in [
        ("latency_median", with.median, without.median, bounds.median),
        ("latency_p99", with.p99, without.p99, bounds.p99),
    ] {
        let target = json!(format!("<= {:.2}", milliseconds(bound)));
        let value = Check::told(name, milliseconds(with), "ms");
        checks.push(Check { target, pass: with <= bound, ..value });
        let name = format!("{name}_without_filter");
        checks.push(Check::told(&name, milliseconds(without), "ms"));
    }
    checks
}

fn before_replay(allow: &Allow, finding: &Finding) -> Vec<Check> {
    let before = &finding.before;
    let mut checks = vec![
        Check::told("records_assigned", before.assigned, "records"),
        Check::told("stored_before_replay", before.stored, "records"),
        Check::told("dropped_before_replay", before.dropped, "records"),
    ];
    for (reason, count) in &before.dropped_by_reason {
        let allowed = allow.dropped.contains(reason);
        checks.push(Check::zero_unless(
            allowed,
            &format!("dropped_as_{reason}"),
            *count,
            "records",
        ));
    }
    checks.extend([
        Check::zero_unless(allow.quarantined, "quarantined", before.quarantined, "records"),
        Check::zero_unless(
            allow.missing,
            "missing_before_replay",
            finding.missing_before(),
            "records",
        ),
        unsound("identity_broken_before_replay", &before.unsound),
    ]);
    checks
}

fn after_replay(allow: &Allow, finding: &Finding) -> Vec<Check> {
    let after = &finding.after;
    let lost: u64 = finding.lost.values().sum();
    let first = finding.lost.keys().next().map(Place::to_string);
    let stored = finding.due.saturating_sub(lost);
    let (stored_due, missing_most) = if allow.lost { (stored, lost) } else { (finding.due, 0) };
    vec![
        Check::exactly("stored_after_replay", stored, stored_due, "documents"),
        Check::exactly("stored_by_accounting", after.stored, finding.records, "records"),
        Check::at_most("missing_after_replay", finding.missing_after(), missing_most, "records"),
        unsound("identity_broken_after_replay", &after.unsound),
        Check::at_most("duplicate", finding.duplicate, 0, "documents"),
        Check::zero_unless(allow.lost, "lost", lost, "documents").because(first.as_ref()),
        Check::zero_unless(allow.lost, "not_on_stdout", finding.unprinted, "lines"),
    ]
}

/// Log records of a service: what was acknowledged is stored, once.
fn log_records(logs: &LogsFinding) -> [Check; 3] {
    let acknowledged = Check::told("log_records_acknowledged", logs.acknowledged, "records");
    [
        Check { target: json!("> 0"), pass: logs.acknowledged > 0, ..acknowledged },
        Check::at_most("log_records_lost", logs.lost, 0, "records"),
        Check::at_most("log_records_duplicate", logs.duplicate, 0, "documents"),
    ]
}

/// Resident memory of one process.
fn memory(of: &str, memory: &Memory) -> Vec<Check> {
    let mut checks = Vec::new();
    for (which, bytes) in [
        ("first", memory.first()),
        ("median", memory.median()),
        ("most", memory.most()),
        ("last", memory.last()),
    ] {
        checks.push(Check::told(&format!("{of}_memory_{which}"), bytes >> 10, "KiB"));
    }
    if let Some(growth) = memory.growth() {
        let samples = format!("{of}_memory_samples");
        checks.push(Check::told(&samples, memory.count(), "samples"));
        let value = (growth / 1024.0).round();
        let told = Check::told(&format!("{of}_memory_growth"), value, "KiB/h");
        let target = json!(format!("<= {}", GROWTH_BOUND / 1024.0));
        checks.push(Check { target, pass: growth <= GROWTH_BOUND, ..told });
    }
    checks
}

/// Boots whose counts do not reconcile.
fn unsound(name: &str, boots: &[String]) -> Check {
    let count = u64::try_from(boots.len()).unwrap_or(u64::MAX);
    Check::at_most(name, count, 0, "boots").because(boots.first())
}

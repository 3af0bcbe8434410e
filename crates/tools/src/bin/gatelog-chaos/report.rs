//! The report: `target/chaos/report.json`, and the same data as a table. An endurance run writes
//! `target/endurance/report.json`, so that the two do not overwrite each other.

use std::fs;
use std::time::Instant;

use anyhow::Result;
use gatelog_testkit::checkout;
use serde_json::{Value, json};

use crate::audit::Finding;
use crate::case::{Case, repeated_for};
use crate::latency::milliseconds;
use crate::machine::{machine, now};
use crate::verdict::{Check, checks};

/// Collects findings.
pub(crate) struct Report {
    began: Instant,
    date: String,
    rows: Vec<Value>,
    lines: Vec<String>,
    failed: usize,
    requests: u64,
}

impl Report {
    pub(crate) fn new() -> Self {
        let (rows, lines) = (Vec::new(), Vec::new());
        Self { began: Instant::now(), date: now(), rows, lines, failed: 0, requests: 0 }
    }

    /// Adds the outcome of a case, and prints what is wrong with it.
    pub(crate) fn add(&mut self, case: &Case, finding: &Finding) {
        let checks = checks(case, finding);
        for check in checks.iter().filter(|check| !check.pass) {
            let Check { name, value, unit, target, .. } = check;
            let detail = check.detail.as_deref().unwrap_or_default();
            println!("    {name} is {value} {unit}, not {target}: {detail}");
        }
        for check in checks.iter().filter(|check| check.name.contains("memory")) {
            println!("    {} {} {}", check.name, check.value, check.unit);
        }
        if !finding.lost.is_empty() {
            let names: Vec<String> = finding.lost.keys().map(ToString::to_string).collect();
            println!("    lost, by name: {}", names.join(" "));
        }
        let pass = checks.iter().all(|check| check.pass);
        self.failed += usize::from(!pass);
        self.requests += finding.sent;
        self.lines.push(line(case, finding, pass));
        for check in &checks {
            let Check { value, unit, target, pass, .. } = check;
            let name = format!("{}.{}", case.name, check.name);
            let mut row =
                json!({"name": name, "value": value, "unit": unit, "target": target, "pass": pass});
            if let (Some(row), Some(detail)) = (row.as_object_mut(), &check.detail) {
                row.insert("detail".to_owned(), json!(detail));
            }
            self.rows.push(row);
        }
    }

    /// Prints the table, writes the file, and returns whether every case passed.
    pub(crate) fn finish(self) -> Result<bool> {
        println!("\n{HEADINGS}");
        for line in &self.lines {
            println!("{line}");
        }
        let (machine, seconds) = (machine(), self.began.elapsed().as_secs());
        let cases = self.lines.len();
        let place = if repeated_for().is_zero() { "target/chaos" } else { "target/endurance" };
        let directory = checkout().join(place);
        fs::create_dir_all(&directory)?;
        let report = json!({
            "machine": machine, "date": self.date, "seconds": seconds, "cases": cases,
            "failed": self.failed, "rows": self.rows,
        });
        fs::write(directory.join("report.json"), serde_json::to_string_pretty(&report)?)?;
        println!(
            "\n{machine}; {}; {seconds} s; {} requests\n{} passed, {} failed; {place}/report.json",
            self.date,
            self.requests,
            cases - self.failed,
            self.failed
        );
        Ok(self.failed == 0)
    }
}

const HEADINGS: &str = "                                  requests     median ms        p99 ms      before the replay, records                     after, documents
case                             sent harmed   with without   with without   assigned stored dropped quarantined missing   missing duplicate lost      s";

fn line(case: &Case, finding: &Finding, pass: bool) -> String {
    let (with, without) = (finding.latency.filtered, finding.latency.bare);
    let before = &finding.before;
    format!(
        "{:<31} {:>5} {:>6} {:>6.1} {:>7.1} {:>6.1} {:>7.1} {:>10} {:>6} {:>7} {:>11} {:>7} {:>9} {:>9} {:>4} {:>6}  {}",
        case.name,
        finding.sent,
        finding.harmed.len(),
        milliseconds(with.median),
        milliseconds(without.median),
        milliseconds(with.p99),
        milliseconds(without.p99),
        before.assigned,
        before.stored,
        before.dropped,
        before.quarantined,
        finding.missing_before(),
        finding.missing_after(),
        finding.duplicate,
        finding.lost.values().sum::<u64>(),
        finding.took.as_secs(),
        if pass { "pass" } else { "FAIL" },
    )
}

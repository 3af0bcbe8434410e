//! The report: `target/chaos/report.json`, and the same as a table.

use std::fs;

use anyhow::Result;
use gatelog_tests::checkout;
use serde_json::{Value, json};

use crate::audit::Finding;
use crate::case::Case;

/// Collects findings.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Value>,
    lines: Vec<String>,
    failed: usize,
}

impl Report {
    /// Adds what became of a case.
    pub(crate) fn add(&mut self, case: &Case, result: Result<Finding>) {
        let finding = result.unwrap_or_else(|error| Finding {
            faults: vec![format!("{error:#}")],
            ..Finding::default()
        });
        let pass = finding.faults.is_empty();
        self.failed += usize::from(!pass);
        for fault in &finding.faults {
            println!("    {fault}");
        }
        let dropped: Vec<String> =
            finding.dropped.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        self.lines.push(format!(
            "{:<28} {:>5} {:>6} {:>7} {:>8} {:>6} {:>9} {:>7} {:>5} {:>6}  {}",
            case.name,
            finding.sent,
            finding.harmed,
            finding.p99_ms,
            finding.assigned,
            finding.stored,
            finding.duplicate,
            finding.missing,
            finding.lost.len(),
            if pass { "pass" } else { "FAIL" },
            dropped.join(", "),
        ));
        for (name, value, target) in [
            ("harmed", json!(finding.harmed), json!(case.allow.harmed)),
            ("duplicate", json!(finding.duplicate), json!(0)),
            (
                "lost",
                json!(finding.lost.len()),
                if case.allow.lost { Value::Null } else { json!(0) },
            ),
            ("sent", json!(finding.sent), Value::Null),
            ("assigned", json!(finding.assigned), Value::Null),
            ("stored", json!(finding.stored), Value::Null),
            (
                "missing_before_replay",
                json!(finding.missing),
                if case.allow.missing { Value::Null } else { json!(0) },
            ),
        ] {
            let row = json!({"name": format!("{}.{name}", case.name), "value": value, "unit": "records", "target": target, "pass": pass});
            self.rows.push(row);
        }
        if !finding.lost.is_empty() {
            println!("    lost, by name: {}", finding.lost.join(" "));
        }
    }

    /// Prints the table, writes the file, and gives whether every case passed.
    pub(crate) fn finish(self) -> Result<bool> {
        println!(
            "\n{:<28} {:>5} {:>6} {:>7} {:>8} {:>6} {:>9} {:>7} {:>5} {:>6}  dropped, before the replay",
            "case",
            "sent",
            "harmed",
            "p99 ms",
            "assigned",
            "stored",
            "duplicate",
            "missing",
            "lost",
            ""
        );
        for line in &self.lines {
            println!("{line}");
        }
        let directory = checkout().join("target/chaos");
        fs::create_dir_all(&directory)?;
        let machine = json!({"os": std::env::consts::OS, "architecture": std::env::consts::ARCH});
        let report = json!({"machine": machine, "rows": self.rows});
        fs::write(directory.join("report.json"), serde_json::to_string_pretty(&report)?)?;
        println!("\n{} passed, {} failed", self.lines.len() - self.failed, self.failed);
        Ok(self.failed == 0)
    }
}

//! The report: `target/bench/report.json`, and the same as a table.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::load::Load;
use crate::summary::Summary;

/// Collects rows.
pub(crate) struct Report {
    machine: Value,
    rows: Vec<(String, f64, String)>,
}

impl Report {
    pub(crate) fn new(load: &Load, rounds: u64) -> Self {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let machine = json!({
            "processor": model.map_or("unknown", |(_, name)| name),
            "envoy": "1.40.0, one core; load, upstream and collector on another",
            "rounds": rounds,
            "requests_a_round": load.requests,
            "latency_rps": load.rps,
        });
        Self { machine, rows: Vec::new() }
    }

    /// One value. What is measured here has no target: it is compared, not passed.
    pub(crate) fn row(&mut self, name: &str, value: f64, unit: &str) {
        self.rows.push((name.to_owned(), value, unit.to_owned()));
    }

    /// Minimum, quartiles and median.
    pub(crate) fn summary(&mut self, name: &str, summary: &Summary, unit: &str) {
        for (which, value) in [
            ("min", summary.min),
            ("lower_quartile", summary.lower),
            ("median", summary.median),
            ("upper_quartile", summary.upper),
        ] {
            self.row(&format!("{name}_{which}"), value, unit);
        }
    }

    /// Prints the table and writes the file.
    pub(crate) fn finish(self) -> Result<()> {
        println!("\n{}", self.machine);
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|(name, value, unit)| {
                let rounded = (value * 100.0).round() / 100.0;
                println!("{name:<44} {rounded:>12.2} {unit}");
                json!({"name": name, "value": rounded, "unit": unit, "target": null, "pass": true})
            })
            .collect();
        let directory = Path::new("target/bench");
        fs::create_dir_all(directory)?;
        let report = json!({"machine": self.machine, "rows": rows});
        fs::write(directory.join("report.json"), serde_json::to_string_pretty(&report)?)?;
        println!("\nwritten: target/bench/report.json");
        Ok(())
    }
}

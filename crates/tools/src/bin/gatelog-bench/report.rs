//! The report: `target/bench/report.json`, and the same data as a table.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::summary::Summary;

/// What a value is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

/// Collects rows.
pub(crate) struct Report {
    machine: Map<String, Value>,
    rows: Vec<Value>,
}

impl Report {
    pub(crate) fn new() -> Self {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let mut report = Self { machine: Map::new(), rows: Vec::new() };
        report.about("processor", json!(model.map_or("unknown", |(_, name)| name)));
        report.about("cores", json!(std::thread::available_parallelism().map_or(0, usize::from)));
        report
    }

    /// A fact about the machine or the run.
    pub(crate) fn about(&mut self, name: &str, value: Value) {
        self.machine.insert(name.to_owned(), value);
    }

    /// One value for comparison, without a target.
    pub(crate) fn row(&mut self, name: &str, value: f64, unit: &str) {
        self.add(name, value, unit, None);
    }

    /// One value with a target.
    pub(crate) fn target(&mut self, name: &str, value: f64, unit: &str, target: Target) {
        self.add(name, value, unit, Some(target));
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

    /// One value that could not be measured, and why: it does not pass.
    pub(crate) fn not_measured(&mut self, name: &str, why: &str) {
        println!("{name:<48} not measured: {why}");
        let row = json!({"name": name, "value": null, "not_measured": why, "pass": false});
        self.rows.push(row);
    }

    /// Adds a row, and prints it.
    fn add(&mut self, name: &str, value: f64, unit: &str, target: Option<Target>) {
        let rounded = (value * 100.0).round() / 100.0;
        let (target, pass, told) = match target {
            None => (Value::Null, true, String::new()),
            Some(Target::AtMost(bound)) => (json!(bound), value <= bound, format!("<= {bound}")),
            Some(Target::AtLeast(bound)) => (json!(bound), value >= bound, format!(">= {bound}")),
        };
        let verdict = if told.is_empty() || pass { "" } else { "not reached" };
        println!("{name:<48} {rounded:>12.2} {unit:<16} {told:<12} {verdict}");
        self.rows.push(
            json!({"name": name, "value": rounded, "unit": unit, "target": target, "pass": pass}),
        );
    }

    /// Writes the file.
    pub(crate) fn finish(self) -> Result<()> {
        let directory = Path::new("target/bench");
        fs::create_dir_all(directory)?;
        let report = json!({"machine": self.machine, "rows": self.rows});
        fs::write(directory.join("report.json"), serde_json::to_string_pretty(&report)?)?;
        println!("\n{}\nwritten: target/bench/report.json", Value::Object(self.machine));
        Ok(())
    }
}

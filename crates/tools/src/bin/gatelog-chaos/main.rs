//! `make chaos`: injects faults into the running system under steady load. Each case is a file in
//! `tests/chaos/`, and each ends with the same external audit.
//!
//! Arguments select cases by name. `CHAOS_PACE` (1): factor by which every step lasts longer.
//! `CHAOS_MINUTES` (0): how long a repeating case runs.

mod accounts;
mod audit;
mod case;
mod evidence;
mod latency;
mod load;
mod logs;
mod machine;
mod memory;
mod mongo;
mod report;
mod setup;
mod step;
mod steps;
mod system;
mod verdict;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::audit::Finding;
use crate::case::{Case, repeated_for};
use crate::report::Report;
use crate::system::System;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every case passed.
async fn run() -> Result<bool> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let cases = Case::all(&wanted)?;
    let mut report = Report::new();
    for (index, case) in cases.iter().enumerate() {
        println!("==> {} of {}: {}: {}", index + 1, cases.len(), case.name, case.about);
        let began = Instant::now();
        let finding = run_case(case).await.unwrap_or_else(|error| Finding {
            error: Some(format!("{error:#}")),
            ..Finding::default()
        });
        report.add(case, &Finding { took: began.elapsed(), ..finding });
    }
    report.finish()
}

async fn run_case(case: &Case) -> Result<Finding> {
    let mut system = System::start(case).await?;
    loop {
        for step in &case.steps {
            system.take(step).await.with_context(|| format!("{step:?}"))?;
        }
        if !case.repeats || system.sampler.elapsed() >= repeated_for() {
            break;
        }
    }
    audit::audit(case, &mut system).await
}

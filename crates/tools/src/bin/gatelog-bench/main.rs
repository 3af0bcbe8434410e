//! `make bench`: what gatelog costs, compared with the alternatives. See docs/performance.md.
//!
//! Arguments select parts: `envoy` (the filter), `collector` and `growth` run by default; `console`
//! and `peers` run only when named. `peers` compares storing with syslog-ng, rsyslog and one insert per
//! record. Its programs come from `scripts/peers.sh`; one that is missing is reported as not measured.
//!
//! `BENCH_ROUNDS` (15). For `envoy`: `BENCH_REQUESTS` per round (10000), `BENCH_RPS` in the latency
//! runs (half of what the core can handle) of `BENCH_LATENCY_SECONDS` (4) each, `BENCH_WORKERS` of Envoy (1), `BENCH_STDOUT` of Envoy
//! (`file`, or `pipe`), `BENCH_VARIANTS` (all; the first is always included),
//! `BENCH_PLAIN_WASM`: the module of tests/plain, which `make bench` builds; `BENCH_PEER_WASM` and
//! `BENCH_PEER_CONFIG`: another plugin's file and configuration. For `collector`: `BENCH_RECORDS`
//! accepted per round (200000), `BENCH_STORED` (10000),
//! `BENCH_BEFORE_COLLECTOR`: an earlier version's program, which `make bench BENCH_BEFORE=COMMIT` builds. For `growth`: `BENCH_SPOOL_MEGABYTES`
//! (2000), `BENCH_DOCUMENTS` (200000). For `console`: `BENCH_CONSOLE_RECORDS` in the database (500000),
//! `BENCH_CONSOLE_ASKED` by each viewer of each view (5), `BENCH_CONSOLE_DATABASE` on the `MONGODB_URI` server,
//! which is kept and filled once. For `peers`: `BENCH_ROUNDS` (3), `BENCH_STORED` by gatelog
//! per round (10000), `BENCH_PEER_RECORDS` by each of the others (3000).

#![allow(
    clippy::indexing_slicing,
    clippy::unchecked_time_subtraction,
    reason = "over its own data; a fault ends the benchmark and harms nobody"
)]

mod collector;
mod console;
mod cpu;
mod envoy;
mod growth;
mod load;
mod peers;
mod pipe;
mod post;
mod ratios;
mod report;
mod stored;
mod storing;
mod summary;
mod variants;

use std::process::ExitCode;

use anyhow::{Result, ensure};

use crate::report::Report;

/// The available parts.
const PARTS: [&str; 5] = ["envoy", "collector", "growth", "console", "peers"];

/// How many of them run by default.
const BY_DEFAULT: usize = 3;

fn main() -> ExitCode {
    let run = || -> Result<()> {
        let report = Report::new();
        cpu::pin_this_process(cpu::LOAD_CORE)?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(bench(report))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn bench(mut report: Report) -> Result<()> {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    for part in &wanted {
        ensure!(PARTS.contains(&part.as_str()), "no part {part:?}: there are {PARTS:?}");
    }
    if wanted.is_empty() {
        wanted = PARTS.iter().take(BY_DEFAULT).map(ToString::to_string).collect();
    }
    for part in &wanted {
        match part.as_str() {
            "collector" => {
                collector::bench(&mut report).await?;
                storing::bench(&mut report).await?;
            }
            "peers" => peers::bench(&mut report).await?,
            "console" => console::bench(&mut report).await?,
            "growth" => growth::bench(&mut report).await?,
            _ => envoy::bench(&mut report).await?,
        }
    }
    report.finish()
}

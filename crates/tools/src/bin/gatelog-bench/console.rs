//! The console with ten viewers at once: how long the first answer of each view takes over a large
//! database, how long its whole page, and how much memory that takes.

mod records;
mod views;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gatelog_testkit::{Client, Console, ConsoleOptions, Database, DatabaseServer};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::collector::{count, mebibytes};
use crate::cpu;
use crate::load::setting;
use crate::report::{Report, Target};
use crate::stored;
use crate::summary::quantile;
use views::{Answer, Sees, View};

/// Who looks at once.
const VIEWERS: usize = 10;

/// The time in which 95 of 100 first answers are there, in milliseconds.
const P95: f64 = 1_000.0;

/// Resident memory of the console, in mebibytes.
const RESIDENT: f64 = 100.0;

/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Runs all measurements.
pub(crate) async fn bench(report: &mut Report) -> Result<()> {
    let records = u32::try_from(setting("BENCH_CONSOLE_RECORDS", 500_000)?)?;
    let asked = usize::try_from(setting("BENCH_CONSOLE_ASKED", 5)?)?;
    println!("==> the console: {records} records of a day, {VIEWERS} viewers, {asked} times each");
    let (mut server, database) = database().await?;
    let begun = Instant::now();
    let filled = records::fill(&database, records).await?;
    report.row("console.records", f64::from(records), "records");
    if filled.anew {
        report.row("console.filled_in", begun.elapsed().as_secs_f64(), "s");
    }
    report.about("console", json!({"viewers": VIEWERS, "asked_by_each": asked}));

    let viewers = (0..VIEWERS).flat_map(|viewer| [Sees::All, Sees::One].map(|it| it.line(viewer)));
    let viewers = viewers.collect();
    let options = ConsoleOptions { viewers, ..ConsoleOptions::default() };
    let mut console = Console::start(&database, options).await?;
    report.row("console.resident_idle", mebibytes(console.process().resident_bytes()?), "MiB");
    let (mut most, mut silent, mut refused) = (0, 0, 0);
    for view in views::all(filled.at) {
        let used = Used::new(&mut server, &mut console)?;
        let answers = look(&mut console, &view, asked, &mut most).await?;
        for (who, cpu) in used.since()? {
            let each = cpu.as_secs_f64() * 1e3 / count(answers.len());
            report.row(&format!("console.{}_{who}_cpu", view.name), each, "ms/page");
        }
        let sorted = |time: fn(&Answer) -> f64| {
            let mut times: Vec<f64> = answers.iter().map(time).collect();
            times.sort_by(f64::total_cmp);
            times
        };
        let took = sorted(|answer| answer.took_ms);
        report.row(&format!("console.{}_p50", view.name), quantile(&took, 0.5), "ms");
        let p95 = quantile(&took, 0.95);
        report.target(&format!("console.{}_p95", view.name), p95, "ms", Target::AtMost(P95));
        let asked_for: usize = answers.iter().map(|answer| answer.answers).sum();
        if asked_for > answers.len() {
            let whole = sorted(|answer| answer.whole_ms);
            for (name, part) in [("p50", 0.5), ("p95", 0.95)] {
                let name = format!("console.{}_whole_{name}", view.name);
                report.row(&name, quantile(&whole, part), "ms");
            }
            let each = count(asked_for) / count(answers.len());
            report.row(&format!("console.{}_answers", view.name), each, "answers/page");
        }
        silent += answers.iter().filter(|answer| !answer.says_how_far).count();
        refused += answers.iter().filter(|answer| answer.refused).count();
    }
    report.target("console.silent_about_reach", count(silent), "answers", Target::AtMost(0.0));
    report.target("console.refused", count(refused), "answers", Target::AtMost(0.0));
    report.target("console.resident", mebibytes(most), "MiB", Target::AtMost(RESIDENT));
    console.stop()
}

/// A database of its own; with `BENCH_CONSOLE_DATABASE`, that one of the `MONGODB_URI` server, which is kept,
/// so that a further run need not fill it.
async fn database() -> Result<(Option<DatabaseServer>, Database)> {
    match std::env::var("BENCH_CONSOLE_DATABASE") {
        Ok(name) => {
            let uri =
                std::env::var("MONGODB_URI").context("BENCH_CONSOLE_DATABASE needs MONGODB_URI")?;
            Ok((None, Database::on(&uri, &name).await?))
        }
        Err(_) => stored::server().await,
    }
}

/// Processor time of the console and, if it is ours, of the database's server.
struct Used {
    processes: Vec<(&'static str, u32, Duration)>,
}

impl Used {
    fn new(server: &mut Option<DatabaseServer>, console: &mut Console) -> Result<Self> {
        let mut ids = vec![("console", console.process().id())];
        ids.extend(server.as_mut().map(|server| ("database", server.process().id())));
        let processes = ids.into_iter().map(|(who, id)| Ok((who, id, cpu::used(id)?)));
        Ok(Self { processes: processes.collect::<Result<_>>()? })
    }

    /// What they used since then.
    fn since(&self) -> Result<Vec<(&'static str, Duration)>> {
        let processes = self.processes.iter();
        processes
            .map(|(who, id, before)| Ok((*who, cpu::used(*id)?.saturating_sub(*before))))
            .collect()
    }
}

/// Asks for the view, all viewers at once. `most` becomes the most resident bytes meanwhile.
async fn look(
    console: &mut Console,
    view: &View,
    asked: usize,
    most: &mut u64,
) -> Result<Vec<Answer>> {
    let mut viewers = JoinSet::new();
    for viewer in 0..VIEWERS {
        let (view, to) = (view.clone(), console.address());
        viewers.spawn(async move {
            let client = Client::default();
            let mut answers = Vec::new();
            for time in 0..asked {
                let asked = view.asked(to, viewer, viewer * 7 + time * 11);
                answers.push(view.answer(&client, &asked).await?);
            }
            anyhow::Ok(answers)
        });
    }
    let mut answers = Vec::new();
    while answers.len() < VIEWERS * asked {
        *most = console.process().resident_bytes()?.max(*most);
        tokio::select! {
            done = viewers.join_next() => {
                let Some(done) = done else { break };
                answers.extend(done??);
            }
            () = sleep(LOOK) => {}
        }
    }
    ensure!(answers.len() == VIEWERS * asked, "{}: {} answers", view.name, answers.len());
    Ok(answers)
}

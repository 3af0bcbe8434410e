//! What one event costs the thread that logs it: `make bench-tracing`.
//!
//! The same events go to tracing-subscriber's JSON layer, to tracing-bunyan-formatter and to gatelog-tracing,
//! each into a writer that does nothing, in turn, for several rounds. Figures are medians: CPU time of the logging
//! thread, and of the whole process, as gatelog-tracing writes from a thread of its own.

use std::io;
use std::time::Duration;

use gatelog_tracing::{Context, Guard};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tracing::{Dispatch, info, info_span};
use tracing_bunyan_formatter::{BunyanFormattingLayer, JsonStorageLayer};
use tracing_subscriber::prelude::*;

const ROUNDS: usize = 15;
/// Bursts of a round. Between them what was logged is written, outside the measured time: no line may be
/// dropped, as one that is dropped costs less.
const BURSTS: u32 = 40;
/// Events of a burst.
const EVENTS: u32 = 500;
/// A collector that is away, and so a queue that is full.
const AWAY: &str = "gatelog-tracing, collector away";
const PATIENCE: Duration = Duration::from_secs(30);
/// The figure of gatelog-tracing must not be higher than that of this one.
const MEASURE: &str = "tracing-subscriber, JSON";

struct Candidate {
    name: &'static str,
    dispatch: Dispatch,
    guard: Option<Guard>,
    away: bool,
    runs: [Vec<(f64, f64)>; 2],
}

fn candidates() -> Vec<Candidate> {
    let json = tracing_subscriber::fmt::layer().json().flatten_event(true);
    let json = json.with_file(false).with_line_number(true).with_writer(io::sink);
    let lean = tracing_subscriber::fmt::layer().json().flatten_event(true);
    let lean = lean.with_line_number(true).with_span_list(false).with_current_span(false);
    let lean = lean.with_writer(io::sink);
    let bunyan = BunyanFormattingLayer::new("orders".into(), io::sink);
    let silent = || gatelog_tracing::builder("orders").writer(io::sink());
    let (written, written_guard) = silent().layer().expect("valid settings");
    // Nobody listens there: what a full queue costs is in this figure, too.
    let away = gatelog_tracing::builder("orders").collector("http://127.0.0.1:9");
    let (queued, queued_guard) =
        away.drain_timeout(Duration::ZERO).layer().expect("valid settings");
    let of = |name, dispatch, guard| Candidate {
        name,
        dispatch,
        guard,
        away: name == AWAY,
        runs: Default::default(),
    };
    let registry = tracing_subscriber::registry;
    vec![
        of("nothing", Dispatch::new(registry()), None),
        of(MEASURE, Dispatch::new(registry().with(json)), None),
        of("tracing-subscriber, JSON without spans", Dispatch::new(registry().with(lean)), None),
        of(
            "tracing-bunyan-formatter",
            Dispatch::new(registry().with(JsonStorageLayer).with(bunyan)),
            None,
        ),
        of("gatelog-tracing, writer", Dispatch::new(registry().with(written)), Some(written_guard)),
        of(AWAY, Dispatch::new(registry().with(queued)), Some(queued_guard)),
    ]
}

/// An event of a request: within two spans, one of which has the ids.
fn in_a_request() {
    let context = Context {
        request_id: Some("8211ea93-1093-4675-8168-6a52f66d977e".into()),
        correlation_id: Some("corr_456".into()),
        organization_id: Some("org_123".into()),
        user_id: Some("user_7".into()),
        ..Context::default()
    };
    let _request = context.span().entered();
    let _function = info_span!("reserve", order_id = "o-17", attempt = 1).entered();
    for number in 0..EVENTS {
        info!(number, sku = "a-1", share = 0.5, ok = true, "reserved {} of {}", 3, "a-1");
    }
}

/// An event without spans.
fn alone() {
    for number in 0..EVENTS {
        info!(number, sku = "a-1", "reserved");
    }
}

/// Nanoseconds of CPU time so far: of this thread, and of the process.
fn cpu() -> (f64, f64) {
    let nanos = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
    };
    (nanos(ClockId::ThreadCPUTime), nanos(ClockId::ProcessCPUTime))
}

fn measure(candidate: &mut Candidate, scenario: usize, work: fn()) {
    let (mut thread, mut process) = (0.0, 0.0);
    for _ in 0..BURSTS {
        let before = cpu();
        tracing::dispatcher::with_default(&candidate.dispatch, work);
        thread += cpu().0 - before.0;
        if let Some(guard) = &candidate.guard {
            // The queue to a collector that is away is never empty.
            guard.flush(if candidate.away { Duration::ZERO } else { PATIENCE });
            assert_eq!(guard.counters().read().lines_dropped, 0, "dropped lines are cheap");
        }
        process += cpu().1 - before.1;
    }
    let events = f64::from(EVENTS * BURSTS);
    candidate.runs[scenario].push((thread / events, process / events));
}

fn median(runs: &[(f64, f64)], part: fn(&(f64, f64)) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(part).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2].round()
}

fn main() {
    let scenarios: [(&str, fn()); 2] = [("in a request", in_a_request), ("without spans", alone)];
    let mut candidates = candidates();
    // One round more, which warms up.
    for round in 0..=ROUNDS {
        for (number, (_, work)) in scenarios.iter().enumerate() {
            for candidate in &mut candidates {
                measure(candidate, number, *work);
                if round == 0 {
                    candidate.runs[number].clear();
                }
            }
        }
    }
    let mut rows: Vec<Value> = Vec::new();
    for (number, (scenario, _)) in scenarios.iter().enumerate() {
        let of = |name: &str| {
            let found = candidates.iter().find(|candidate| candidate.name == name);
            median(&found.expect("a candidate").runs[number], |run| run.0)
        };
        let target = of(MEASURE);
        for candidate in &candidates {
            let thread = median(&candidate.runs[number], |run| run.0);
            let process = median(&candidate.runs[number], |run| run.1);
            let own = candidate.guard.is_some();
            rows.push(json!({
                "name": format!("{scenario}: {}", candidate.name), "value": thread,
                "unit": "ns of CPU/event, logging thread",
                "target": own.then(|| format!("≤ {target}")), "pass": !own || thread <= target
            }));
            if own {
                rows.push(json!({
                    "name": format!("{scenario}: {}", candidate.name), "value": process,
                    "unit": "ns of CPU/event, process", "target": null, "pass": true
                }));
            }
        }
    }
    for row in &rows {
        println!("{row}");
    }
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(path, json!({ "rows": rows }).to_string()).expect("the report is written");
    }
    let passed = rows.iter().all(|row| row["pass"] == true);
    std::process::exit(i32::from(!passed));
}

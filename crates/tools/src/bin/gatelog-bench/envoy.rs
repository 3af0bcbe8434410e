//! The cost of gatelog in Envoy, compared with the alternatives.
//!
//! Envoy runs on one core, load and upstream on another. The variants alternate in every round; the
//! report shows minimum, quartiles and median of each.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{any, post};
use gatelog_testkit::{Envoy, EnvoyOptions, Fault, FaultProxy, SampleService, eventually};
use serde_json::json;

use crate::collector::mebibytes;
use crate::cpu;
use crate::load::{self, Load, Protocol};
use crate::pipe;
use crate::ratios::{self, Added};
use crate::report::{Report, Target};
use crate::summary::{self, Summary};
use crate::variants::{self, Addresses, Variant};

/// Number of Envoy starts for measuring the startup time.
const STARTS: usize = 5;

/// Latency runs per variant.
const LATENCY_ROUNDS: usize = 5;

/// A running variant.
struct Running {
    variant: Variant,
    envoy: Envoy,
    /// Envoy's processor time per request in microseconds, one value per round.
    cpu: [Vec<f64>; 2],
    p50: Vec<f64>,
    p99: Vec<f64>,
}

/// Measures all variants.
pub(crate) async fn bench(report: &mut Report) -> Result<()> {
    let rounds = load::setting("BENCH_ROUNDS", 15)?;
    let load = Load::from_environment()?;
    let upstream = SampleService::serve(Router::new().fallback(any(async || "ok\n"))).await?;
    // Acknowledges and discards: what a collector does with batches is not Envoy's time.
    let accept = || async { StatusCode::ACCEPTED };
    let collector = SampleService::serve(Router::new().route("/v1/records", post(accept))).await?;
    let away = FaultProxy::start(collector.address()).await?;
    away.fault(Fault::Cut);
    let addresses = Addresses {
        upstream: upstream.address(),
        collector: collector.address(),
        away: away.address(),
    };

    let mut running = Vec::new();
    for variant in variants::all()? {
        println!("==> starting: {} ({})", variant.name, variant.about);
        running.push(start(variant, &addresses).await?);
    }
    for round in 0..=rounds {
        println!(
            "==> processor time, round {round} of {rounds}{}",
            if round == 0 { " (to warm up)" } else { "" }
        );
        for one in &mut running {
            for (protocol, samples) in
                [Protocol::Http1, Protocol::Http2].into_iter().zip(&mut one.cpu)
            {
                let before = cpu::used_by_threads(one.envoy.process().id())?;
                load.run(one.envoy.address(), protocol).await?;
                let used = cpu::used_by_threads(one.envoy.process().id())? - before;
                if round > 0 {
                    samples.push(used.as_secs_f64() * 1e6 / load.requests_f64());
                }
            }
        }
    }
    let rps = match load.rps {
        0 => half_of_saturation(&running),
        given => given,
    };
    let seconds = load::setting("BENCH_LATENCY_SECONDS", 4)?;
    for round in 1..=LATENCY_ROUNDS {
        println!("==> latency at {rps} requests/s, round {round} of {LATENCY_ROUNDS}");
        for one in &mut running {
            let mut micros = load.latencies(one.envoy.address(), rps, seconds).await?;
            micros.sort_by(f64::total_cmp);
            one.p50.push(summary::quantile(&micros, 0.5));
            one.p99.push(summary::quantile(&micros, 0.99));
        }
    }
    report.about(
        "envoy",
        json!({
            "version": "1.40.0, one core; load, upstream and collector on another",
            "rounds": rounds,
            "requests_a_round": load.requests,
            "latency_rps": rps,
            "workers": load::setting("BENCH_WORKERS", 1)?,
            "stdout": std::env::var("BENCH_STDOUT").unwrap_or_else(|_| "file".to_owned()),
        }),
    );
    tell(report, &mut running).await?;
    full_queues(report, &mut running, &away).await?;
    let starting = running.iter().any(|one| one.variant.name == "gatelog");
    drop(running);
    if starting { starts(report, &addresses).await } else { Ok(()) }
}

/// Half the requests per second that Envoy's core can handle with all of gatelog enabled.
fn half_of_saturation(running: &[Running]) -> u64 {
    let whole = running.iter().find(|one| one.variant.name == "gatelog").unwrap_or(&running[0]);
    let micros = Summary::of(&whole.cpu[0]).median.max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 500,000")]
    let half = (1e6 / micros / 2.0) as u64;
    half
}

/// Envoy's memory with a full queue, and after it has drained.
async fn full_queues(
    report: &mut Report,
    running: &mut [Running],
    away: &FaultProxy,
) -> Result<()> {
    let base = running[0].envoy.process().resident_bytes()?;
    let added = |resident: u64| mebibytes(resident.saturating_sub(base));
    for (name, most) in ratios::FULL_QUEUE {
        let Some(one) = running.iter_mut().find(|one| one.variant.name == name) else { continue };
        let queued: u64 = one.envoy.stats("gatelog.queue_bytes").await?.values().sum();
        report.row(&format!("{name}.queue"), mebibytes(queued), "MiB");
        let resident = one.envoy.process().resident_bytes()?;
        let row = format!("{name}.resident_added");
        report.target(&row, added(resident), "MiB", Target::AtMost(most));
    }
    away.fault(Fault::None);
    for (name, _) in ratios::FULL_QUEUE {
        let Some(one) = running.iter_mut().find(|one| one.variant.name == name) else { continue };
        eventually("the queue drains", Duration::from_mins(2), async || {
            let left: u64 = one.envoy.stats("gatelog.queue_records").await?.values().sum();
            ensure!(left == 0, "{left} records wait");
            Ok(())
        })
        .await?;
        let resident = one.envoy.process().resident_bytes()?;
        report.row(&format!("{name}.resident_added_drained"), added(resident), "MiB");
    }
    Ok(())
}

/// Starts a variant on Envoy's core.
async fn start(variant: Variant, addresses: &Addresses) -> Result<Running> {
    let mut options = EnvoyOptions::new(variant.config(addresses)?);
    options.concurrency = u32::try_from(load::setting("BENCH_WORKERS", 1)?)?;
    options.stdout = pipe::from_environment()?;
    let mut envoy = Envoy::start(options).await.with_context(|| variant.name.to_owned())?;
    cpu::pin(envoy.process().id(), cpu::ENVOY_CORE)?;
    Ok(Running { variant, envoy, cpu: Default::default(), p50: Vec::new(), p99: Vec::new() })
}

async fn tell(report: &mut Report, running: &mut [Running]) -> Result<()> {
    let base: Vec<Summary> = running[0].cpu.iter().map(|samples| Summary::of(samples)).collect();
    let (base_p50, base_p99) = (Summary::of(&running[0].p50), Summary::of(&running[0].p99));
    let mut added = Vec::new();
    for one in running {
        let name = one.variant.name;
        let mut added_cpu = [0.0; 2];
        for (((protocol, samples), base), added) in
            ["http1", "http2"].iter().zip(&one.cpu).zip(&base).zip(&mut added_cpu)
        {
            let own = Summary::of(samples);
            report.summary(&format!("{name}.{protocol}.cpu"), &own, "us/request");
            *added = own.median - base.median;
            report.row(&format!("{name}.{protocol}.cpu_added_median"), *added, "us/request");
            report.row(
                &format!("{name}.{protocol}.cpu_added_min"),
                own.min - base.min,
                "us/request",
            );
        }
        let p50 = Summary::of(&one.p50).median - base_p50.median;
        let p99 = Summary::of(&one.p99).median - base_p99.median;
        let held = ["gatelog", variants::AWAY].contains(&name);
        for (row, value, most) in [("p50", p50, 100.0), ("p99", p99, 300.0)] {
            let row = format!("{name}.latency_{row}_added");
            if held {
                report.target(&row, value, "us", Target::AtMost(most));
            } else {
                report.row(&row, value, "us");
            }
        }
        added.push(Added { name, cpu: added_cpu, p50, p99 });
        let resident = one.envoy.process().resident_bytes()?;
        report.row(&format!("{name}.resident"), mebibytes(resident), "MiB");
        if let Some(callouts) = one.envoy.stats("gatelog.callouts.accepted").await?.values().next()
        {
            report.row(
                &format!("{name}.callouts"),
                f64::from(u32::try_from(*callouts)?),
                "callouts in all",
            );
        }
    }
    ratios::report(report, &added);
    Ok(())
}

/// How much longer Envoy takes until it serves traffic when it must start a VM.
async fn starts(report: &mut Report, addresses: &Addresses) -> Result<()> {
    let mut times = Vec::new();
    for name in ["none", "gatelog"] {
        let mut own = Vec::new();
        for _ in 0..STARTS {
            let variant = variants::all()?.into_iter().find(|variant| variant.name == name);
            let variant = variant.context("no such variant")?;
            let begun = Instant::now();
            let running = start(variant, addresses).await?;
            own.push(begun.elapsed().as_secs_f64() * 1e3);
            drop(running);
        }
        times.push(Summary::of(&own));
    }
    let size = std::fs::metadata(gatelog_testkit::filter_path()?)?.len();
    report.row("gatelog.vm_start_added", times[1].median - times[0].median, "ms");
    report.row("gatelog.wasm_size", f64::from(u32::try_from(size)?) / 1024.0, "KiB");
    Ok(())
}

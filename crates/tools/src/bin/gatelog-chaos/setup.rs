//! Sets up the system for a case.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use gatelog_testkit::{
    Collector, CollectorOptions, Disk, DiskKind, EnvoyConfig, EnvoyOptions, FaultProxy, Gateway,
    GatewayOptions, NameServer, Shell, ShiftedClock, Sink, checkout,
};
use serde_json::json;

use crate::case::{Case, DiskType, repeated_for};
use crate::load::Load;
use crate::logs::Logs;
use crate::memory::{Memories, Sampler};
use crate::mongo::Mongo;
use crate::step::{Part, Step};
use crate::system::{Clocks, Faults, System};

/// A small disk for the spool: larger than the collector's reserve plus what it leaves free (36
/// MiB).
const SPOOL_DISK: u64 = 64 << 20;
/// A small disk for the database: its logs alone take 10 MiB.
const DATABASE_DISK: u64 = 64 << 20;
/// Room for what a case stores, in addition to the space that is kept free.
const EXT4_DISK: u64 = 64 << 20;

impl System {
    /// Starts everything that `case` needs, and the load.
    pub(crate) async fn start(case: &Case) -> Result<Self> {
        let mongo =
            Mongo::start(case.authentication, disk(case.disks.database, DATABASE_DISK)?).await?;
        let database = mongo.database().await?;
        let impostor = Sink::start().await?;
        let via = FaultProxy::start(impostor.address()).await?;
        let names = if case.takes(|step| matches!(step, Step::Resolve(_))) {
            Some(NameServer::start().await?)
        } else {
            None
        };
        let clocks =
            Clocks { envoy: clock(case, Part::Envoy)?, collector: clock(case, Part::Collector)? };
        let disk = disk(case.disks.collector, SPOOL_DISK)?;

        let mut envoy = envoy(case)?;
        envoy.environment = environment(clocks.envoy.as_ref());
        let mut collector = CollectorOptions::default();
        collector.environment = environment(clocks.collector.as_ref());
        collector.environment.push(("MONGODB_URI".to_owned(), mongo.uri()));
        collector.environment.extend(case.collector.iter().cloned());
        ensure!((1..=3).contains(&case.collectors), "{} collectors", case.collectors);
        let mut others = Vec::new();
        for _ in 1..case.collectors {
            let other = Collector::start(&database, collector.clone()).await?;
            envoy.config.add_endpoint("gatelog_collector", other.address())?;
            others.push(other);
        }
        if let Some(disk) = &disk {
            let spool = disk.path().join("spool").display().to_string();
            collector.environment.push(("GATELOG_SPOOL_DIR".to_owned(), spool));
        }
        let gateway = Gateway::start_with(GatewayOptions {
            envoy,
            collector,
            database: Some(database.clone()),
            filter: case.takes(|step| *step == Step::Trap).then(trapping_module),
            collector_via: Some(via),
            names: names.as_ref().map(NameServer::address),
            example: false,
        })
        .await?;
        let bare = gateway.envoy.address_of("bare").await?;
        let logs = case.logs.then(|| Logs::start(gateway.collector.address()));
        let load = Load::start(gateway.address(), bare, case.interval()).await?;
        Ok(Self {
            gateway,
            others,
            database,
            faults: Faults { impostor, clocks, names, packets: None, disk, configurations: 0 },
            mongo,
            sampler: Sampler::new(repeated_for()),
            memory: Memories::default(),
            load: Some(load),
            logs,
            sent: Vec::new(),
        })
    }
}

/// A clock for a part, if the case sets one.
fn clock(case: &Case, part: Part) -> Result<Option<ShiftedClock>> {
    let set = case.takes(|step| matches!(step, Step::SetClock { of, .. } if *of == part));
    set.then(ShiftedClock::new).transpose()
}

fn environment(clock: Option<&ShiftedClock>) -> Vec<(String, String)> {
    clock.map(ShiftedClock::environment).unwrap_or_default()
}

fn disk(kind: Option<DiskType>, small: u64) -> Result<Option<Disk>> {
    let kind = kind.map(|kind| match kind {
        DiskType::Small => DiskKind::Memory(small),
        DiskType::Ext4 => DiskKind::Ext4(EXT4_DISK),
    });
    kind.map(Disk::mount).transpose()
}

/// The form of the filter: the wasm filter, or with `CHAOS_SHELL=module` the dynamic module.
fn shell() -> Result<Shell> {
    match std::env::var("CHAOS_SHELL").as_deref() {
        Err(_) | Ok("" | "wasm") => Ok(Shell::Wasm),
        Ok("module") => Ok(Shell::Module),
        Ok(other) => bail!("CHAOS_SHELL = {other:?}: must be wasm or module"),
    }
}

/// The shipped Envoy, with an additional listener without the filter.
fn envoy(case: &Case) -> Result<EnvoyOptions> {
    let shell = shell()?;
    ensure!(
        shell == Shell::Wasm || !case.takes(|step| *step == Step::Trap),
        "only a VM can be made to trap: leave this case out"
    );
    let mut config = EnvoyConfig::built(shell)?;
    // Produce all levels. And use shorter waits than the default, so that a case ends soon after
    // its fault.
    config.filter_options(&[("/level", json!("DEBUG")), ("/delivery/retry/max", json!("2s"))])?;
    let options: Vec<_> =
        case.filter.iter().map(|(pointer, value)| (pointer.as_str(), value.clone())).collect();
    config.filter_options(&options)?;
    config.add_bare_listener("bare")?;
    let mut envoy = EnvoyOptions::new(config);
    envoy.concurrency = case.workers;
    envoy.watch_listeners = true;
    // As on the shipped command line: a killed Envoy loses whatever it has not flushed.
    envoy.flush_milliseconds = 200;
    envoy.arguments =
        ["--drain-time-s", "1", "--drain-strategy", "immediate"].map(str::to_owned).to_vec();
    Ok(envoy)
}

/// The module that traps on request, for cases that need it.
fn trapping_module() -> PathBuf {
    checkout().join("target/gatelog-trap.wasm")
}

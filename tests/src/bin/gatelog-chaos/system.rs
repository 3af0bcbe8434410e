//! The system under load: its parts, and how they are reached.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use gatelog_tests::{
    CollectorOptions, Database, DatabaseServer, EnvoyConfig, EnvoyOptions, FaultProxy, Gateway,
    GatewayOptions, Process, Sink, checkout,
};
use mongodb::bson::Document;
use serde_json::json;
use tempfile::TempDir;

use crate::case::{Case, Part, Step};
use crate::load::{Load, Sent};

/// How long a part may take to end or to start.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Everything, running.
pub(crate) struct System {
    pub(crate) gateway: Gateway,
    pub(crate) database: Database,
    /// Answers in the collector's place, when it is told to.
    pub(crate) impostor: Sink,
    /// How often the filter's configuration was replaced.
    pub(crate) configurations: u64,
    load: Option<Load>,
    sent: Vec<Sent>,
    server: DatabaseServer,
    to_database: FaultProxy,
    storage: TempDir,
}

impl System {
    pub(crate) async fn start(case: &Case) -> Result<Self> {
        let storage = TempDir::new()?;
        let server = start_server(&storage).await?;
        let to_database = FaultProxy::start(server_address(&server)?).await?;
        let impostor = Sink::start().await?;
        let via = FaultProxy::start(impostor.address()).await?;
        let database = Database::on(&server.uri(), "chaos").await?;

        let mut collector = CollectorOptions::default();
        // Through the proxy, and no further: a replica set would tell the driver its own address.
        let uri = format!("mongodb://{}/?directConnection=true", to_database.address());
        collector.environment.push(("MONGODB_URI".to_owned(), uri));
        collector.environment.extend(case.collector.iter().cloned());
        let options = GatewayOptions {
            envoy: envoy(case)?,
            collector,
            database: Some(database.clone()),
            filter: case.steps.contains(&Step::Trap).then(trapping_module),
            collector_via: Some(via),
        };
        let gateway = Gateway::start_with(options).await?;
        let bare = gateway.envoy.address_of("bare").await?;
        let load = Load::start(gateway.address(), bare, case.interval()).await?;
        Ok(Self {
            gateway,
            database,
            impostor,
            configurations: 0,
            load: Some(load),
            sent: Vec::new(),
            server,
            to_database,
            storage,
        })
    }

    /// Ends the load, once, and gives all that was sent.
    pub(crate) async fn end_load(&mut self) -> Result<&[Sent]> {
        if let Some(load) = self.load.take() {
            self.sent = load.stop().await?;
        }
        Ok(&self.sent)
    }

    /// Whether Envoy runs.
    pub(crate) fn has_envoy(&mut self) -> bool {
        self.gateway.envoy.process().ensure_running().is_ok()
    }

    /// A part's process.
    pub(crate) fn process(&mut self, part: Part) -> &mut Process {
        match part {
            Part::Envoy => self.gateway.envoy.process(),
            Part::Collector => self.gateway.collector.process(),
            Part::Database => self.server.process(),
        }
    }

    /// What stands before a part.
    pub(crate) fn proxy(&self, to: Part) -> Result<&FaultProxy> {
        match to {
            Part::Collector => self.gateway.collector_via.as_ref().context("no proxy"),
            Part::Database => Ok(&self.to_database),
            Part::Envoy => bail!("no network leads to Envoy here but the client's own"),
        }
    }

    /// Starts a part again that has ended.
    pub(crate) async fn start_part(&mut self, part: Part) -> Result<()> {
        match part {
            Part::Collector => self.gateway.collector.restart().await?,
            Part::Database => {
                self.server = start_server(&self.storage).await?;
                self.to_database.lead_to(server_address(&self.server)?);
                self.database = Database::on(&self.server.uri(), "chaos").await?;
            }
            Part::Envoy => bail!("a new Envoy would be another system"),
        }
        Ok(())
    }

    /// A command of the database's administrator.
    pub(crate) async fn admin(&self, command: Document) -> Result<()> {
        Database::on(&self.server.uri(), "admin").await?.command(command).await?;
        Ok(())
    }

    /// Replays the journal, as an operator would.
    pub(crate) fn replay(&self) -> Result<()> {
        let journal = self.gateway.envoy.journal().path().display().to_string();
        let url = format!("http://{}", self.gateway.collector.address());
        self.command(&["replay", "--url", &url, &journal])
    }

    /// Puts the dead letters back into the spool, as an operator would.
    pub(crate) fn retry_dead_letters(&self) -> Result<()> {
        self.command(&["dead-letters", "retry"])
    }

    fn command(&self, arguments: &[&str]) -> Result<()> {
        let output = self.gateway.collector.command(arguments)?.output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?} ended with {}: {told}", output.status);
        Ok(())
    }
}

/// Envoy as it ships, with a listener without the filter beside the other.
fn envoy(case: &Case) -> Result<EnvoyOptions> {
    let mut config = EnvoyConfig::shipped()?;
    // All levels are made. And shorter waits than the default, so that a case ends soon after its
    // fault.
    config.filter_options(&[("/level", json!("DEBUG")), ("/delivery/retry/max", json!("2s"))])?;
    let options: Vec<_> =
        case.filter.iter().map(|(pointer, value)| (pointer.as_str(), value.clone())).collect();
    config.filter_options(&options)?;
    config.add_bare_listener("bare")?;
    let mut envoy = EnvoyOptions::new(config);
    envoy.watch_listeners = true;
    // As on the shipped command line: what a killed Envoy had not written out is lost.
    envoy.flush_milliseconds = 200;
    envoy.arguments =
        ["--drain-time-s", "1", "--drain-strategy", "immediate"].map(str::to_owned).to_vec();
    Ok(envoy)
}

/// Starts the server on the data it may have already; its log, where it says its address, is new.
async fn start_server(storage: &TempDir) -> Result<DatabaseServer> {
    let log = TempDir::new_in(storage.path())?.keep();
    DatabaseServer::start_in(&log, &storage.path().join("data")).await
}

fn server_address(server: &DatabaseServer) -> Result<SocketAddr> {
    let uri = server.uri();
    let address = uri.trim_start_matches("mongodb://").trim_end_matches('/');
    address.parse().with_context(|| uri.clone())
}

/// The module that traps when it is asked to, for cases that need it.
fn trapping_module() -> PathBuf {
    checkout().join("target/gatelog-trap.wasm")
}

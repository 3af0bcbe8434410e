//! The system under load, and what is done to it.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use axum::http::Method;
use gatelog_tests::{
    Answer, CollectorOptions, Database, DatabaseServer, EnvoyConfig, EnvoyOptions, Fault,
    FaultProxy, Gateway, GatewayOptions, Sink, checkout, eventually,
};
use mongodb::bson::{Document, doc};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::case::{Case, NetworkFault, Part, Step, paced};
use crate::load::{Load, Sent};

/// How long a part may take to end or to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything, running.
pub(crate) struct System {
    pub(crate) gateway: Gateway,
    pub(crate) database: Database,
    /// What was sent, once the load has ended.
    pub(crate) sent: Vec<Sent>,
    load: Option<Load>,
    server: DatabaseServer,
    to_database: FaultProxy,
    impostor: Sink,
    configurations: u64,
    storage: TempDir,
}

impl System {
    pub(crate) async fn start(case: &Case) -> Result<Self> {
        let storage = TempDir::new()?;
        let server = start_server(&storage).await?;
        let direct = server_address(&server)?;
        let to_database = FaultProxy::start(direct).await?;
        let impostor = Sink::start().await?;
        let via = FaultProxy::start(impostor.address()).await?;
        let database = Database::on(&server.uri(), "chaos").await?;

        let mut config = EnvoyConfig::shipped()?;
        let options: Vec<_> =
            case.filter.iter().map(|(pointer, value)| (pointer.as_str(), value.clone())).collect();
        // Shorter than the default, so that a case ends soon after its fault.
        config.filter_options(&[("/delivery/retry/max", json!("2s"))])?;
        config.filter_options(&options)?;
        config.add_bare_listener("bare")?;
        let mut envoy = EnvoyOptions::new(config);
        envoy.watch_listeners = true;
        envoy.arguments =
            ["--drain-time-s", "1", "--drain-strategy", "immediate"].map(str::to_owned).to_vec();
        let mut collector = CollectorOptions::default();
        // Through the proxy, and no further: a replica set would tell the driver its own address.
        let uri = format!("mongodb://{}/?directConnection=true", to_database.address());
        collector.environment.push(("MONGODB_URI".to_owned(), uri));
        collector.environment.extend(case.collector.iter().cloned());
        let options = GatewayOptions {
            envoy,
            collector,
            database: Some(database.clone()),
            filter: case.steps.iter().any(|step| matches!(step, Step::Trap)).then(trapping_module),
            collector_via: Some(via),
        };
        let gateway = Gateway::start_with(options).await?;
        let load = Load::start(gateway.address(), gateway.envoy.address_of("bare").await?).await?;
        Ok(Self {
            gateway,
            database,
            sent: Vec::new(),
            load: Some(load),
            server,
            to_database,
            impostor,
            configurations: 0,
            storage,
        })
    }

    /// Takes one step of a case.
    pub(crate) async fn take(&mut self, step: &Step) -> Result<()> {
        match step {
            // How long it lasts is the case's own measure.
            Step::Load(milliseconds) => sleep(paced(*milliseconds)).await,
            Step::EndLoad => self.end_load().await?,
            Step::Kill(part) => self.process(*part).kill()?,
            Step::Freeze(part) => self.process(*part).signal(gatelog_tests::Signal::STOP)?,
            Step::Thaw(part) => self.process(*part).signal(gatelog_tests::Signal::CONT)?,
            Step::Terminate(part) => {
                self.process(*part).terminate(PATIENCE)?;
            }
            Step::Start(part) => self.start_part(*part).await?,
            Step::Network { to, fault } => self.proxy(*to)?.fault(network_fault(fault)),
            Step::Impostor(status) => {
                self.impostor.answer(Answer::Refuse(*status));
                self.proxy(Part::Collector)?.lead_to(self.impostor.address());
            }
            Step::EndImpostor => {
                self.proxy(Part::Collector)?.lead_to(self.gateway.collector.address());
            }
            Step::FailPoint { commands, data } => self.fail_point(commands, data).await?,
            Step::EndFailPoint => {
                self.admin(doc! {"configureFailPoint": "failCommand", "mode": "off"}).await?;
            }
            Step::Reconfigure(times) => self.reconfigure(*times).await?,
            Step::Trap => {
                let reply = self
                    .gateway
                    .send(Method::GET, "/api/v1/messages", &[("x-gatelog-trap", "1")])
                    .await?;
                ensure!(reply.status == 503, "the module did not trap: {}", reply.status);
            }
            Step::Drain => self.drain().await?,
            Step::CorruptSpool => corrupt(&self.gateway.collector.spool())?,
        }
        Ok(())
    }

    /// Ends the load, once.
    pub(crate) async fn end_load(&mut self) -> Result<()> {
        if let Some(load) = self.load.take() {
            self.sent = load.stop().await?;
        }
        Ok(())
    }

    fn process(&mut self, part: Part) -> &mut gatelog_tests::Process {
        match part {
            Part::Envoy => self.gateway.envoy.process(),
            Part::Collector => self.gateway.collector.process(),
            Part::Database => self.server.process(),
        }
    }

    fn proxy(&self, to: Part) -> Result<&FaultProxy> {
        match to {
            Part::Collector => self.gateway.collector_via.as_ref().context("no proxy"),
            Part::Database => Ok(&self.to_database),
            Part::Envoy => bail!("no network leads to Envoy here but the client's own"),
        }
    }

    async fn start_part(&mut self, part: Part) -> Result<()> {
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

    async fn fail_point(&self, commands: &[String], data: &serde_json::Value) -> Result<()> {
        let mut fields = mongodb::bson::serialize_to_document(data)?;
        fields.insert("failCommands", commands.to_vec());
        self.admin(doc! {"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": fields})
            .await
    }

    async fn admin(&self, command: Document) -> Result<()> {
        Database::on(&self.server.uri(), "admin").await?.command(command).await?;
        Ok(())
    }

    async fn reconfigure(&mut self, times: u64) -> Result<()> {
        for _ in 0..times {
            self.configurations += 1;
            let version = self.configurations.to_string();
            self.gateway.config.filter_options(&[("/record/fields/version", json!(version))])?;
            self.gateway.envoy.replace_listeners(&self.gateway.config).await?;
            sleep(paced(200)).await;
        }
        Ok(())
    }

    /// `envoy/drain.sh`, step by step.
    async fn drain(&mut self) -> Result<()> {
        self.end_load().await?;
        self.gateway.envoy.administer("/drain_listeners?graceful").await?;
        eventually("nothing is queued in Envoy", PATIENCE, async || {
            let stats = self.gateway.envoy.stats("gatelog.queue_records").await?;
            ensure!(stats.values().all(|records| *records == 0), "{stats:?}");
            Ok(())
        })
        .await
    }
}

fn network_fault(fault: &NetworkFault) -> Fault {
    match fault {
        NetworkFault::None => Fault::None,
        NetworkFault::Cut => Fault::Cut,
        NetworkFault::Silent => Fault::Silent,
        NetworkFault::DelayMs(milliseconds) => Fault::Delay(Duration::from_millis(*milliseconds)),
        NetworkFault::BytesASecond(bytes) => Fault::Throttle(*bytes),
        NetworkFault::ClosedAfterBytes(bytes) => Fault::ClosedAfter(*bytes),
        NetworkFault::Garbage => Fault::Answer(b"\x00\xff no HTTP at all \r\n\r\n".to_vec()),
        NetworkFault::HalfAnAnswer => {
            Fault::Answer(b"HTTP/1.1 202 Accepted\r\ncontent-length: 100\r\n\r\n{\"accep".to_vec())
        }
    }
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

/// Overwrites what lies in the middle of the spool's file.
fn corrupt(spool: &std::path::Path) -> Result<()> {
    let files: Vec<PathBuf> =
        fs::read_dir(spool)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    ensure!(!files.is_empty(), "there is no spool in {}", spool.display());
    for file in files.iter().filter(|file| file.is_file()) {
        let mut bytes = fs::read(file)?;
        let middle = bytes.len() / 3..bytes.len() * 2 / 3;
        bytes.get_mut(middle).unwrap_or_default().fill(0xa5);
        fs::write(file, bytes)?;
    }
    Ok(())
}

/// The module that traps when it is asked to, for cases that need it.
fn trapping_module() -> PathBuf {
    checkout().join("target/gatelog-trap.wasm")
}

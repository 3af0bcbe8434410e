//! The system under load: its parts, and access to them.

use anyhow::{Context, Result, bail, ensure};
use gatelog_testkit::{
    Collector, Database, Disk, FaultProxy, Gateway, NameServer, PacketLoss, Process, ShiftedClock,
    Sink,
};

use crate::load::{Load, Sent};
use crate::logs::Logs;
use crate::memory::{Memories, Sampler};
use crate::mongo::Mongo;
use crate::step::Part;

/// The complete running system.
pub(crate) struct System {
    pub(crate) gateway: Gateway,
    /// Additional collectors behind Envoy's load balancing.
    pub(crate) others: Vec<Collector>,
    pub(crate) database: Database,
    pub(crate) mongo: Mongo,
    // Declared after the processes: what they depend on is removed once they have exited.
    pub(crate) faults: Faults,
    pub(crate) sampler: Sampler,
    pub(crate) memory: Memories,
    pub(crate) load: Option<Load>,
    /// The service that logs by OTLP, if the case has one.
    pub(crate) logs: Option<Logs>,
    pub(crate) sent: Vec<Sent>,
}

/// The parts that inject faults.
pub(crate) struct Faults {
    /// Responds in the collector's place when activated.
    pub(crate) impostor: Sink,
    pub(crate) clocks: Clocks,
    /// The name server that Envoy resolves the collector with, if it knows it by a name.
    pub(crate) names: Option<NameServer>,
    /// The active packet loss.
    pub(crate) packets: Option<PacketLoss>,
    /// The separate disk that holds the spool, if any.
    pub(crate) disk: Option<Disk>,
    /// The number of times that the filter's configuration was replaced.
    pub(crate) configurations: u64,
}

/// The clocks of the parts whose time a case sets.
pub(crate) struct Clocks {
    pub(crate) envoy: Option<ShiftedClock>,
    pub(crate) collector: Option<ShiftedClock>,
}

impl System {
    /// Stops the load, once, and returns everything that was sent.
    pub(crate) async fn end_load(&mut self) -> Result<&[Sent]> {
        if let Some(load) = self.load.take() {
            self.sent = load.stop().await?;
        }
        Ok(&self.sent)
    }

    /// Whether Envoy is running.
    pub(crate) fn has_envoy(&mut self) -> bool {
        self.gateway.envoy.process().ensure_running().is_ok()
    }

    /// A collector: the first or one of the others.
    pub(crate) fn collector(&mut self, part: Part) -> Result<&mut Collector> {
        let other = match part {
            Part::Collector => return Ok(&mut self.gateway.collector),
            Part::SecondCollector => 0,
            Part::ThirdCollector => 1,
            Part::Envoy | Part::Database => bail!("{part:?} is no collector"),
        };
        self.others.get_mut(other).with_context(|| format!("the case has no {part:?}"))
    }

    /// A part's process.
    pub(crate) fn process(&mut self, part: Part) -> Result<&mut Process> {
        Ok(match part {
            Part::Envoy => self.gateway.envoy.process(),
            Part::Database => self.mongo.process(),
            collector => self.collector(collector)?.process(),
        })
    }

    /// The network path to a part.
    pub(crate) fn network(&self, to: Part) -> Result<&FaultProxy> {
        match to {
            Part::Collector => self.gateway.collector_via.as_ref().context("no proxy"),
            Part::Database => Ok(&self.mongo.network),
            other => bail!("nothing that can fail leads to {other:?}"),
        }
    }

    /// Restarts a part that has exited.
    pub(crate) async fn start_part(&mut self, part: Part) -> Result<()> {
        match part {
            Part::Envoy => bail!("a new Envoy would be another system"),
            Part::Database => {
                self.mongo.restart().await?;
                self.database = self.mongo.database().await?;
                Ok(())
            }
            collector => self.collector(collector)?.restart().await,
        }
    }

    /// Replays the journal as an operator would.
    pub(crate) fn replay(&self) -> Result<()> {
        let journal = self.gateway.envoy.journal().path().display().to_string();
        let url = format!("http://{}", self.gateway.collector.address());
        self.command(&["replay", "--url", &url, &journal])
    }

    /// Puts the dead letters back into the spool as an operator would.
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

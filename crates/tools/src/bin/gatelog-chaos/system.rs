//! The system under load: its parts, and how they are reached.

use anyhow::{Context, Result, bail, ensure};
use gatelog_testkit::{
    Collector, Database, Disk, FaultProxy, Gateway, NameServer, PacketLoss, Process, ShiftedClock,
    Sink,
};

use crate::load::{Load, Sent};
use crate::memory::{Memories, Sampler};
use crate::mongo::Mongo;
use crate::step::Part;

/// Everything, running.
pub(crate) struct System {
    pub(crate) gateway: Gateway,
    /// Further collectors behind Envoy's balancing.
    pub(crate) others: Vec<Collector>,
    pub(crate) database: Database,
    pub(crate) mongo: Mongo,
    // After the processes: what they stand on is removed when they have ended.
    pub(crate) faults: Faults,
    pub(crate) sampler: Sampler,
    pub(crate) memory: Memories,
    pub(crate) load: Option<Load>,
    pub(crate) sent: Vec<Sent>,
}

/// What makes parts fail.
pub(crate) struct Faults {
    /// Answers in the collector's place, when it is told to.
    pub(crate) impostor: Sink,
    pub(crate) clocks: Clocks,
    /// Where Envoy asks for the collector's address, if it knows it by a name.
    pub(crate) names: Option<NameServer>,
    /// Packets that are being lost.
    pub(crate) packets: Option<PacketLoss>,
    /// What the spool lies on, if that is a disk of its own.
    pub(crate) disk: Option<Disk>,
    /// How often the filter's configuration was replaced.
    pub(crate) configurations: u64,
}

/// Clocks of parts that are set in a case.
pub(crate) struct Clocks {
    pub(crate) envoy: Option<ShiftedClock>,
    pub(crate) collector: Option<ShiftedClock>,
}

impl System {
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

    /// A collector, the first or one of the others.
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

    /// What leads to a part.
    pub(crate) fn network(&self, to: Part) -> Result<&FaultProxy> {
        match to {
            Part::Collector => self.gateway.collector_via.as_ref().context("no proxy"),
            Part::Database => Ok(&self.mongo.network),
            other => bail!("nothing that can fail leads to {other:?}"),
        }
    }

    /// Starts a part again that has ended.
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

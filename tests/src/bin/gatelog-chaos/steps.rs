//! What the steps of a case do to the system.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::http::Method;
use gatelog_tests::{Answer, Fault, Signal, eventually};
use mongodb::bson::doc;
use serde_json::json;
use tokio::time::sleep;

use crate::case::{NetworkFault, Part, Step, paced};
use crate::system::{PATIENCE, System};

impl System {
    /// Takes one step of a case.
    pub(crate) async fn take(&mut self, step: &Step) -> Result<()> {
        match step {
            // How long it lasts is the case's own measure.
            Step::Load(milliseconds) => sleep(paced(*milliseconds)).await,
            Step::EndLoad => {
                self.end_load().await?;
            }
            Step::Kill(part) => self.process(*part).kill()?,
            Step::Freeze(part) => self.process(*part).signal(Signal::STOP)?,
            Step::Thaw(part) => self.process(*part).signal(Signal::CONT)?,
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
            Step::Trap => self.trap().await?,
            Step::Drain => self.drain().await?,
            Step::CorruptSpool => corrupt(&self.gateway.collector.spool())?,
        }
        Ok(())
    }

    async fn fail_point(&self, commands: &[String], data: &serde_json::Value) -> Result<()> {
        let mut fields = mongodb::bson::serialize_to_document(data)?;
        fields.insert("failCommands", commands.to_vec());
        self.admin(doc! {"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": fields})
            .await
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

    async fn trap(&self) -> Result<()> {
        let headers = [("x-gatelog-trap", "1")];
        let reply = self.gateway.send(Method::GET, "/api/v1/messages", &headers).await?;
        ensure!(reply.status == 503, "the module did not trap: {}", reply.status);
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

/// Overwrites what lies in the middle of the spool's file.
fn corrupt(spool: &Path) -> Result<()> {
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

//! Carries out the steps of a case.

use std::fmt::Write;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::http::Method;
use gatelog_record::{Timestamp, Uuid};
use gatelog_testkit::{
    Answer, Client, Disk, Fault, PacketLoss, Refusal, Resolution, ShiftedClock, Signal, eventually,
};
use mongodb::bson::{DateTime, Document, doc, serialize_to_document};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::accounts::FLOOD;
use crate::case::paced;
use crate::step::PATIENCE;
use crate::step::{self, NetworkFault, Part, Step};
use crate::system::System;

/// Prefix of the collector's metrics.
const METRICS: &str = "gatelog_collector_";

impl System {
    /// Runs one step of a case.
    pub(crate) async fn take(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Load(milliseconds) => self.watch(paced(*milliseconds)).await?,
            Step::EndLoad => {
                self.end_load().await?;
            }
            Step::Shows { of, value, at_least, at_most } => {
                self.shows(*of, value, *at_least..=at_most.unwrap_or(u64::MAX)).await?;
            }

            Step::Kill(part) => self.process(*part)?.kill()?,
            Step::Freeze(part) => self.process(*part)?.signal(Signal::STOP)?,
            Step::Thaw(part) => self.process(*part)?.signal(Signal::CONT)?,
            Step::Terminate(part) => {
                self.process(*part)?.terminate(PATIENCE)?;
            }
            Step::Start(part) => self.start_part(*part).await?,
            Step::SetClock { of, seconds } => self.set_clock(*of, *seconds).await?,

            Step::Network { to, fault } => self.network(*to)?.fault(network_fault(fault)),
            Step::PacketLoss { to, percent } => self.lose_packets(*to, *percent)?,
            Step::Resolve(answer) => self.resolve(*answer)?,
            Step::Impostor(status) => {
                self.faults.impostor.answer(Answer::Refuse(*status));
                self.network(Part::Collector)?.lead_to(self.faults.impostor.address());
            }
            Step::EndImpostor => {
                self.network(Part::Collector)?.lead_to(self.gateway.collector.address());
            }

            Step::FailPoint { commands, data } => self.fail_point(commands, data).await?,
            Step::EndFailPoint => {
                self.mongo.admin(doc! {"configureFailPoint": "failCommand", "mode": "off"}).await?;
            }
            Step::Database(command) => {
                self.database.command(serialize_to_document(command)?).await?;
            }
            Step::MayWrite(may) => self.mongo.may_write(*may).await?,
            Step::RefuseInserts(codes) => {
                let refusals = codes.iter().copied().map(Refusal::Whole).collect();
                self.mongo.refuse_in_turn(refusals).await?;
            }
            Step::RefuseDocuments(codes) => {
                let refusals = codes.iter().copied().map(Refusal::EachDocument).collect();
                self.mongo.refuse_in_turn(refusals).await?;
            }

            Step::RefuseInto { collection, holding, code } => {
                let (collection, code) = (collection.clone(), *code);
                self.mongo
                    .refuse(match holding.clone() {
                        Some(text) => Refusal::Holding { collection, text, code },
                        None => Refusal::Into(collection, code),
                    })
                    .await?;
            }
            Step::EndRefusals => self.mongo.end_refusals()?,

            Step::Reconfigure(times) => self.reconfigure(*times).await?,
            Step::Trap => self.trap().await?,
            Step::Drain => self.drain().await?,

            Step::CorruptSpool => corrupt(&self.gateway.collector.spool())?,
            Step::PostJunk(batches) => self.post_junk(*batches).await?,
            Step::PostBoots(batches) => self.post_boots(*batches).await?,
            Step::FillDisk { of, leaving } => self.disk(*of)?.fill(*leaving)?,
            Step::FreeDisk(of) => self.disk(*of)?.free()?,
            Step::FailDisk(of) => self.disk(*of)?.fail()?,
            Step::MendDisk(of) => self.disk(*of)?.mend()?,
        }
        Ok(())
    }

    /// Lets the load continue, and samples memory meanwhile.
    async fn watch(&mut self, time: Duration) -> Result<()> {
        let end = self.sampler.elapsed() + time;
        while self.sampler.elapsed() < end {
            if let Some(at) = self.sampler.due() {
                for (part, memory) in [
                    (Part::Envoy, &mut self.memory.envoy),
                    (Part::Collector, &mut self.memory.collector),
                ] {
                    let process = match part {
                        Part::Envoy => self.gateway.envoy.process(),
                        _ => self.gateway.collector.process(),
                    };
                    // A process that has exited has none.
                    if process.ensure_running().is_ok() {
                        memory.add(at, process.resident_bytes()?);
                    }
                }
            }
            sleep(Duration::from_millis(100).min(end.saturating_sub(self.sampler.elapsed()))).await;
        }
        Ok(())
    }

    async fn shows(&mut self, of: Part, value: &str, within: RangeInclusive<u64>) -> Result<()> {
        eventually(&format!("{of:?} shows {value}"), PATIENCE, async || {
            let shown = if of == Part::Envoy {
                // Envoy adds its own prefix to the stats of filters.
                let stats = self.gateway.envoy.stats(value).await?;
                stats.iter().find(|(name, _)| name.ends_with(value)).map(|(_, shown)| *shown)
            } else {
                let metrics = self.collector(of)?.get("/metrics").await?.text();
                let line = metrics.lines().find_map(|line| {
                    line.strip_prefix(METRICS)?.strip_prefix(value)?.strip_prefix(' ')
                });
                line.map(str::parse).transpose()?
            };
            ensure!(shown.is_some_and(|shown| within.contains(&shown)), "it is {shown:?}");
            Ok(())
        })
        .await
    }

    /// Sets a clock, and checks that the process follows it, if it is running.
    async fn set_clock(&mut self, of: Part, seconds: i64) -> Result<()> {
        self.clock(of)?.set(seconds)?;
        if self.process(of)?.ensure_running().is_err() {
            return Ok(());
        }
        eventually(&format!("{of:?} goes by its clock"), PATIENCE, async || {
            let told = match of {
                Part::Envoy => {
                    let line = self.gateway.envoy.journal().lines()?.pop().context("no record")?;
                    let record: Value = serde_json::from_str(&line)?;
                    record.get("timestamp").context("no time")?.clone()
                }
                _ => {
                    let accounting = self.gateway.collector.accounting().await?;
                    accounting.pointer("/boots/0/updated").context("no account")?.clone()
                }
            };
            let told = Timestamp::parse(told.as_str().context("no time")?)?;
            let ahead = told.unix_millis() / 1_000 - DateTime::now().timestamp_millis() / 1_000;
            ensure!((ahead - seconds).abs() < 30, "it is {ahead} s ahead");
            Ok(())
        })
        .await
    }

    fn clock(&self, of: Part) -> Result<&ShiftedClock> {
        let clock = match of {
            Part::Envoy => &self.faults.clocks.envoy,
            Part::Collector => &self.faults.clocks.collector,
            _ => &None,
        };
        clock.as_ref().with_context(|| format!("{of:?} has no clock of its own"))
    }

    fn disk(&self, of: Part) -> Result<&Disk> {
        let disk = match of {
            Part::Collector => &self.faults.disk,
            Part::Database => &self.mongo.disk,
            _ => &None,
        };
        disk.as_ref().with_context(|| format!("{of:?} has no disk of its own"))
    }

    fn lose_packets(&mut self, to: Part, percent: u8) -> Result<()> {
        if let Some(packets) = self.faults.packets.take() {
            ensure!(packets.lost()? > 0, "no packet was lost");
        }
        if percent > 0 {
            let port = self.network(to)?.address().port();
            self.faults.packets = Some(PacketLoss::start(port, percent)?);
        }
        Ok(())
    }

    fn resolve(&self, answer: step::Answer) -> Result<()> {
        let names = self.faults.names.as_ref().context("no name server")?;
        names.says(match answer {
            step::Answer::Known => Resolution::Loopback,
            step::Answer::Unknown => Resolution::Unknown,
            step::Answer::Failing => Resolution::Failing,
            step::Answer::Silent => Resolution::Silent,
        });
        Ok(())
    }

    async fn post_junk(&self, batches: u64) -> Result<()> {
        for _ in 0..batches {
            self.post("x\n".repeat(10_000)).await?;
        }
        Ok(())
    }

    async fn post_boots(&self, batches: u64) -> Result<()> {
        for _ in 0..batches {
            let boot = Uuid::new_v4();
            let header = json!({"batch": {
                "v": 1, "gateway": FLOOD, "boot": boot.to_string(),
                "assigned": 10_000, "queued": 0, "dropped": {},
            }});
            let mut body = format!("{header}\n");
            for number in (1..10_000).step_by(2) {
                let source = json!({"gateway": FLOOD, "boot": boot.to_string(), "seq": number});
                writeln!(body, "{}", json!({"source": source}))?;
            }
            self.post(body).await?;
        }
        Ok(())
    }

    /// Posts directly to the collector; a full disk may make it refuse.
    async fn post(&self, body: String) -> Result<()> {
        let kind = [("content-type", &b"application/x-ndjson"[..])];
        let address = self.gateway.collector.address();
        let reply =
            Client::default().send(address, Method::POST, "/v1/records", &kind, body).await?;
        ensure!([202, 503].contains(&reply.status.as_u16()), "{}: {}", reply.status, reply.text());
        Ok(())
    }

    async fn fail_point(&self, commands: &[String], data: &Value) -> Result<()> {
        let mut fields: Document = serialize_to_document(data)?;
        fields.insert("failCommands", commands.to_vec());
        let mode = doc! {"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": fields};
        self.mongo.admin(mode).await
    }

    async fn reconfigure(&mut self, times: u64) -> Result<()> {
        for _ in 0..times {
            self.faults.configurations += 1;
            let version = self.faults.configurations.to_string();
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

    /// Runs `envoy/drain.sh`, step by step.
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
    let milliseconds = Duration::from_millis;
    match fault {
        NetworkFault::None => Fault::None,
        NetworkFault::Cut => Fault::Cut,
        NetworkFault::Silent => Fault::Silent,
        NetworkFault::DelayMs(time) => Fault::Delay(milliseconds(*time)),
        NetworkFault::BytesASecond(bytes) => Fault::Throttle(*bytes),
        NetworkFault::ClosedAfterBytes(bytes) => Fault::ClosedAfter(*bytes),
        NetworkFault::LateAnswerMs(time) => Fault::LateAnswer(milliseconds(*time)),
        NetworkFault::ByteByByteMs(time) => Fault::Dribble(milliseconds(*time)),
        NetworkFault::NoAnswer => Fault::Answer(Vec::new()),
        NetworkFault::Garbage => Fault::Answer(b"\x00\xff no HTTP at all \r\n\r\n".to_vec()),
        NetworkFault::HalfAnAnswer => Fault::Answer(HALF_AN_ANSWER.to_vec()),
        NetworkFault::ResetMidAnswer => Fault::Reset(HALF_AN_ANSWER.to_vec()),
    }
}

const HALF_AN_ANSWER: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 100\r\n\r\n{\"accep";

/// Overwrites bytes in the middle of the spool's file.
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

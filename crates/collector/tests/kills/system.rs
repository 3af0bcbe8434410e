//! Two collectors and the database that they share, each of which can be killed.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use gatelog_record::Uuid;
use gatelog_testkit::{
    Collector, CollectorOptions, Database, DatabaseServer, Process, Signal, eventually,
};
use mongodb::bson::{DateTime, Document, doc};
use tempfile::TempDir;

use crate::PATIENCE;
use crate::moments::{Moment, Moments};

/// What the database has acknowledged must survive its own death.
const DURABLE: &str = "--sync-on-commit";

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    One,
    Other,
    Database,
}

const ALL: [Part; 3] = [Part::One, Part::Other, Part::Database];

pub(crate) struct System {
    collectors: [Collector; 2],
    /// What the collectors send to the database.
    moments: [Moments; 2],
    server: DatabaseServer,
    port: String,
    // After the processes, which write there.
    directory: TempDir,
}

impl System {
    pub(crate) async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let storage = directory.path().join("data");
        let server = DatabaseServer::start_with(directory.path(), &storage, &[DURABLE]);
        let server = server.await.unwrap();
        let address: SocketAddr =
            server.uri().replace("mongodb://", "").replace('/', "").parse().unwrap();
        let moments = [Moments::start(address).await, Moments::start(address).await];
        let database = Database::on(&server.uri(), "kills").await.unwrap();
        let collectors =
            [collector(&database, &moments[0]).await, collector(&database, &moments[1]).await];
        Self { collectors, moments, server, port: address.port().to_string(), directory }
    }

    pub(crate) fn addresses(&self) -> [SocketAddr; 2] {
        [self.collectors[0].address(), self.collectors[1].address()]
    }

    /// A new connection: those of before the kills are gone.
    pub(crate) async fn database(&self) -> Database {
        Database::on(&self.server.uri(), "kills").await.unwrap()
    }

    fn process(&mut self, part: Part) -> &mut Process {
        match part {
            Part::One => self.collectors[0].process(),
            Part::Other => self.collectors[1].process(),
            Part::Database => self.server.process(),
        }
    }

    pub(crate) fn runs(&mut self, part: Part) -> bool {
        self.process(part).ensure_running().is_ok()
    }

    pub(crate) fn any_runs(&mut self) -> bool {
        ALL.iter().any(|part| self.runs(*part))
    }

    /// Ends when this happens between a part and its neighbour.
    pub(crate) fn moment(
        &self,
        part: Part,
        moment: Moment,
        rng: &mut fastrand::Rng,
    ) -> impl Future<Output = ()> + use<> {
        let at = match part {
            Part::One => 0,
            Part::Other => 1,
            Part::Database => rng.usize(..2),
        };
        self.moments[at].next(moment)
    }

    /// Sends SIGTERM to a collector: it writes its last rollups.
    pub(crate) fn stop_soon(&mut self, part: Part) {
        if part != Part::Database {
            self.process(part).signal(Signal::TERM).unwrap();
        }
    }

    /// Whether it was killed before it ended by itself.
    pub(crate) fn kill(&mut self, part: Part) -> bool {
        let ran = self.runs(part);
        self.process(part).kill().unwrap();
        ran
    }

    /// Starts whatever is down.
    pub(crate) async fn start_all(&mut self) {
        if !self.runs(Part::Database) {
            let (directory, again) = (self.directory.path(), [DURABLE, "--port", &self.port]);
            let storage = directory.join("data");
            let server = DatabaseServer::start_with(directory, &storage, &again);
            self.server = server.await.unwrap();
        }
        for collector in &mut self.collectors {
            if collector.process().ensure_running().is_err() {
                collector.restart().await.unwrap();
            }
        }
    }

    /// Waits until nothing is left in the spools, as long as there is progress.
    pub(crate) async fn drain(&self) {
        let mut before = u64::MAX;
        while before > 0 {
            before = eventually("the spools shrink", PATIENCE, async || {
                let mut waiting = 0;
                for collector in &self.collectors {
                    waiting += spooled(collector).await?;
                }
                ensure!(waiting < before, "{waiting} records wait");
                Ok(waiting)
            })
            .await
            .unwrap();
        }
    }

    /// Both collectors know that everything up to `last` is stored.
    pub(crate) async fn check_accounts(&self, boot: Uuid, last: u64) {
        for collector in &self.collectors {
            eventually("the account adds up", PATIENCE, async || {
                let accounts = collector.accounting().await?;
                let boot = boot.hyphenated().to_string();
                let boots = accounts["boots"].as_array().cloned().unwrap_or_default();
                let account = boots.into_iter().find(|account| account["boot"] == boot);
                let account = account.unwrap_or_default();
                ensure!(account["assigned"] == last && account["stored"] == last, "{account}");
                ensure!(account["missing"] == 0 && account["spooled"] == 0, "{account}");
                Ok(())
            })
            .await
            .unwrap();
        }
    }

    /// Waits until both collectors say that what they accepted until now is counted.
    pub(crate) async fn count(&self, database: &Database) {
        let drained = DateTime::now();
        let states = doc! {"_id": {"$gte": "collector:", "$lt": "collector;"}};
        eventually("all is counted", PATIENCE, async || {
            let states = database.find("gatelog_rollups", states.clone()).await?;
            let is_done =
                |state: &Document| state.get_datetime("counted_to").is_ok_and(|to| *to >= drained);
            ensure!(states.len() == 2 && states.iter().all(is_done), "{states:?}");
            Ok(())
        })
        .await
        .unwrap();
    }

    /// Stops both collectors.
    pub(crate) fn stop(&mut self) {
        for collector in &mut self.collectors {
            collector.stop().unwrap();
        }
    }
}

async fn collector(database: &Database, moments: &Moments) -> Collector {
    let uri = format!("mongodb://{}/?directConnection=true", moments.address());
    let environment = [("MONGODB_URI", uri.as_str()), ("GATELOG_ROLLUPS", "on")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = CollectorOptions { environment: environment.to_vec() };
    Collector::start(database, options).await.unwrap()
}

async fn spooled(collector: &Collector) -> anyhow::Result<u64> {
    let metrics = collector.get("/metrics").await?.text();
    let line =
        metrics.lines().find_map(|line| line.strip_prefix("gatelog_collector_spool_records "));
    Ok(line.context("no such metric")?.trim().parse()?)
}

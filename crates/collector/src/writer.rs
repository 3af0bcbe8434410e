//! From the spool to the database: in order, several inserts under way, trying for ever.
//!
//! Rows are taken in the order in which they were accepted. A job takes some rows, decodes them
//! a chunk at a time, inserts the chunk until every record of it is stored, a duplicate, or
//! refused for good, and then settles the rows: deleted, refusals to the dead letters, accounts
//! changed, in one transaction. A process that dies before that inserts the rows again when it
//! is back, and their records are duplicates.

pub mod chunk;
mod job;

use std::sync::Arc;
use std::time::Duration;

use gatelog_record::DecodeLimits;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::backoff::Backoff;
use crate::metrics::Metrics;
use crate::outage::Outage;
use crate::spool::Spool;
use crate::store::Store;
use chunk::Pace;
use job::Job;

/// Rows are read until they have so many bytes: about one insert's worth.
const READ_BYTES: usize = 1 << 20;
/// And no more than so many rows.
const READ_ROWS: usize = 256;

/// How the database is written to.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// Inserts under way at once.
    pub jobs: usize,
    /// Most records of one insert.
    pub records: usize,
    /// The bounds of a line in the spool.
    pub record: DecodeLimits,
}

/// What all jobs share.
pub(crate) struct Context {
    spool: Spool,
    store: Store,
    metrics: Metrics,
    pace: Pace,
    outage: Outage,
    record: DecodeLimits,
}

/// Writes what is in the spool to the database until `stop` becomes true; then takes no more
/// rows, and gives the jobs under way `stop_time` to settle theirs.
pub async fn run(
    spool: Spool,
    store: Store,
    options: WriterOptions,
    metrics: Metrics,
    outage: Outage,
    mut stop: watch::Receiver<bool>,
    stop_time: Duration,
) {
    let context = Arc::new(Context {
        spool,
        store,
        outage,
        metrics,
        pace: Pace::new(options.records),
        record: options.record,
    });
    let mut jobs = JoinSet::new();
    let mut reading = Reading::default();
    while !*stop.borrow() {
        let mut more = false;
        if jobs.len() < options.jobs {
            more = match reading.next(&context).await {
                Some(job) => {
                    jobs.spawn(job.run(stop.clone()));
                    true
                }
                None => false,
            };
        }
        if more {
            continue;
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = context.spool.changed(), if jobs.len() < options.jobs => {}
            () = tokio::time::sleep(reading.pause()), if reading.failed() => {}
            Some(_) = jobs.join_next() => {}
        }
    }
    let finish = async { while jobs.join_next().await.is_some() {} };
    if tokio::time::timeout(stop_time, finish).await.is_err() {
        tracing::warn!("some inserts did not finish in time: their batches stay in the spool");
    }
}

/// How far the spool has been read.
#[derive(Default)]
struct Reading {
    generation: u64,
    after: i64,
    pause: Option<Duration>,
    backoff: Backoff,
}

impl Reading {
    async fn next(&mut self, context: &Arc<Context>) -> Option<Job> {
        if context.spool.generation() != self.generation {
            self.generation = context.spool.generation();
            self.after = 0;
        }
        match context.spool.read(self.after, READ_BYTES, READ_ROWS).await {
            // The file was replaced just now: this one is read from its beginning.
            Ok(read) if read.generation != self.generation => {
                self.pause = Some(Duration::ZERO);
                None
            }
            Ok(read) => {
                self.pause = None;
                self.backoff = Backoff::default();
                self.after = read.rows.last()?.id;
                Some(Job::new(Arc::clone(context), read))
            }
            Err(error) => {
                if self.pause.is_none() {
                    tracing::error!(%error, "spool not readable");
                }
                self.pause = Some(self.backoff.next());
                None
            }
        }
    }

    fn failed(&self) -> bool {
        self.pause.is_some()
    }

    fn pause(&self) -> Duration {
        self.pause.unwrap_or_default()
    }
}

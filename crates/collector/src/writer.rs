//! From the spool to the database: in order, with several concurrent inserts, retrying forever.
//!
//! Rows are taken in the order in which they were accepted. A job takes some rows, decodes them a
//! chunk at a time, inserts the chunk until every record of it is stored, a duplicate, refused for
//! good, or parked, and then settles the rows in one transaction: it deletes them, moves refused
//! records to the dead letters and parked records to separate rows, and updates the accounts. If
//! the process dies before that, it inserts the rows again after a restart, and their records are
//! duplicates.
//!
//! Every insert passes the [`Gate`]: it begins only while the tombstones are known, and what they
//! cover is not sent, but settled as if it were stored.
//!
//! No failure blocks other records for good:
//!
//! - While the server is down, jobs wait: none could proceed.
//! - A collection that accepts nothing is blocked (see `lanes`), and its records are parked until
//!   it accepts documents again (see `parked`).
//! - A record that is refused alone is parked too, and retried a few times (see `trials`)
//!   before it becomes a dead letter.

pub mod chunk;
mod counted;
mod job;
mod lanes;
mod parked;
mod progress;
#[cfg(test)]
mod tests;
mod trials;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatelog_record::{DecodeLimits, Decoded};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::metrics::Metrics;
use crate::outage::{self, Outage};
use crate::spool::Spool;
use crate::store::{Condition, InsertReport, LogCollection, Reception, Store, StoreError};
use crate::tombstone::{Gate, Pass};
use chunk::Pace;
use job::Job;
use lanes::{Advice, Lanes};

/// Rows are read until they reach this many bytes: about one insert.
const READ_BYTES: usize = 1 << 20;
/// Maximum number of rows per read.
const READ_ROWS: usize = 256;

/// How to write to the database.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// Maximum concurrent inserts.
    pub jobs: usize,
    /// Maximum records per insert.
    pub records: usize,
    /// The bounds of a line in the spool.
    pub record: DecodeLimits,
    /// Whether rollups count what is stored.
    pub rollups: bool,
    /// How long running jobs may take to settle their rows once the writer stops.
    pub stop_time: Duration,
}

/// Where records go.
pub struct Destination {
    /// The database.
    pub store: Store,
    /// What lets inserts begin.
    pub gate: Gate,
}

/// What all jobs share.
pub(crate) struct Context {
    spool: Spool,
    store: Store,
    gate: Gate,
    metrics: Metrics,
    pace: Pace,
    lanes: Lanes,
    outage: Outage,
    record: DecodeLimits,
    rollups: bool,
    /// Notified when something is parked.
    parks: Notify,
    /// Whether it was said that documents cannot be deleted.
    cannot_delete: AtomicBool,
}

impl Context {
    /// Performs one insert, counts it, and adjusts the pace to its result.
    async fn insert(
        &self,
        records: &[Decoded],
        marks: &[i64],
        shut: &BTreeSet<LogCollection>,
        known_open: Option<LogCollection>,
        pass: &Pass,
    ) -> (InsertReport, Vec<Reception>) {
        if records.is_empty() {
            return Default::default();
        }
        let started = Instant::now();
        let (mut report, receptions) =
            self.store.insert_where_open(records, marks, shut, known_open, pass).await;
        if self.gate.lapsed_since(pass) {
            report.doubt();
        }
        self.unsend(records, &mut report).await;
        self.metrics.erased_from_spool(report.erased.len());
        if receptions.is_empty() {
            return (report, receptions);
        }
        self.metrics.inserted(report.stored.len(), report.duplicate.len(), started.elapsed());
        match &report.failure {
            None => self.pace.faster(),
            Some(StoreError::Timeout { .. }) => self.pace.slower(),
            Some(_) => {}
        }
        (report, receptions)
    }

    /// Deletes what may have been inserted of records that are erased: by an insert that outlived the
    /// lease, or before the tombstone was known.
    async fn unsend(&self, records: &[Decoded], report: &mut InsertReport) {
        let erased = report.erased.iter().filter_map(|position| records.get(*position));
        let erased: Vec<_> = erased.collect();
        if erased.is_empty() {
            return;
        }
        match self.store.remove_records(&erased).await {
            Ok(0) => {}
            Ok(documents) => {
                tracing::info!(documents, "documents deleted that tombstones cover");
            }
            Err(error) if error.lacks_a_right() => {
                if !self.cannot_delete.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "what tombstones cover is not inserted, but what was may \
                        stay: grant this collector's role remove on the collections of the levels, \
                        audit_logs and trace_logs, and run `erase` again (docs/erase.md)");
                }
            }
            Err(error) => report.not_deleted(error),
        }
    }

    /// Records how each collection responded to its part of an insert.
    async fn heed(&self, receptions: &[Reception], writer: &mut outage::Writer) {
        let advice = self.count(receptions);
        let of_server = receptions.iter().find_map(|reception| match &reception.condition {
            Some(Condition::Server(error)) => Some(error),
            _ => None,
        });
        match of_server {
            Some(error) => writer.failed(error),
            None if receptions.iter().any(|reception| reception.taken) => writer.passed(),
            None => {}
        }
        if advice.contains(&Advice::Ask) && self.store.ping().await.is_ok() {
            self.lanes.answers();
        }
    }

    /// The same, for occasional attempts, which do not count as an outage.
    fn count(&self, receptions: &[Reception]) -> Vec<Advice> {
        let heed = |reception: &Reception| {
            if let Some(Condition::Collection(error) | Condition::Server(error)) =
                &reception.condition
            {
                self.metrics.insert_failed(error.kind());
            }
            self.lanes.heed(reception, Instant::now())
        };
        receptions.iter().map(heed).collect()
    }
}

/// Writes the spool's contents to the database, as far as the gate lets inserts begin, until `stop`
/// becomes true; then takes no more rows,
/// and allows the running jobs [`stop_time`](WriterOptions::stop_time) to settle theirs.
pub async fn run(
    spool: Spool,
    destination: Destination,
    options: WriterOptions,
    metrics: Metrics,
    outage: Outage,
    mut stop: watch::Receiver<bool>,
) {
    let Destination { store, gate } = destination;
    let context = Arc::new(Context {
        spool,
        lanes: Lanes::new(store.database().name(), outage.clone()),
        store,
        gate,
        outage,
        parks: Notify::new(),
        cannot_delete: AtomicBool::new(false),
        metrics,
        pace: Pace::new(options.records),
        record: options.record,
        rollups: options.rollups,
    });
    let mut parked = JoinSet::new();
    parked.spawn(parked::run(Arc::clone(&context), stop.clone()));
    let mut jobs = JoinSet::new();
    // Bytes of rows that running jobs hold: as much as one read for each. One row may exceed it, as
    // it is a whole batch; until then several large ones wait in the spool.
    let mut held = 0_usize;
    let most_held = options.jobs.saturating_mul(READ_BYTES);
    let mut reading = Reading::default();
    while !*stop.borrow() {
        let free = jobs.len() < options.jobs && held < most_held;
        let mut more = false;
        if free {
            more = match reading.next(&context).await {
                Some(job) => {
                    held = held.saturating_add(job.bytes());
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
            () = context.spool.changed(), if free => {}
            () = tokio::time::sleep(reading.pause()), if reading.failed() => {}
            Some(ended) = jobs.join_next() => {
                held = held.saturating_sub(pass_on_fault(ended).unwrap_or_default());
            }
            Some(ended) = parked.join_next() => {
                pass_on_fault(ended);
            }
        }
    }
    let finish = async {
        while jobs.join_next().await.is_some() {}
        while parked.join_next().await.is_some() {}
    };
    if tokio::time::timeout(options.stop_time, finish).await.is_err() {
        tracing::warn!("some inserts did not finish in time: their batches stay in the spool");
    }
}

/// Propagates a task's panic to the writer, so that `/healthz` shows it: otherwise its rows would
/// wait for a restart that never comes.
fn pass_on_fault<T>(ended: Result<T, JoinError>) -> Option<T> {
    match ended.map_err(JoinError::try_into_panic) {
        Ok(result) => Some(result),
        Err(Ok(fault)) => std::panic::resume_unwind(fault),
        Err(Err(_cancelled)) => None,
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
            // The file was just replaced: read the new one from the beginning.
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

//! Some rows on their way from the spool to the database.

use std::sync::Arc;

use gatelog_record::Decoded;
use tokio::sync::watch;

use super::Context;
use super::chunk::{self, Line};
use super::progress::Progress;
use crate::backoff::Backoff;
use crate::spool::{Rows, Settled};
use crate::store::{InsertReport, LogCollection};
use crate::tombstone::Pass;

/// Some rows read from the spool.
pub(super) struct Job {
    context: Arc<Context>,
    progress: Progress,
}

/// The process is stopping: what is not settled stays in the spool.
pub(super) struct Stopped;

impl Job {
    pub(super) fn new(context: Arc<Context>, read: Rows) -> Self {
        Self { progress: Progress::new(Arc::clone(&context), read), context }
    }

    /// Bytes of its rows, which it holds in memory until it ends.
    pub(super) fn bytes(&self) -> usize {
        self.progress.rows.iter().map(|row| row.body.len()).sum()
    }

    /// Ends with the bytes that it held.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) -> usize {
        let held = self.bytes();
        // Stopping is checked between attempts, never in the middle of one.
        let _: Result<(), Stopped> = self.work(&mut stop).await;
        held
    }

    async fn work(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), Stopped> {
        self.progress.bury_damaged();
        let lines = chunk::lines(&self.progress.rows);
        let mut rest = lines.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest
                .split_at_checked(chunk::take(rest, self.context.pace.records()))
                .unwrap_or((rest, &[]));
            let (lines, records) = self.progress.decode(now);
            self.insert(lines, records, stop).await?;
            rest = later;
        }
        self.progress.count_rows();
        let parks = self.progress.settled.rows.iter().any(|row| !row.rests.is_empty());
        settle(&self.context, &self.progress.settled, stop).await?;
        if parks {
            self.context.parks.notify_one();
        }
        Ok(())
    }

    /// Inserts until every record is stored, a duplicate, permanently refused, or parked. After a
    /// call that took too long, the next one inserts fewer records: the same number would take too
    /// long again.
    async fn insert(
        &mut self,
        mut lines: Vec<Line>,
        mut records: Vec<Decoded>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), Stopped> {
        let mut backoff = Backoff::default();
        let mut writer = self.context.outage.writer();
        // How many of the first records were sent before.
        let mut tried = 0_usize;
        while !records.is_empty() {
            let count = self.context.pace.records().min(records.len());
            let shut = self.context.lanes.shut();
            let part = records.get(..count).unwrap_or_default();
            let marks = self.progress.marks(&lines);
            let pass = pass(&self.context, stop).await?;
            let (report, receptions) = self.context.insert(part, &marks, &shut, None, &pass).await;
            drop(pass);
            self.context.heed(&receptions, &mut writer).await;
            self.progress.take_up(&report, &lines, &records, tried);
            self.park(&report, &lines, &records);
            tried = report.retry.len();
            let left: Vec<_> = report.retry.iter().copied().chain(count..records.len()).collect();
            lines = pick(lines, &left);
            records = pick(records, &left);
            if report.retry.is_empty() {
                backoff = Backoff::default();
            } else {
                pause(&mut backoff, stop).await?;
            }
        }
        Ok(())
    }

    /// Parks records that wait for one collection or are suspected, so that they do not hold up the
    /// rest.
    fn park(&mut self, report: &InsertReport, lines: &[Line], records: &[Decoded]) {
        let suspected = report.suspected.iter().map(|(position, name, _)| (*position, *name));
        let waiting = report.blocked.iter().copied().chain(suspected);
        for (position, collection) in waiting.collect::<Vec<(usize, LogCollection)>>() {
            if let (Some(line), Some(record)) = (lines.get(position), records.get(position)) {
                self.progress.park(line, record, collection);
            }
        }
    }
}

/// Waits until an insert may begin.
pub(super) async fn pass(
    context: &Context,
    stop: &mut watch::Receiver<bool>,
) -> Result<Pass, Stopped> {
    tokio::select! {
        pass = context.gate.pass() => Ok(pass),
        _ = stop.wait_for(|stop| *stop) => Err(Stopped),
    }
}

/// Settles, retrying until the disk accepts it.
pub(super) async fn settle(
    context: &Context,
    settled: &Settled,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), Stopped> {
    let mut backoff = Backoff::default();
    // The spool itself logs what is wrong with the disk.
    while context.spool.settle(settled.clone()).await.is_err() {
        pause(&mut backoff, stop).await?;
    }
    Ok(())
}

async fn pause(backoff: &mut Backoff, stop: &mut watch::Receiver<bool>) -> Result<(), Stopped> {
    tokio::select! {
        () = tokio::time::sleep(backoff.next()) => Ok(()),
        _ = stop.wait_for(|stop| *stop) => Err(Stopped),
    }
}

/// The items at these positions, which must be ascending.
fn pick<T>(items: Vec<T>, positions: &[usize]) -> Vec<T> {
    let mut wanted = positions.iter().copied().peekable();
    let items = items.into_iter().enumerate();
    items.filter(|(index, _)| wanted.next_if_eq(index).is_some()).map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_tried_again_is_picked_in_order() {
        assert_eq!(pick(vec!['a', 'b', 'c', 'd'], &[1, 3]), ['b', 'd']);
        assert!(pick(vec!['a'], &[]).is_empty());
    }
}

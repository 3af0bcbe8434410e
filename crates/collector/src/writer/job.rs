//! Some rows on their way from the spool to the database.

use std::sync::Arc;
use std::time::Instant;

use gatelog_record::{Decoded, Uuid, decode_record};
use tokio::sync::watch;

use super::Context;
use super::chunk::{self, Line};
use crate::backoff::Backoff;
use crate::spool::{DeadLetter, Row, Rows, Settled, SettledRow};
use crate::store::{InsertReport, StoreError};

/// The kind of a dead letter that is a whole damaged batch.
const DAMAGED: &str = "spool_damaged";

/// Some rows, and what became of their records so far.
pub(super) struct Job {
    context: Arc<Context>,
    rows: Vec<Row>,
    settled: Settled,
}

/// The process is stopping: what is not settled stays in the spool.
struct Stopped;

impl Job {
    pub(super) fn new(context: Arc<Context>, read: Rows) -> Self {
        let settled = Settled {
            generation: read.generation,
            rows: read.rows.iter().map(SettledRow::of).collect(),
            ..Settled::default()
        };
        Self { context, rows: read.rows, settled }
    }

    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        // Stopping is seen between two tries, never in the middle of one.
        let _: Result<(), Stopped> = self.work(&mut stop).await;
    }

    async fn work(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), Stopped> {
        self.bury_damaged();
        let lines = chunk::lines(&self.rows);
        let mut rest = lines.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest
                .split_at_checked(chunk::take(rest, self.context.pace.records()))
                .unwrap_or((rest, &[]));
            let records = self.decode(now);
            self.insert(records, stop).await?;
            rest = later;
        }
        self.settle(stop).await
    }

    fn bury_damaged(&mut self) {
        for (row, settled) in self.rows.iter().zip(&mut self.settled.rows) {
            if row.intact {
                continue;
            }
            tracing::error!(
                row = row.id,
                records = row.records,
                "a batch in the spool is damaged: it becomes a dead letter"
            );
            settled.quarantined.merge(&row.seqs);
            settled.letters.push(DeadLetter {
                kind: DAMAGED.into(),
                reason: format!("checksum of a batch of {} records is wrong", row.records),
                line: row.body.clone(),
            });
            self.context.metrics.quarantined(DAMAGED);
        }
    }

    /// Lines were decoded once before they were spooled. One that cannot be decoded any more (a
    /// later version with tighter rules) becomes a dead letter like any other.
    fn decode(&mut self, lines: &[Line]) -> Vec<(Line, Decoded)> {
        let mut records = Vec::with_capacity(lines.len());
        for line in lines {
            let text = line.of(&self.rows);
            match decode_record(text, &self.context.record, Uuid::now_v7()) {
                Ok(record) => records.push((line.clone(), record)),
                Err(error) => self.bury(line, None, error.kind(), error.to_string()),
            }
        }
        records
    }

    fn bury(&mut self, line: &Line, record: Option<&Decoded>, kind: &str, reason: String) {
        let text = line.of(&self.rows).to_vec();
        if let Some(row) = self.settled.rows.get_mut(line.row()) {
            if let Some(source) = record.and_then(|record| record.source.as_ref()) {
                row.quarantined.add(&source.gateway, source.boot, source.seq);
            }
            row.letters.push(DeadLetter { kind: kind.to_owned(), reason, line: text });
        }
        self.context.metrics.quarantined(kind);
    }

    /// Inserts until every record is stored, a duplicate, or refused for good. After a call that
    /// took too long fewer go into the next one: the same many would take too long again.
    async fn insert(
        &mut self,
        records: Vec<(Line, Decoded)>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), Stopped> {
        let (mut lines, mut records): (Vec<_>, Vec<_>) = records.into_iter().unzip();
        let mut backoff = Backoff::default();
        let mut writer = self.context.outage.writer();
        // How many of the first ones were sent before.
        let mut tried = 0_usize;
        while !records.is_empty() {
            let count = self.context.pace.records().min(records.len());
            let started = Instant::now();
            let report = self.context.store.insert(records.get(..count).unwrap_or_default()).await;
            let took = started.elapsed();
            self.context.metrics.inserted(report.stored.len(), report.duplicate.len(), took);
            self.take_up(&report, &lines, &records, tried);
            match &report.failure {
                None => self.context.pace.faster(),
                Some(StoreError::Timeout { .. }) => self.context.pace.slower(),
                Some(_) => {}
            }
            match &report.failure {
                Some(error) => writer.failed(error),
                None => writer.passed(),
            }
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

    /// `tried`: how many of the first records were sent before.
    fn take_up(
        &mut self,
        report: &InsertReport,
        lines: &[Line],
        records: &[Decoded],
        tried: usize,
    ) {
        let source =
            |position: usize| records.get(position).and_then(|record| record.source.as_ref());
        for source in report.stored.iter().filter_map(|position| source(*position)) {
            self.settled.stored.add(&source.gateway, source.boot, source.seq);
        }
        for position in &report.duplicate {
            let Some(source) = source(*position) else { continue };
            let row = lines.get(*position).and_then(|line| self.rows.get(line.row()));
            let sent = *position < tried
                || row.is_some_and(|row| self.context.spool.may_have_been_sent(row));
            let seqs = if sent { &mut self.settled.again } else { &mut self.settled.elsewhere };
            seqs.add(&source.gateway, source.boot, source.seq);
        }
        for (position, refusal) in &report.refused {
            if let (Some(line), Some(record)) = (lines.get(*position), records.get(*position)) {
                self.bury(line, Some(record), refusal.kind, refusal.reason.clone());
            }
        }
    }

    async fn settle(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), Stopped> {
        let mut backoff = Backoff::default();
        loop {
            // The spool itself says in the log what is wrong with the disk.
            if self.context.spool.settle(self.settled.clone()).await.is_ok() {
                return Ok(());
            }
            pause(&mut backoff, stop).await?;
        }
    }
}

async fn pause(backoff: &mut Backoff, stop: &mut watch::Receiver<bool>) -> Result<(), Stopped> {
    tokio::select! {
        () = tokio::time::sleep(backoff.next()) => Ok(()),
        _ = stop.wait_for(|stop| *stop) => Err(Stopped),
    }
}

/// What stands at these positions, which ascend.
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

//! Rows taken from the spool, and the outcome of their records so far.

use std::sync::Arc;

use gatelog_record::{Decoded, OwnedSource, Uuid, decode_record};

use super::Context;
use super::chunk::Line;
use super::counted::Counted;
use crate::rollup::mark;
use crate::spool::{DeadLetter, Rest, Row, Rows, Settled, SettledRow};
use crate::store::{InsertReport, LogCollection};

/// The kind of a dead letter that holds a whole damaged batch.
const DAMAGED: &str = "spool_damaged";

/// Rows, and what to settle for them.
pub(super) struct Progress {
    context: Arc<Context>,
    pub(super) rows: Vec<Row>,
    /// The mark of each row; none if nothing is counted.
    marks: Vec<i64>,
    counted: Counted,
    /// One entry per row, in order.
    pub(super) settled: Settled,
}

impl Progress {
    pub(super) fn new(context: Arc<Context>, read: Rows) -> Self {
        let settled = Settled {
            generation: read.generation,
            rows: read.rows.iter().map(SettledRow::of).collect(),
            ..Settled::default()
        };
        let of = |row: &Row| mark(read.file, row.id);
        let marks = if context.rollups { read.rows.iter().map(of).collect() } else { Vec::new() };
        Self { context, rows: read.rows, marks, counted: Counted::default(), settled }
    }

    pub(super) fn bury_damaged(&mut self) {
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

    /// Lines were already decoded once before they were spooled. A line that can no longer be
    /// decoded (by a later version with stricter rules) becomes a dead letter like any other.
    pub(super) fn decode(&mut self, lines: &[Line]) -> (Vec<Line>, Vec<Decoded>) {
        let (mut good, mut records) =
            (Vec::with_capacity(lines.len()), Vec::with_capacity(lines.len()));
        for line in lines {
            match decode_record(line.of(&self.rows), &self.context.record, Uuid::now_v7()) {
                Ok(record) => {
                    good.push(line.clone());
                    records.push(record);
                }
                Err(error) => self.bury(line, None, error.kind_name(), error.to_string()),
            }
        }
        (good, records)
    }

    /// Records what is stored, was stored before, is erased, or is permanently refused. `tried`: how many of
    /// the first records were sent before.
    pub(super) fn take_up(
        &mut self,
        report: &InsertReport,
        lines: &[Line],
        records: &[Decoded],
        tried: usize,
    ) {
        self.count(report, lines, records);
        let source =
            |position: usize| records.get(position).and_then(|record| record.source.as_ref());
        // What is erased has reached its end like what is stored: nobody has to send it again.
        let over = report.stored.iter().chain(&report.erased);
        for source in over.filter_map(|position| source(*position)) {
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
                let source = record.source.as_ref();
                self.bury(line, source, refusal.kind, refusal.reason.clone());
            }
        }
    }

    /// The marks of the rows that these lines are from; none if nothing is counted.
    pub(super) fn marks(&self, lines: &[Line]) -> Vec<i64> {
        lines.iter().map_while(|line| self.marks.get(line.row()).copied()).collect()
    }

    /// Counts the records that leave their rows, and whose document is there because of the row.
    fn count(&mut self, report: &InsertReport, lines: &[Line], records: &[Decoded]) {
        let refused = report.refused.iter().map(|(position, _)| position);
        for position in report.stored.iter().chain(&report.duplicate).chain(refused) {
            if report.own.binary_search(position).is_err() {
                continue;
            }
            if let (Some(line), Some(record)) = (lines.get(*position), records.get(*position)) {
                self.count_one(line, record);
            }
        }
    }

    pub(super) fn count_one(&mut self, line: &Line, record: &Decoded) {
        let received = self.rows.get(line.row()).map_or(0, |row| row.received);
        self.counted.leaves(line.row(), record, received);
    }

    /// Adds what was counted to the rows, once it is known which records are parked.
    pub(super) fn count_rows(&mut self) {
        for (row, tally) in self.counted.take() {
            if let Some(settled) = self.settled.rows.get_mut(row) {
                settled.tally.merge(&tally);
            }
        }
    }

    /// Turns a record into a dead letter.
    pub(super) fn bury(
        &mut self,
        line: &Line,
        source: Option<&OwnedSource>,
        kind: &str,
        reason: String,
    ) {
        let text = line.of(&self.rows).to_vec();
        if let Some(row) = self.settled.rows.get_mut(line.row()) {
            if let Some(source) = source {
                row.quarantined.add(&source.gateway, source.boot, source.seq);
            }
            row.letters.push(DeadLetter { kind: kind.to_owned(), reason, line: text });
        }
        self.context.metrics.quarantined(kind);
    }

    /// Takes back everything that was parked of a row.
    pub(super) fn take_back(&mut self, row: usize) {
        self.counted.none_stays(row);
        if let Some(settled) = self.settled.rows.get_mut(row) {
            settled.rests.clear();
        }
    }

    /// Parks a record for a collection, apart from the others of its row; with another copy of itself,
    /// where there is one.
    pub(super) fn park(&mut self, line: &Line, record: &Decoded, collection: LogCollection) {
        let counts = !self.marks.is_empty();
        let collection =
            if counts { self.counted.stays(line.row(), record, collection) } else { collection };
        let text = line.of(&self.rows);
        let Some(row) = self.settled.rows.get_mut(line.row()) else { return };
        let name = collection.as_str();
        let at = row.rests.iter().position(|rest| rest.collection == name);
        let at = at.unwrap_or_else(|| {
            row.rests.push(Rest { collection: name.to_owned(), ..Rest::default() });
            row.rests.len().saturating_sub(1)
        });
        if let Some(rest) = row.rests.get_mut(at) {
            rest.records += 1;
            rest.body.extend_from_slice(text);
            rest.body.push(b'\n');
            if let Some(source) = &record.source {
                rest.seqs.add(&source.gateway, source.boot, source.seq);
            }
        }
    }
}

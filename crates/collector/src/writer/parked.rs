//! Delivers what is parked, collection by collection.
//!
//! A row is parked for one collection: because that collection accepted nothing, or because it
//! refused the row's records individually. Both are retried here. A shut collection gets an
//! occasional attempt, each time with different rows; once it accepts documents, everything parked
//! for it follows. If every record of a row is refused individually again and again while its
//! collection accepts others, the row itself is at fault (see [`Trials`]) and its records become
//! dead letters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gatelog_record::Decoded;
use tokio::sync::watch;
use tokio::time::Instant;

use super::chunk::{self, Line};
use super::job::{pass, settle};
use super::progress::Progress;
use super::trials::{self, Trials};
use super::{Context, READ_BYTES, READ_ROWS};
use crate::backoff::Backoff;
use crate::spool::Rows;
use crate::store::{LogCollection, Refusal};

/// Processes everything parked until `stop` becomes true.
pub(super) async fn run(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    let mut passes: BTreeMap<_, _> =
        LogCollection::ALL.map(|collection| (collection, Pass::new())).into();
    while !*stop.borrow() {
        let parked = context.spool.parked();
        let mut next = after(Instant::now(), trials::EVERY);
        for (collection, pass) in &mut passes {
            if !parked.contains_key(collection.as_str()) {
                *pass = Pass::new();
                continue;
            }
            if pass.due <= Instant::now() {
                pass.step(&context, *collection, &mut stop).await;
            }
            next = next.min(pass.due);
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep_until(next) => {}
            () = context.parks.notified() => {}
        }
    }
}

/// Repeated passes over the rows parked for one collection.
struct Pass {
    generation: u64,
    /// The number of the last row that was tried.
    after: i64,
    /// How many lines of the following rows were tried without success while the collection is
    /// shut: each attempt uses different ones, so that bad lines do not hide a good one.
    skip: usize,
    began: Instant,
    /// When the previous pass began.
    previous: Instant,
    due: Instant,
    backoff: Backoff,
    trials: Trials,
}

impl Pass {
    fn new() -> Self {
        let now = Instant::now();
        let (backoff, trials) = (Backoff::default(), Trials::default());
        Self {
            generation: 0,
            after: 0,
            skip: 0,
            began: now,
            previous: now,
            due: now,
            backoff,
            trials,
        }
    }

    /// Tries the next rows.
    async fn step(
        &mut self,
        context: &Arc<Context>,
        collection: LogCollection,
        stop: &mut watch::Receiver<bool>,
    ) {
        if self.generation != context.spool.generation() {
            *self = Self { generation: context.spool.generation(), ..Self::new() };
        }
        if self.after == 0 && self.skip == 0 {
            self.previous = self.began;
            self.began = Instant::now();
        }
        let was_shut = context.lanes.is_shut(collection);
        let name = collection.as_str();
        let read = context.spool.read_parked(name, self.after, READ_BYTES, READ_ROWS).await;
        let Ok(rows) = read else {
            // The reader of whole batches reports it.
            self.due = after(Instant::now(), self.backoff.next());
            return;
        };
        let Some(last) = rows.rows.last().map(|row| row.id) else {
            self.due = if was_shut && self.after > 0 {
                Instant::now()
            } else {
                after(self.began, trials::EVERY)
            };
            self.after = 0;
            return;
        };
        let (served, untried) = self.attempt(context, collection, rows, stop).await;
        let is_shut = context.lanes.is_shut(collection);
        if was_shut && !is_shut {
            // It accepts documents again: retry all rows, from the first one.
            (self.after, self.skip) = (0, 0);
        } else if untried == 0 && (served || is_shut) {
            (self.after, self.skip) = (last, 0);
        } else if !is_shut {
            self.skip = 0;
        }
        if served && !is_shut {
            self.backoff = Backoff::default();
            self.due = Instant::now();
        } else {
            self.due = after(Instant::now(), self.backoff.next());
        }
    }

    /// Inserts the records of some rows and settles the outcome. Returns whether the collection
    /// accepts documents, and how many lines were not tried because it does not.
    async fn attempt(
        &mut self,
        context: &Arc<Context>,
        collection: LogCollection,
        rows: Rows,
        stop: &mut watch::Receiver<bool>,
    ) -> (bool, usize) {
        let mut progress = Progress::new(Arc::clone(context), rows);
        progress.bury_damaged();
        let lines = chunk::lines(&progress.rows);
        let mut suspects: BTreeMap<usize, Vec<Suspect>> = BTreeMap::new();
        let (mut served, mut untried) = (true, lines.len());
        let (skipped, mut rest) = lines.split_at_checked(self.skip).unwrap_or((&lines, &[]));
        untried = untried.saturating_sub(skipped.len());
        for part in skipped.chunks(context.pace.records()) {
            let (lines, records) = progress.decode(part);
            for (line, record) in lines.iter().zip(&records) {
                progress.park(line, record, collection);
            }
        }
        while !rest.is_empty() {
            let (now, later) = rest
                .split_at_checked(chunk::take(rest, context.pace.records()))
                .unwrap_or((rest, &[]));
            rest = later;
            if served {
                untried = untried.saturating_sub(now.len());
                self.skip = self.skip.saturating_add(now.len());
            }
            let (lines, records) = progress.decode(now);
            let mut others = context.lanes.shut();
            others.remove(&collection);
            // A shut collection with nothing parked is tried with what waits for this one.
            let parked = context.spool.parked();
            others.retain(|name| parked.contains_key(name.as_str()));
            // Sent only where all of it can be stored: the rest of it was sent before. For a shut
            // collection, though, this is the only attempt, and two that depend on each other would
            // stay shut.
            let trying = context.lanes.is_shut(collection);
            // A collection that has accepted documents since the previous pass is accepting
            // documents: a refusal says nothing about the collection.
            let takes = context.lanes.stored(collection).is_some_and(|at| at >= self.previous);
            let known_open = (takes && !trying).then_some(collection);
            let whole = |record: &Decoded| {
                LogCollection::of_record(record).all(|name| !others.contains(&name))
            };
            let (sent, kept): (Vec<_>, Vec<_>) = lines
                .into_iter()
                .zip(records)
                .partition(|(_, record)| served && (trying || whole(record)));
            for (line, record) in &kept {
                progress.park(line, record, collection);
            }
            let (lines, records): (Vec<_>, Vec<_>) = sent.into_iter().unzip();
            let marks = progress.marks(&lines);
            // What is not settled stays parked as it is.
            let Ok(pass) = pass(context, stop).await else { return (false, untried) };
            let (report, receptions) =
                context.insert(&records, &marks, &others, known_open, &pass).await;
            drop(pass);
            context.count(&receptions);
            served &= receptions.iter().all(|reception| reception.condition.is_none());
            // All of them may have been sent before they were parked.
            progress.take_up(&report, &lines, &records, records.len());
            let blocked = report.blocked.iter().map(|(position, _)| position);
            let suspected = report.suspected.iter().map(|(position, ..)| position);
            for position in report.retry.iter().chain(blocked).chain(suspected) {
                if let (Some(line), Some(record)) = (lines.get(*position), records.get(*position)) {
                    progress.park(line, record, collection);
                }
            }
            for (position, name, refusal) in report.suspected {
                if let (Some(line), Some(record)) = (lines.get(position), records.get(position)) {
                    suspects.entry(line.row()).or_default().push(Suspect {
                        line: line.clone(),
                        record: record.clone(),
                        own: report.own.binary_search(&position).is_ok(),
                        collection: name,
                        refusal,
                    });
                }
            }
        }
        self.judge(context, &mut progress, suspects);
        progress.count_rows();
        self.keep_untouched(&mut progress);
        if !progress.settled.rows.is_empty() {
            let _ = settle(context, &progress.settled, stop).await;
        }
        (served, untried)
    }

    /// Rows with only suspects left go on trial; the records of those at fault become dead letters.
    fn judge(
        &mut self,
        context: &Context,
        progress: &mut Progress,
        suspects: BTreeMap<usize, Vec<Suspect>>,
    ) {
        for (row, suspects) in suspects {
            let Some(settled) = progress.settled.rows.get_mut(row) else { continue };
            let left: u64 = settled.rests.iter().map(|rest| rest.records).sum();
            if u64::try_from(suspects.len()) != Ok(left) {
                continue;
            }
            let stored = suspects.iter().map(|it| context.lanes.stored(it.collection)).min();
            if self.trials.refused(settled.id, stored.flatten(), Instant::now()) {
                progress.take_back(row);
                for Suspect { line, record, own, refusal, .. } in suspects {
                    if own {
                        progress.count_one(&line, &record);
                    }
                    let source = record.source.as_ref();
                    progress.bury(&line, source, refusal.kind, refusal.reason);
                }
            }
        }
    }

    /// Rows of which nothing was settled stay as they are.
    fn keep_untouched(&mut self, progress: &mut Progress) {
        let Progress { rows, settled, .. } = progress;
        let mut left = rows.iter().map(|row| row.records);
        settled.rows.retain(|row| {
            let before = left.next().unwrap_or_default();
            let after: u64 = row.rests.iter().map(|rest| rest.records).sum();
            if after == 0 {
                self.trials.end(row.id);
            }
            after == 0 || after < before
        });
    }
}

fn after(instant: Instant, time: Duration) -> Instant {
    instant.checked_add(time).unwrap_or(instant)
}

/// A record that was refused individually.
struct Suspect {
    line: Line,
    record: Decoded,
    /// Whether its level's document is there because of its row.
    own: bool,
    /// The collection that refused it.
    collection: LogCollection,
    refusal: Refusal,
}

//! The one thread that writes: group commit, the bound's bookkeeping, and what a fault means.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::batch::{Append, Settled};
use super::change::Change;
use super::database::{self, LOG_BYTES};
use super::error::{SpoolError, SpoolErrorKind};
use super::letters::{self, DeadLetter};
use super::rollups::{self, RollupRow};
use super::room::Room;
use super::shared::{Health, Shared};
use super::{accounts, recovery};
use crate::accounting::{Edit, Ledger, LedgerBounds};
use crate::clock::now_millis;
use crate::rollup::{Names, Tally};

/// Most bytes that one transaction adds, and those of its last job: bounds the log's growth and the wait for one commit.
const GROUP_BYTES: u64 = 4 << 20;
/// Most jobs in one transaction.
const GROUP_JOBS: usize = 512;
/// What a value that a row has counted adds to the file, about: one of a minute and one of an hour.
const COUNTED_BYTES: u64 = 512;
/// What a page takes in the log.
const LOG_PAGE_BYTES: u64 = 4_096 + 24;
/// How often an idle or refusing spool is looked after.
const TICK: Duration = Duration::from_secs(1);

/// Where a job's result goes.
pub(super) type Done = oneshot::Sender<Result<(), SpoolError>>;

/// Work for the thread.
pub(super) enum Job {
    Append(Append, Done),
    Settle(Settled, Done),
    /// A change to accounts that belongs to no batch.
    Account(AccountEdit, Done),
    /// The database has these rollups, read in the file of this generation.
    PutAway(u64, Vec<RollupRow>, Done),
    /// Somebody who read the file found it damaged.
    Corrupt(String, Done),
    Close(Done),
}

/// A change to accounts.
pub(super) type AccountEdit = Box<dyn Fn(&mut Edit, &Ledger) + Send>;

pub(super) struct Committer {
    dir: PathBuf,
    db: Connection,
    shared: Arc<Shared>,
    room: Room,
    /// Most bytes of dead letters.
    letters: u64,
    /// The names that rollups count by.
    names: Names,
    /// Changes when another process has written.
    data_version: i64,
    /// Pages in the log after the last commit, or 0 once they are copied into the file.
    log_pages: Arc<AtomicU64>,
    /// When free pages were last given back between two jobs.
    gave_back: Option<Instant>,
}

impl Committer {
    /// Takes over an opened file; what it holds becomes visible in `shared`.
    pub(super) fn new(
        dir: PathBuf,
        mut db: Connection,
        shared: Arc<Shared>,
        room: Room,
        letters: u64,
    ) -> Result<Self, SpoolError> {
        let data_version = database::data_version(&db)?;
        let (log_pages, gave_back) = (Arc::default(), None);
        database::watch_log(&mut db, &log_pages)?;
        let names = Names::default();
        let committer =
            Self { dir, db, shared, room, letters, names, data_version, log_pages, gave_back };
        committer.load()?;
        Ok(committer)
    }

    /// Sees before the first batch whether the disk takes a write. A full one is no reason not to
    /// start: what waits is settled, and makes room.
    pub(super) fn begin(&mut self) {
        self.tick();
        if self.shared.health() == Health::Good {
            let result = self.room().and_then(|()| database::probe(&self.db, now_millis()));
            self.take_note(&result);
        }
    }

    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(TICK) {
                Ok(first) => {
                    let (group, close) = gather(first, jobs);
                    self.commit(group);
                    if let Some(done) = close {
                        let _ = done.send(self.close());
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.close();
                    return;
                }
            }
        }
    }

    /// One transaction for the whole group, then everybody's answer. Without room on the disk
    /// batches are refused, and the rest is done: it makes room.
    fn commit(&mut self, mut group: Vec<Job>) {
        let room = self.usable().and_then(|()| self.room());
        if room.is_err() {
            self.take_note(&room);
            let appends: Vec<Job>;
            (appends, group) = group.into_iter().partition(|job| matches!(job, Job::Append(..)));
            answer(appends, &room);
        }
        if group.is_empty() {
            return;
        }
        let mut result = self.usable().and_then(|()| self.transact(&group));
        if is_full(&result) && group.iter().any(|job| matches!(job, Job::Settle(..))) {
            let appends: Vec<Job>;
            (appends, group) = group.into_iter().partition(|job| matches!(job, Job::Append(..)));
            answer(appends, &result);
            result = self.transact_on_reserve(&group);
        }
        // That a deletion succeeded does not mean that there is room for a batch.
        if room.is_ok() || result.is_err() {
            self.take_note(&result);
        }
        answer(group, &result);
        if result.is_ok() {
            self.shared.committed.notify_one();
            // Under steady load no second is idle; with no row left there is little to move.
            let empty = self.shared.waiting().rows == 0 && self.may_give_back();
            let shrunk = if empty { database::shrink(&self.db) } else { Ok(false) };
            self.copy_log(shrunk, self.log_bytes() >= LOG_BYTES || room.is_err());
        }
    }

    /// What the log has that is not in the file.
    fn log_bytes(&self) -> u64 {
        self.log_pages.load(Ordering::Relaxed).saturating_mul(LOG_PAGE_BYTES)
    }

    /// Settles on a disk without any room: with the reserve's. The log is emptied first, so that
    /// what is settled is written where it lies.
    fn transact_on_reserve(&mut self, group: &[Job]) -> Result<(), SpoolError> {
        if self.room.held() {
            tracing::warn!("spool disk full: the reserve is used to settle waiting records");
        }
        self.room.give_up();
        database::checkpoint(&self.db, "RESTART")?;
        self.transact(group)
    }

    /// An error once the disk has failed for good: then nothing is written to it any more.
    fn usable(&self) -> Result<(), SpoolError> {
        match self.shared.health() {
            Health::Broken(text) => Err(SpoolError::Disk { fault: SpoolErrorKind::Fatal, text }),
            Health::Good | Health::Refusing(_) => Ok(()),
        }
    }

    fn transact(&mut self, group: &[Job]) -> Result<(), SpoolError> {
        let started = Instant::now();
        let now = now_millis();
        self.notice_others()?;
        let shared = Arc::clone(&self.shared);
        let ledger = shared.ledger();
        // Without the reserve letters take no more room than they have: the oldest make it.
        let grown = if self.room.held() { u64::MAX } else { shared.letters().bytes };
        let letters_bound = self.letters.min(grown);
        let mut change = Change {
            edit: Edit::default(),
            waiting: shared.whole(),
            parked: shared.parked(),
            letters: shared.letters(),
            unnumbered: shared.unnumbered(),
            tally: Tally::default(),
            rollups: shared.rollups(),
            ledger: &ledger,
            now,
        };
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for job in group {
            match job {
                Job::Append(append, _) => change.append(&tx, append)?,
                Job::Settle(settled, _) => change.settle(&tx, settled, shared.generation())?,
                Job::Account(edit, _) => edit(&mut change.edit, &ledger),
                Job::PutAway(generation, rows, _) => {
                    change.put_away(&tx, rows, *generation == shared.generation())?;
                }
                Job::Corrupt(text, _) => {
                    return Err(SpoolError::Disk {
                        fault: SpoolErrorKind::Corrupt,
                        text: text.clone(),
                    });
                }
                Job::Close(_) => {}
            }
        }
        let purged = letters::trim(&tx, &mut change.letters, letters_bound)?;
        if change.waiting.rows == 0 && change.parked.values().all(|parked| parked.rows == 0) {
            change.edit.emptied(&ledger);
        }
        let evicted = change.edit.keep(&ledger, LedgerBounds::default(), now);
        change.write_accounts(&tx)?;
        if change.unnumbered != shared.unnumbered() {
            accounts::write_unnumbered(&tx, change.unnumbered)?;
        }
        change.find_oldest(&tx)?;
        let dropped = change.write_rollups(&tx, &mut self.names)?;
        tx.commit()?;
        let Change { edit, waiting, parked, letters, unnumbered, rollups, .. } = change;
        drop(ledger);
        shared.publish(edit, waiting, parked, letters);
        shared.set_unnumbered(unnumbered);
        shared.set_rollups(rollups);
        shared.metrics.rollups_dropped(dropped);
        shared.metrics.spool_committed(started.elapsed(), purged, evicted);
        Ok(())
    }

    /// What a result means for the spool's health; says so once.
    fn take_note(&mut self, result: &Result<(), SpoolError>) {
        let Err(error) = result else {
            if self.shared.set_health(Health::Good) {
                tracing::info!("spool writable again");
            }
            return;
        };
        // What was admitted may have been undone.
        self.names.clear();
        match error.kind() {
            SpoolErrorKind::Passing | SpoolErrorKind::Full | SpoolErrorKind::Unreadable => {
                if self.shared.set_health(Health::Refusing(error.to_string())) {
                    tracing::error!(%error, "spool not writable: nothing is acknowledged until it is writable");
                }
            }
            SpoolErrorKind::Fatal => {
                if self.shared.set_health(Health::Broken(error.to_string())) {
                    tracing::error!(critical = true, %error,
                        "spool broken: nothing more is acknowledged; fix the disk and restart");
                }
            }
            SpoolErrorKind::Corrupt => self.replace(&error.to_string()),
        }
    }

    fn replace(&mut self, reason: &str) {
        let mut opened = recovery::replace(&self.dir, reason);
        if opened.as_ref().is_err_and(|error| error.kind() == SpoolErrorKind::Full) {
            self.room.give_up();
            opened = recovery::replace(&self.dir, reason);
        }
        let result = opened.and_then(|opened| {
            if let Some(moved) = &opened.moved {
                moved.announce();
            }
            self.data_version = database::data_version(&opened.db)?;
            self.db = opened.db;
            self.log_pages.store(0, Ordering::Relaxed);
            database::watch_log(&mut self.db, &self.log_pages)?;
            self.shared.next_generation();
            self.load()
        });
        if let Err(error) = result {
            let text = format!("corrupt, and could not be replaced by a new file: {error}");
            if self.shared.set_health(Health::Broken(text)) {
                tracing::error!(critical = true, %error, "spool corrupt, and could not be replaced by a new file");
            }
        }
        self.shared.committed.notify_one();
    }

    fn load(&self) -> Result<(), SpoolError> {
        self.shared.set_found(database::last_row(&self.db)?);
        self.shared.load(
            accounts::ledger(&self.db)?,
            database::waiting(&self.db)?,
            database::parked(&self.db)?,
            letters::count(&self.db)?,
        );
        self.shared.set_unnumbered(accounts::unnumbered(&self.db)?);
        self.shared.set_rollups(rollups::count(&self.db)?);
        Ok(())
    }

    /// Another process (a `dead-letters` command) may have added or removed rows.
    fn notice_others(&mut self) -> Result<(), SpoolError> {
        let version = database::data_version(&self.db)?;
        if version != self.data_version {
            self.data_version = version;
            self.load()?;
            self.shared.committed.notify_one();
        }
        Ok(())
    }

    /// Once a second when there is no work: sees whether a refusing disk takes a write again,
    /// copies the log into the file, and gives free pages back.
    fn tick(&mut self) {
        match self.shared.health() {
            Health::Broken(_) => {}
            Health::Refusing(_) => {
                let result = self.room().and_then(|()| database::probe(&self.db, now_millis()));
                self.take_note(&result);
            }
            Health::Good => {
                let shrunk = self.notice_others().and_then(|()| database::shrink(&self.db));
                self.copy_log(shrunk, self.log_bytes() > 0);
            }
        }
    }

    /// Copies the log into the file, if that is due or cuts it; not when the disk has just failed.
    fn copy_log(&mut self, shrunk: Result<bool, SpoolError>, due: bool) {
        match shrunk {
            Ok(shrunk) if shrunk || due => self.checkpoint(),
            Ok(_) => {}
            Err(error) => self.take_note(&Err(error)),
        }
    }

    /// Whether a second has passed since pages were last given back; if so, the next one begins.
    fn may_give_back(&mut self) -> bool {
        let may = self.gave_back.is_none_or(|at| at.elapsed() >= TICK);
        if may {
            self.gave_back = Some(Instant::now());
        }
        may
    }

    /// Whether the disk has room for batches. If not, it gets back what the file does not need, now
    /// and then: settled rows leave free pages behind.
    fn room(&mut self) -> Result<(), SpoolError> {
        let room = self.room.ensure();
        if room.is_ok() || !self.may_give_back() {
            return room;
        }
        match self.give_back() {
            // What gives pages back needs some itself.
            Err(error) if error.kind() != SpoolErrorKind::Full => return Err(error),
            _ => {}
        }
        self.room.ensure()
    }

    /// Gives some of the file's free pages, and the log, back to the disk.
    fn give_back(&self) -> Result<(), SpoolError> {
        if database::has_free_pages(&self.db)? {
            database::vacuum(&self.db)?;
        }
        database::checkpoint(&self.db, "TRUNCATE")?;
        self.log_pages.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Copies the log into the file. Where readers have kept it from beginning anew for so long that
    /// it is twice as long as it should be, they are waited for.
    fn checkpoint(&mut self) {
        let long = self.log_bytes() >= LOG_BYTES.saturating_mul(2);
        match database::checkpoint(&self.db, if long { "RESTART" } else { "PASSIVE" }) {
            Ok(()) => self.log_pages.store(0, Ordering::Relaxed),
            Err(error) => self.take_note(&Err(error)),
        }
    }

    fn close(&mut self) -> Result<(), SpoolError> {
        match self.shared.health() {
            Health::Good => database::checkpoint(&self.db, "TRUNCATE"),
            Health::Refusing(_) | Health::Broken(_) => Ok(()),
        }
    }
}

fn answer(jobs: Vec<Job>, result: &Result<(), SpoolError>) {
    for job in jobs {
        let (Job::Append(_, done)
        | Job::Settle(_, done)
        | Job::Account(_, done)
        | Job::PutAway(_, _, done)
        | Job::Corrupt(_, done)
        | Job::Close(done)) = job;
        let _ = done.send(result.clone());
    }
}

fn is_full(result: &Result<(), SpoolError>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == SpoolErrorKind::Full)
}

/// What a job adds to the file, about, in bytes.
fn weight(job: &Job) -> u64 {
    let sum = |letters: &[DeadLetter]| letters.iter().map(DeadLetter::stored_bytes).sum::<u64>();
    match job {
        Job::Append(append, _) => {
            database::row_bytes(&append.body, &append.seqs).saturating_add(sum(&append.letters))
        }
        Job::Settle(settled, _) => settled.rows.iter().fold(0, |bytes, row| {
            let rests = row.rests.iter().map(|rest| database::row_bytes(&rest.body, &rest.seqs));
            let counted = u64::try_from(row.tally.len()).unwrap_or(u64::MAX);
            bytes
                .saturating_add(rests.sum())
                .saturating_add(sum(&row.letters))
                .saturating_add(counted.saturating_mul(COUNTED_BYTES))
        }),
        Job::Account(..) | Job::PutAway(..) | Job::Corrupt(..) | Job::Close(_) => 0,
    }
}

/// The jobs of one transaction: what waits already, within the bounds. Waiting for more would
/// only add to everybody's time: while one group commits, the next one gathers by itself.
fn gather(first: Job, jobs: &Receiver<Job>) -> (Vec<Job>, Option<Done>) {
    let mut group = Vec::new();
    let mut bytes = 0_u64;
    let mut next = Some(first);
    while let Some(job) = next {
        bytes = bytes.saturating_add(weight(&job));
        match job {
            Job::Close(done) => return (group, Some(done)),
            other => group.push(other),
        }
        next = (bytes < GROUP_BYTES && group.len() < GROUP_JOBS)
            .then(|| jobs.try_recv().ok())
            .flatten();
    }
    (group, None)
}

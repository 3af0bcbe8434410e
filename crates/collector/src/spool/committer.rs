//! The one thread that writes: group commit, the bound's bookkeeping, and what a fault means.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::change::Change;
use super::database;
use super::error::{Fault, SpoolError};
use super::letters;
use super::shared::{Health, Shared};
use super::{Append, Settled, recovery, room};
use crate::accounting::{Edit, Ledger, MAX_BOOTS};
use crate::clock::now_millis;

/// Most bytes of batches in one transaction: bounds the log's growth and the wait for one commit.
const GROUP_BYTES: usize = 4 << 20;
/// Most jobs in one transaction.
const GROUP_JOBS: usize = 512;
/// The log is copied into the file when it has grown by this much.
const CHECKPOINT_BYTES: usize = 8 << 20;
/// How often an idle or refusing spool is looked after.
const TICK: Duration = Duration::from_secs(1);

/// What a transaction adds to the log beside the bodies: pages of tables and of accounts.
const COMMIT_BYTES: usize = 16 << 10;

/// Where a job's result goes.
pub(super) type Done = oneshot::Sender<Result<(), SpoolError>>;

/// Work for the thread.
pub(super) enum Job {
    Append(Append, Done),
    Settle(Settled, Done),
    /// A change to accounts that belongs to no batch.
    Account(AccountEdit, Done),
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
    bounds: Bounds,
    /// Changes when another process has written.
    data_version: i64,
    /// Bytes in the log since it was last copied into the file, about.
    unchecked: usize,
    /// When free pages were last given back between two jobs.
    gave_back: Option<Instant>,
}

/// What the thread keeps to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Most bytes of dead letters.
    pub(super) letters: u64,
    /// Bytes of the disk that batches may not take.
    pub(super) keep_free: u64,
}

impl Committer {
    /// Takes over an opened file; what it holds becomes visible in `shared`.
    pub(super) fn new(
        dir: PathBuf,
        db: Connection,
        shared: Arc<Shared>,
        bounds: Bounds,
    ) -> Result<Self, SpoolError> {
        let data_version = database::data_version(&db)?;
        let (unchecked, gave_back) = (0, None);
        let committer = Self { dir, db, shared, bounds, data_version, unchecked, gave_back };
        committer.load()?;
        Ok(committer)
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
            self.judge(&room);
            let appends: Vec<Job>;
            (appends, group) = group.into_iter().partition(|job| matches!(job, Job::Append(..)));
            answer(appends, &room);
        }
        if group.is_empty() {
            return;
        }
        let result = self.usable().and_then(|()| self.transact(&group));
        // That a deletion succeeded does not mean that there is room for a batch.
        if room.is_ok() || result.is_err() {
            self.judge(&result);
        }
        answer(group, &result);
        if result.is_ok() {
            self.shared.committed.notify_one();
            // Under steady load no second is idle; with no row left there is little to move.
            let empty = self.shared.waiting().rows == 0 && self.may_give_back();
            let shrunk = if empty { database::shrink(&self.db) } else { Ok(false) };
            self.copy_log(shrunk, self.unchecked >= CHECKPOINT_BYTES || room.is_err());
        }
    }

    /// An error once the disk has failed for good: then nothing is written to it any more.
    fn usable(&self) -> Result<(), SpoolError> {
        match self.shared.health() {
            Health::Broken(text) => Err(SpoolError::Disk { fault: Fault::Fatal, text }),
            Health::Good | Health::Refusing(_) => Ok(()),
        }
    }

    fn transact(&mut self, group: &[Job]) -> Result<(), SpoolError> {
        let started = Instant::now();
        let now = now_millis();
        self.notice_others()?;
        let shared = Arc::clone(&self.shared);
        let ledger = shared.ledger();
        let mut change = Change {
            edit: Edit::default(),
            waiting: shared.whole(),
            parked: shared.parked(),
            letters: shared.letters(),
            written: COMMIT_BYTES,
            ledger: &ledger,
            now,
        };
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for job in group {
            match job {
                Job::Append(append, _) => change.append(&tx, append)?,
                Job::Settle(settled, _) => change.settle(&tx, settled, shared.generation())?,
                Job::Account(edit, _) => edit(&mut change.edit, &ledger),
                Job::Corrupt(text, _) => {
                    return Err(SpoolError::Disk { fault: Fault::Corrupt, text: text.clone() });
                }
                Job::Close(_) => {}
            }
        }
        let purged = letters::trim(&tx, &mut change.letters, self.bounds.letters)?;
        let evicted = change.edit.evict(&ledger, MAX_BOOTS);
        change.write_accounts(&tx)?;
        change.find_oldest(&tx)?;
        tx.commit()?;
        let Change { edit, waiting, parked, letters, written, .. } = change;
        drop(ledger);
        shared.publish(edit, waiting, parked, letters);
        shared.metrics.spool_committed(started.elapsed(), purged, evicted);
        self.unchecked = self.unchecked.saturating_add(written);
        Ok(())
    }

    /// What a result means for the spool's health; says so once.
    fn judge(&mut self, result: &Result<(), SpoolError>) {
        let Err(error) = result else {
            if self.shared.set_health(Health::Good) {
                tracing::info!("spool writable again");
            }
            return;
        };
        match error.fault() {
            Fault::Passing => {
                if self.shared.set_health(Health::Refusing(error.to_string())) {
                    tracing::error!(%error, "spool refuses: nothing is acknowledged until it is writable");
                }
            }
            Fault::Fatal => {
                if self.shared.set_health(Health::Broken(error.to_string())) {
                    tracing::error!(critical = true, %error,
                        "spool broken: nothing is acknowledged any more; mend the disk and restart");
                }
            }
            Fault::Corrupt => self.replace(&error.to_string()),
        }
    }

    fn replace(&mut self, reason: &str) {
        let result = recovery::replace(&self.dir, reason).and_then(|opened| {
            if let Some(moved) = &opened.moved {
                moved.announce();
            }
            self.data_version = database::data_version(&opened.db)?;
            self.db = opened.db;
            self.unchecked = 0;
            self.shared.next_generation();
            self.load()
        });
        if let Err(error) = result {
            let text = format!("corrupt, and no new file could take its place: {error}");
            if self.shared.set_health(Health::Broken(text)) {
                tracing::error!(critical = true, %error, "spool corrupt, and no new file could take its place");
            }
        }
        self.shared.committed.notify_one();
    }

    fn load(&self) -> Result<(), SpoolError> {
        self.shared.load(
            Ledger::new(database::accounts(&self.db)?),
            database::waiting(&self.db)?,
            database::parked(&self.db)?,
            letters::count(&self.db)?,
        );
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
                self.judge(&result);
            }
            Health::Good => {
                let shrunk = self.notice_others().and_then(|()| database::shrink(&self.db));
                self.copy_log(shrunk, self.unchecked > 0);
            }
        }
    }

    /// Copies the log into the file, if that is due or cuts it; not when the disk has just failed.
    fn copy_log(&mut self, shrunk: Result<bool, SpoolError>, due: bool) {
        match shrunk {
            Ok(shrunk) if shrunk || due => self.checkpoint(),
            Ok(_) => {}
            Err(error) => self.judge(&Err(error)),
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
        let room = room::ensure(&self.dir, self.bounds.keep_free);
        if room.is_ok() || !self.may_give_back() {
            return room;
        }
        database::vacuum(&self.db)?;
        database::checkpoint(&self.db, "TRUNCATE")?;
        room::ensure(&self.dir, self.bounds.keep_free)
    }

    fn checkpoint(&mut self) {
        match database::checkpoint(&self.db, "PASSIVE") {
            Ok(()) => self.unchecked = 0,
            Err(error) => self.judge(&Err(error)),
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
        | Job::Corrupt(_, done)
        | Job::Close(done)) = job;
        let _ = done.send(result.clone());
    }
}

/// The jobs of one transaction: what waits already, within the bounds. Waiting for more would
/// only add to everybody's time: while one group commits, the next one gathers by itself.
fn gather(first: Job, jobs: &Receiver<Job>) -> (Vec<Job>, Option<Done>) {
    let mut group = Vec::new();
    let mut bytes = 0_usize;
    let mut next = Some(first);
    while let Some(job) = next {
        match job {
            Job::Close(done) => return (group, Some(done)),
            Job::Append(append, done) => {
                bytes = bytes.saturating_add(append.body.len());
                group.push(Job::Append(append, done));
            }
            other => group.push(other),
        }
        next = (bytes < GROUP_BYTES && group.len() < GROUP_JOBS)
            .then(|| jobs.try_recv().ok())
            .flatten();
    }
    (group, None)
}

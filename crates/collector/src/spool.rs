//! The spool: accepted batches on disk until MongoDB has them.
//!
//! # Invariants
//!
//! 1. [`Spool::append`] returns `Ok` only after the batch, its dead letters and its effect on the
//!    accounts are in one committed transaction, flushed to the disk
//!    (`synchronous=FULL`).
//! 2. A row is deleted only by [`Spool::settle`], in the same transaction that writes the dead
//!    letters and the accounts of its records, and parks the rest: records still waiting for their
//!    collection, one row per collection. So every record is, after any crash, in exactly
//!    one of: its row, a parked rest, the dead letters, or the database (where a second insert is
//!    a duplicate). A row is settled once: nothing is written for a row that no longer exists.
//! 3. One thread writes. What is visible in memory ([`Spool::waiting`], [`Spool::ledger`]) is what
//!    was committed, never uncommitted changes.
//! 4. Rows are read in the order in which they were committed, and a row's number is never used
//!    twice in one file.
//! 5. Everything is bounded: the rows by `max_bytes` and the free disk space, the dead letters by
//!    `dead_letters_max_bytes` (the oldest are deleted and counted), the accounts by
//!    [`OWN_BYTES`](crate::accounting::OWN_BYTES), the rollups by rows and bytes (the oldest minutes
//!    are deleted and counted), waiting work by [`MAX_JOBS`], the log by a
//!    checkpoint once it has 8 MiB, files moved aside by their number: one.
//!
//! # Layout
//!
//! One directory, one SQLite file `spool.db` in WAL mode (with `-wal` and `-shm` next to it),
//! `spool.lock`, held by the running collector, and `spool.reserve`, which reserves disk space to
//! settle waiting rows (see `room`). Tables: `batch` (number, arrival, record count, sequence
//! numbers, CRC-32, body as NDJSON), `parked` (the same for the rest of a batch, by the collection
//! it waits for), `dead_letter`, `account` (one per boot), `rollup` (counts of what was stored),
//! `meta` (this collector's id, the file's id, the count of
//! records without a number). `PRAGMA user_version` is the schema's version: an
//! older file is migrated in one transaction, a newer one is refused, never guessed at.
//!
//! Jobs that wait while a transaction commits form the next one (group commit): under load one
//! fsync serves many batches; when idle a batch waits only for its own.
//!
//! # Recovery, and the cost of each failure
//!
//! | failure | cost |
//! |---|---|
//! | the process is killed | nothing acknowledged. SQLite replays the log when it opens; batches that were not acknowledged may or may not exist, and their senders retry |
//! | the machine loses power | the same, if the disk keeps what it confirmed |
//! | killed between insert and settle | nothing: the row is inserted again, and its records are duplicates |
//! | the disk is full or read-only | nothing: appends fail (`503`), readiness is off, and the spool retries every second. On a full disk rows are settled with the reserve, and batches are accepted again once the reserve has been recreated |
//! | fsync fails | no acknowledged batch; from then on nothing is acknowledged until a restart. It is never retried, because a second fsync may succeed without having written what the first one lost |
//! | a body is damaged | that batch: its checksum is wrong, it becomes one dead letter, and its numbered records are `missing`, so that a replay recovers them |
//! | a page cannot be read | nothing yet: the batches on it wait, logged and counted; the others continue |
//! | the file is damaged | what cannot be read, and the rollups that the database does not have yet (`recount` counts them again): the file is moved aside and named in the log, everything that is still readable and has the right checksum is copied into a new one, the rest becomes `missing` in the accounts, and the service continues. The new file is built under another name; once it is complete, the remaining steps are repeated after a crash |

mod accounts;
mod batch;
mod change;
mod committer;
mod database;
mod error;
mod letters;
mod log;
mod offline;
mod recovery;
mod rollup_pages;
mod rollups;
mod room;
mod rows;
mod schema;
mod shared;
mod waiting;

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError, RwLockReadGuard};

use gatelog_record::Uuid;
use tokio::sync::{Semaphore, oneshot};

use crate::accounting::{Edit, Ledger, Unnumbered};
use crate::metrics::Metrics;
use committer::{Committer, Job};
use room::Room;
use rows::{RowReader, Source, Wanted};
use shared::Shared;

pub use batch::{Append, Rest, Row, Rows, Settled, SettledRow};
pub use error::{SpoolError, SpoolErrorKind};
pub use letters::{
    DAMAGED, DeadLetter, LETTER_LINE_BYTES, LetterCount, LetterFilter, StoredLetter,
};
pub use offline::{LetterBox, Retried};
pub use recovery::{FILE, Moved};
pub use rollup_pages::RollupPage;
pub use rollups::{RollupCount, RollupRow};
pub use room::{RESERVE, RESERVE_BYTES};
pub use shared::Health;
pub use waiting::{Parked, Waiting};

/// Maximum batches waiting for the disk; a further one gets 503.
pub const MAX_JOBS: usize = 1_024;

/// Maximum ranges of batches that are reported as unreadable.
const MAX_TOLD: usize = 1_000;

/// Location and bounds of the spool.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    /// Its directory; created if absent.
    pub dir: PathBuf,
    /// Maximum bytes of waiting batches.
    pub max_bytes: u64,
    /// Maximum bytes of dead letters; the oldest are deleted first. At most an eighth of the disk.
    pub dead_letters_max_bytes: u64,
    /// Bytes of the disk that batches may not take: [`RESERVE_BYTES`] and two of the largest batches.
    pub keep_free_bytes: u64,
}

/// The spool of a running collector. Cheap to clone.
#[derive(Clone)]
pub struct Spool {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
    places: Semaphore,
    /// Bytes of appends that are not committed yet.
    reserved: AtomicU64,
    max_bytes: u64,
    collector: Uuid,
    path: PathBuf,
    reader: Mutex<Option<Reader>>,
    /// Held for the lifetime of the spool.
    _lock: File,
}

impl Spool {
    /// Opens or creates the spool and starts its thread. A corrupt file is moved aside.
    ///
    /// # Errors
    ///
    /// The directory is in use by another collector, cannot be written, or holds a file of a
    /// later version.
    pub fn open(options: &SpoolOptions, metrics: Metrics) -> Result<Self, SpoolError> {
        make_dir(&options.dir)?;
        let lock = lock(&options.dir)?;
        let room = Room::new(&options.dir, options.keep_free_bytes);
        let opened = match recovery::open(&options.dir) {
            Err(error) if error.kind() == SpoolErrorKind::Full => {
                room.give_up();
                recovery::open(&options.dir)?
            }
            opened => opened?,
        };
        if let Some(moved) = &opened.moved {
            moved.announce();
            metrics.spool_moved_aside();
        }
        if let Some((kept, reason)) = &opened.log {
            tracing::error!(
                critical = true,
                kept = %kept.display(),
                reason,
                "the spool's log was damaged: what was acknowledged last is lost here, and no account \
                 knows of it; replay the gateways' journals"
            );
            metrics.spool_moved_aside();
        }
        let collector = database::collector(&opened.db)?;
        let shared = Arc::new(Shared::new(metrics));
        let letters = room.letters(options.dead_letters_max_bytes);
        let dir = options.dir.clone();
        let mut committer = Committer::new(dir, opened.db, Arc::clone(&shared), room, letters)?;
        committer.begin();
        let (jobs, queue) = mpsc::channel();
        let watched = Arc::clone(&shared);
        std::thread::Builder::new().name("spool".into()).spawn(move || {
            let watch = DeathWatch(watched);
            committer.run(&queue);
            drop(watch);
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                shared,
                jobs,
                places: Semaphore::new(MAX_JOBS),
                reserved: AtomicU64::new(0),
                max_bytes: options.max_bytes,
                collector,
                path: options.dir.join(FILE),
                reader: Mutex::new(None),
                _lock: lock,
            }),
        })
    }

    /// Makes a batch durable. When this returns `Ok`, it is on disk. Await it to completion: its
    /// place and its bytes are released when it is dropped, although the batch may still wait for
    /// the disk. So work that a client may cancel belongs in a separate task.
    ///
    /// # Errors
    ///
    /// The bound would be exceeded, too much waits for the disk, or the disk fails. Then the
    /// batch must not be acknowledged.
    pub async fn append(&self, append: Append) -> Result<(), SpoolError> {
        let bytes = match append.records {
            0 => 0,
            _ => database::row_bytes(&append.body, &append.seqs),
        };
        let _place = self.inner.places.try_acquire().map_err(|_| SpoolError::Busy)?;
        let _reserved = self.reserve(bytes)?;
        self.submit(|done| Job::Append(append, done)).await
    }

    /// Deletes finished rows and records the fate of their records: dead letters, accounts, and
    /// rests, which keep waiting. For a row that no longer exists, or is from a file that was moved
    /// aside, only what the database has is recorded.
    ///
    /// # Errors
    ///
    /// The disk fails; the rows still exist, and the call may be retried.
    pub async fn settle(&self, settled: Settled) -> Result<(), SpoolError> {
        self.submit(|done| Job::Settle(settled, done)).await
    }

    /// Changes accounts in one transaction.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub async fn account(
        &self,
        edit: impl Fn(&mut Edit, &Ledger) + Send + 'static,
    ) -> Result<(), SpoolError> {
        self.submit(|done| Job::Account(Box::new(edit), done)).await
    }

    /// Reads whole batches after a number, in order, up to `bytes` bytes or `count` batches.
    ///
    /// # Errors
    ///
    /// The disk refuses. By the time this returns, a damaged file is already being replaced.
    pub async fn read(&self, after: i64, bytes: usize, count: usize) -> Result<Rows, SpoolError> {
        self.read_rows(None, after, bytes, count).await
    }

    /// Reads what is parked for a collection, of batches after a number, in order, up to `bytes`
    /// bytes or `count` rows.
    ///
    /// # Errors
    ///
    /// The disk refuses. By the time this returns, a damaged file is already being replaced.
    pub async fn read_parked(
        &self,
        collection: &str,
        after: i64,
        bytes: usize,
        count: usize,
    ) -> Result<Rows, SpoolError> {
        self.read_rows(Some(collection.to_owned()), after, bytes, count).await
    }

    async fn read_rows(
        &self,
        parked: Option<String>,
        after: i64,
        bytes: usize,
        rows: usize,
    ) -> Result<Rows, SpoolError> {
        let inner = Arc::clone(&self.inner);
        let read = tokio::task::spawn_blocking(move || {
            let source = parked.as_deref().map_or(Source::Whole, Source::Parked);
            inner.read(Wanted { source, after, bytes, rows })
        })
        .await;
        let result = read.map_err(|_| SpoolError::Closed)?;
        if let Err(error) = &result
            && error.kind() == SpoolErrorKind::Corrupt
        {
            let text = error.to_string();
            let _ = self.submit(|done| Job::Corrupt(text, done)).await;
        }
        result
    }

    /// Waits for the next commit; returns immediately if there was one since the last call.
    pub async fn changed(&self) {
        self.inner.shared.committed.notified().await;
    }

    /// Identifies the file: it changes when a corrupt file is moved aside, and then reading
    /// restarts.
    pub fn generation(&self) -> u64 {
        self.inner.shared.generation()
    }

    /// Whether the spool accepts batches.
    pub fn health(&self) -> Health {
        self.inner.shared.health()
    }

    /// What is parked, by the collection it waits for. Part of [`waiting`](Self::waiting).
    pub fn parked(&self) -> Parked {
        self.inner.shared.parked()
    }

    /// What waits for the database.
    pub fn waiting(&self) -> Waiting {
        self.inner.shared.waiting()
    }

    /// The bound on waiting batches, in bytes.
    pub fn max_bytes(&self) -> u64 {
        self.inner.max_bytes
    }

    /// The dead letters, counted.
    pub fn letters(&self) -> LetterCount {
        self.inner.shared.letters()
    }

    /// Deletes the dead letters after a number that match. Returns the last number looked at, and how
    /// many were deleted.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub async fn purge_letters(
        &self,
        after: i64,
        matches: impl Fn(&StoredLetter) -> bool + Send + 'static,
    ) -> Result<(i64, usize), SpoolError> {
        let path = self.inner.path.clone();
        let purge = move || {
            LetterBox::open(path.parent().unwrap_or(Path::new(".")))?.purge_matching(after, matches)
        };
        tokio::task::spawn_blocking(purge).await.map_err(|_| SpoolError::Closed)?
    }

    /// The records without a number, which no account covers.
    pub fn unnumbered(&self) -> Unnumbered {
        self.inner.shared.unnumbered()
    }

    /// The rollups that the spool has.
    pub fn rollup_count(&self) -> RollupCount {
        self.inner.shared.rollups()
    }

    /// The committed accounts. Hold the guard only briefly: commits wait for it.
    pub fn ledger(&self) -> RwLockReadGuard<'_, Ledger> {
        self.inner.shared.ledger()
    }

    /// Whether a row's records may have been sent to the database before this read: by an earlier
    /// process, or in part.
    pub fn may_have_been_sent(&self, row: &Row) -> bool {
        row.parked.is_some() || row.id <= self.inner.shared.found()
    }

    /// This collector's id in the shared accounting.
    pub fn collector(&self) -> Uuid {
        self.inner.collector
    }

    /// Commits pending work and stops the thread. All later calls fail.
    ///
    /// # Errors
    ///
    /// The disk fails the last write; no acknowledged batch is lost by that.
    pub async fn close(&self) -> Result<(), SpoolError> {
        self.submit(Job::Close).await
    }

    async fn submit(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<(), SpoolError>>) -> Job,
    ) -> Result<(), SpoolError> {
        let (done, result) = oneshot::channel();
        self.inner.jobs.send(job(done)).map_err(|_| SpoolError::Closed)?;
        result.await.unwrap_or(Err(SpoolError::Closed))
    }

    fn reserve(&self, bytes: u64) -> Result<Reserved<'_>, SpoolError> {
        let reserved = &self.inner.reserved;
        let before = reserved.fetch_add(bytes, Ordering::SeqCst);
        let guard = Reserved { reserved, bytes };
        let waiting = self.waiting().bytes.saturating_add(before);
        if bytes > 0 && waiting.saturating_add(bytes) > self.inner.max_bytes {
            return Err(SpoolError::Full { bytes: waiting, limit: self.inner.max_bytes });
        }
        Ok(guard)
    }
}

/// Reports the death of the writer thread, which would otherwise go unnoticed.
struct DeathWatch(Arc<Shared>);

impl Drop for DeathWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = "the thread that writes has died: restart the collector";
            self.0.set_health(Health::Broken(text.into()));
            tracing::error!(critical = true, "spool broken: {text}");
        }
    }
}

/// Bytes of an append in progress, released when it is committed or refused.
struct Reserved<'a> {
    reserved: &'a AtomicU64,
    bytes: u64,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.reserved.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

impl Inner {
    fn read(&self, wanted: Wanted<'_>) -> Result<Rows, SpoolError> {
        self.with_reader(|reader| {
            let found = reader.rows.read(wanted)?;
            for (first, last) in found.unreadable {
                reader.tell(&self.shared.metrics, wanted.source.collection(), first, last);
            }
            Ok(Rows { generation: reader.generation, file: reader.file, rows: found.rows })
        })
    }

    /// Reads from the current file.
    fn with_reader<T>(
        &self,
        read: impl FnOnce(&mut Reader) -> Result<T, SpoolError>,
    ) -> Result<T, SpoolError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.shared.generation();
        if reader.as_ref().is_none_or(|reader| reader.generation != generation) {
            let rows = RowReader::open(&self.path)?;
            let file = rollups::file(rows.db())?;
            *reader = Some(Reader { generation, file, rows, told: BTreeSet::new() });
        }
        read(reader.as_mut().ok_or(SpoolError::Closed)?)
    }
}

/// Who reads, and which parts of the file could not be read.
struct Reader {
    generation: u64,
    file: Uuid,
    rows: RowReader,
    /// What was reported as unreadable: collection, first and last number.
    told: BTreeSet<(Option<String>, i64, i64)>,
}

impl Reader {
    fn tell(&mut self, metrics: &Metrics, parked: Option<&str>, first: i64, last: i64) {
        if self.told.len() < MAX_TOLD && self.told.insert((parked.map(str::to_owned), first, last))
        {
            metrics.spool_unreadable();
            tracing::error!(
                parked,
                first,
                last,
                "batches in the spool cannot be read: they stay there, and are tried again at the \
                 next start; check the disk"
            );
        }
    }
}

/// Creates the directory, and ensures that it survives a power loss.
fn make_dir(dir: &Path) -> Result<(), SpoolError> {
    if !dir.is_dir() {
        fs::create_dir_all(dir)?;
        let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Whether a collector is running on this directory.
///
/// # Errors
///
/// The directory's lock cannot be tested.
pub fn in_use(dir: &Path) -> Result<bool, SpoolError> {
    match lock(dir) {
        Ok(_) => Ok(false),
        Err(SpoolError::Locked(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

fn lock(dir: &Path) -> Result<File, SpoolError> {
    let file = File::create(dir.join("spool.lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SpoolError::Locked(dir.display().to_string())),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "test sizes are small"
)]
mod tests;

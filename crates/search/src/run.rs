//! Searches the collections of all levels, newest first, in windows that grow.
//!
//! `plan` decides where to look, `slice` reads one window of one source, `merge` puts the slices of
//! a window in order, and `pace` says how large the next one is. A slice that a bound cut says
//! down to which place it is whole; a page never shows anything below the highest of these, so
//! nothing is skipped, and the next page continues there.

mod axis;
mod call;
mod flows;
mod indexes;
mod merge;
mod pace;
mod page;
mod plan;
mod slice;

use std::sync::Arc;
use std::time::Duration;

use gatelog_record::{Level, Timestamp};
use mongodb::Database;
use mongodb::bson::RawDocumentBuf;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

pub use call::SearchError;
pub use pace::Pace;

use crate::key::Key;
use crate::limits::{CALLS, WINDOWS};
use crate::select::Selection;
use indexes::Indexes;

/// What to search for.
#[derive(Clone, Debug)]
pub struct Search {
    /// The query, and whose records.
    pub selection: Selection,
    /// The first instant; counted in whole milliseconds.
    pub since: Timestamp,
    /// What is searched ends in front of this.
    pub before: Key,
    /// How thorough the search is.
    pub reach: Reach,
}

/// How thorough a search is, if an index of `trace_logs` finds what it is looking for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Uses that index: quick over any time, but blind for records that belong to no flow.
    Flows,
    /// Reads all records of the time instead.
    Everything,
}

/// A record that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its place.
    pub key: Key,
    /// Its level.
    pub level: Level,
    /// The full document.
    pub document: RawDocumentBuf,
}

/// Records that were found, newest first, and how far they go.
#[derive(Debug)]
pub struct Page {
    /// The records.
    pub records: Vec<Found>,
    /// Everything that matches from here on, up to where the search began, is in `records`. The next
    /// page is the same search before this.
    pub reached: Key,
    /// Why it ends there.
    pub end: End,
    /// Whether records that belong to no flow were passed over: see [`Reach::Flows`].
    pub only_flows: bool,
}

/// Why a page ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything was searched.
    Complete,
    /// The page is full: it has as many records, or bytes, as it may have.
    Full,
    /// The time was over.
    OutOfTime,
}

/// One step of a search.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Maximum records, at most [`PAGE_RECORDS`](crate::limits::PAGE_RECORDS).
    pub most: usize,
    /// No window begins after this, except the first.
    pub enough: Instant,
    /// Nothing is searched after this.
    pub deadline: Instant,
    /// Whether a first window is read even after `enough`, so that the search gets on.
    pub first: bool,
    /// The keys that are read of each document, besides those of its place; all if there are none.
    pub keys: &'static [&'static str],
}

/// The indexes, and when they were read.
type Known = Option<(Instant, Arc<Indexes>)>;

/// Searches one database; clones share its bounds.
#[derive(Clone, Debug)]
pub struct Searcher {
    database: Database,
    calls: Arc<Semaphore>,
    windows: Arc<Semaphore>,
    indexes: Arc<Mutex<Known>>,
}

impl Searcher {
    /// A searcher of this database.
    pub fn new(database: Database) -> Self {
        let calls = Arc::new(Semaphore::new(CALLS));
        let windows = Arc::new(Semaphore::new(WINDOWS));
        Self { database, calls, windows, indexes: Arc::default() }
    }

    /// The newest records that match, at most `most` and at most
    /// [`PAGE_RECORDS`](crate::limits::PAGE_RECORDS), found within this time.
    ///
    /// A page may have fewer, also none, and still not be the last: its `end` says so.
    ///
    /// # Errors
    ///
    /// The database cannot be asked, or refuses. That it is too slow is no error, but the end of the
    /// page.
    pub async fn page(
        &self,
        search: &Search,
        most: usize,
        within: Duration,
    ) -> Result<Page, SearchError> {
        let now = Instant::now();
        let deadline = now.checked_add(within).unwrap_or(now);
        let step = Step { most, enough: deadline, deadline, first: true, keys: &[] };
        self.step(search, step, &mut Pace::new()).await
    }

    /// The next records of a search that takes several steps, at the pace of the one before.
    ///
    /// # Errors
    ///
    /// As of [`page`](Self::page).
    pub async fn step(
        &self,
        search: &Search,
        step: Step,
        pace: &mut Pace,
    ) -> Result<Page, SearchError> {
        page::page(self, search, step, pace).await
    }
}

/// The collection of a level.
pub(crate) const fn collection_of(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug_logs",
        Level::Info => "info_logs",
        Level::Warning => "warning_logs",
        Level::Error => "error_logs",
        Level::Critical => "critical_logs",
    }
}

/// The collection of the compact documents.
pub(crate) const FLOWS: &str = "trace_logs";

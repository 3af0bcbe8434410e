//! Saved views: addresses of the pages with a name, kept in a database of the console's own.
//!
//! A view is its owner's: nobody else reads or changes it. One that is shared is read by everybody
//! with the role all, and by nobody else, as its text may name organizations; it stays its owner's to change.
//!
//! ```text
//! views:
//! {_id: "own:<owner>:<name>" or "shared:<owner>:<name>", name, address, by: "<owner's name>", at: Date}
//! ```
//!
//! Everything is found by a range of `_id`, so there is no other index.

mod access;
mod draft;
mod kept;
mod owner;

use std::fmt;
use std::time::Duration;

use gatelog_collector::store::{Store, StoreError};
use gatelog_record::Timestamp;

use crate::who::Viewer;
pub use draft::{Draft, Fault};
use kept::Kept;

/// Maximum views of a viewer, shared ones included.
pub const OF_VIEWER: u64 = 100;
/// Maximum shared views.
pub const SHARED: u64 = 200;
/// Maximum views of all viewers.
pub const OF_ALL: u64 = 10_000;
/// Maximum time for the database to read or change views.
const CALL_TIME: Duration = Duration::from_secs(10);

/// A saved view, as one viewer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What it is called: hostile text.
    pub name: String,
    /// Path and query of a page.
    pub address: String,
    /// Whether everybody with the role all sees it.
    pub shared: bool,
    /// Whether it is the viewer's own.
    pub own: bool,
    /// Its owner's name, cut: hostile text.
    pub by: String,
    /// When it was saved.
    pub at: Timestamp,
}

/// A bound that a further view would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// [`OF_VIEWER`].
    Viewer,
    /// [`SHARED`].
    Shared,
    /// [`OF_ALL`].
    All,
}

/// Why the server keeps no views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// It is switched off.
    Off,
    /// The database's user lacks the right.
    Denied,
}

/// Why views are not read or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewsError {
    /// None are kept.
    NotKept(NotKept),
    /// There are too many.
    Full(Full),
    /// The database could not be asked, or did not say whether it did what it was asked to.
    Store(StoreError),
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Full::Viewer => write!(
                f,
                "you have {OF_VIEWER} saved views, which is the maximum: delete one that you no \
                 longer need"
            ),
            Full::Shared => write!(
                f,
                "{SHARED} views are shared, which is the maximum: save it without sharing it, or \
                 have one of those no longer shared"
            ),
            Full::All => write!(
                f,
                "{OF_ALL} views of all viewers are kept, which is the maximum: whoever runs the \
                 console can delete those of former viewers (docs/console.md)"
            ),
        }
    }
}

/// All saved views, if any are kept.
#[derive(Debug)]
pub struct Views {
    kept: Option<Kept>,
}

impl Views {
    /// Those in this database on the server of `store`; without a database none are kept.
    pub fn new(store: &Store, database: Option<&str>) -> Self {
        Self { kept: database.map(|database| Kept::new(store.clone(), database)) }
    }

    /// What a viewer sees: the own ones, then, with the role all, those that others share; each by name.
    ///
    /// # Errors
    ///
    /// None are kept, or the database could not be asked.
    pub async fn of(&self, viewer: &Viewer) -> Result<Vec<View>, ViewsError> {
        self.kept()?.list(viewer).await
    }

    /// Keeps a view. One of the same viewer and name is replaced, shared or not.
    ///
    /// `turn` is dropped when the database has answered, also if that is after the wait for it was given
    /// up: while only one can be had, the bounds hold.
    ///
    /// # Errors
    ///
    /// None are kept, there are too many, or the database could not be asked: then the view may be kept.
    pub async fn put(
        &self,
        viewer: &Viewer,
        draft: Draft,
        turn: impl Send + 'static,
    ) -> Result<View, ViewsError> {
        self.kept()?.put(viewer, draft, turn).await
    }

    /// Deletes the viewer's view of this name, and returns whether there was one. `turn` is as for
    /// [`put`](Self::put).
    ///
    /// # Errors
    ///
    /// None are kept, or the database could not be asked: then the view may be deleted.
    pub async fn delete(
        &self,
        viewer: &Viewer,
        name: &str,
        turn: impl Send + 'static,
    ) -> Result<bool, ViewsError> {
        self.kept()?.delete(viewer, name, turn).await
    }

    fn kept(&self) -> Result<&Kept, ViewsError> {
        self.kept.as_ref().ok_or(ViewsError::NotKept(NotKept::Off))
    }
}

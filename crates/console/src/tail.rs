//! Live records: merged from the tails of all collectors, for one viewer each.
//!
//! `collectors → follow (a connection each) → queue (bounded) → api`

mod collectors;
mod line;
mod queue;

use std::sync::Arc;

use gatelog_collector::config::Faults;
use gatelog_delivery::client::Target;
use gatelog_delivery::follow::Room;
use gatelog_search::Selection;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::metrics::Metrics;
use crate::who::Viewer;
use collectors::{Following, Named};
use line::Line;
use queue::Outlet;
pub use queue::{Item, Notice};

/// Where a collector's tail is.
const PATH: &str = "/v1/tail?";
/// Maximum bytes of records of all tails that have not come completely from their collectors.
const ROOM_BYTES: usize = 32 << 20;
/// Bytes of a path from which on it does not name the organizations: a collector's bound for the
/// headers of a request is 16 KiB. The records are tested here in any case.
const PATH_BYTES: usize = 14 << 10;

/// The tails of this console.
pub struct Tails {
    collectors: Arc<[Named]>,
    room: Room,
    metrics: Metrics,
    stop: watch::Sender<bool>,
}

/// One tail. It ends when it is dropped.
pub struct Tail {
    outlet: Outlet,
    following: JoinHandle<()>,
}

impl Tails {
    /// Of these collectors; without any, there are no tails.
    ///
    /// # Errors
    ///
    /// What is wrong with a target.
    pub fn new(targets: &[Target], metrics: Metrics) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let named = targets.iter().filter_map(|target| {
            Named::new(target.clone()).map_err(|error| faults.add_rule(error)).ok()
        });
        let collectors = named.collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let (room, stop) = (Room::of(ROOM_BYTES), watch::Sender::new(false));
        Ok(Self { collectors, room, metrics, stop })
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        !self.collectors.is_empty()
    }

    /// Follows what this selection, which is within the viewer's scope, matches.
    pub fn open(&self, selection: Selection, viewer: &Viewer) -> Tail {
        let (inlet, outlet) = queue::queue(self.metrics.clone());
        let path = path(&selection, viewer);
        let all = viewer.organizations().is_none();
        let line = Line { selection: Arc::new(selection), all, inlet, room: self.room.clone() };
        let following = Following::new(Arc::clone(&self.collectors), path, line);
        Tail { outlet, following: tokio::spawn(following.run()) }
    }

    /// Ends all tails, and those to come.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Becomes true once all tails end.
    pub fn stops(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }
}

impl Tail {
    /// What comes next.
    pub async fn next(&mut self) -> Option<Item> {
        self.outlet.next().await
    }

    /// What waits already.
    pub fn waiting(&mut self) -> Option<Item> {
        self.outlet.waiting()
    }

    /// How many records were left out since the last call, as the client reads too slowly.
    pub fn skipped(&self) -> u64 {
        self.outlet.skipped()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.following.abort();
    }
}

/// What a collector is asked for. It is asked for the viewer's organizations only, so that others'
/// records do not even come here.
fn path(selection: &Selection, viewer: &Viewer) -> String {
    let mut path = form_urlencoded::Serializer::for_suffix(PATH.to_owned(), PATH.len());
    path.append_pair("query", &selection.query().to_string());
    let path = path.finish();
    let Some(organizations) = viewer.organizations() else { return path };
    let mut scoped = form_urlencoded::Serializer::for_suffix(path.clone(), PATH.len());
    // At least an empty one: none would be all.
    scoped.append_pair("org", "");
    scoped.extend_pairs(organizations.iter().map(|name| ("org", name)));
    let scoped = scoped.finish();
    if scoped.len() > PATH_BYTES { path } else { scoped }
}

#[cfg(test)]
mod tests;

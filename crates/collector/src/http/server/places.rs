//! Tracks the places for connections, and decides which connection gives up its place when all are
//! taken.
//!
//! A connection costs memory and a file descriptor, so their number is bounded. Any client that can
//! connect could take all places and send nothing. So at the bound a new connection replaces one
//! that has no request in progress: preferably one that never had an authorized request, and among
//! those the one that has been idle longest. Only if every connection has a request in progress is
//! a new one refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// The places, and the connections that hold them.
pub(super) struct Places {
    limit: u32,
    permits: Arc<Semaphore>,
    holders: Mutex<Holders>,
}

#[derive(Default)]
struct Holders {
    /// In order of arrival; excludes those that were told to leave.
    peers: BTreeMap<u64, Peer>,
    next: u64,
}

/// The result of taking a place.
pub(super) enum Taken {
    /// A place was free.
    Free(Place),
    /// None was free; an idle connection gave up its place.
    Evicted(Place),
    /// None was free, and every connection has a request in progress.
    Refused,
}

/// A place, released when dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    peer: Peer,
    _permit: OwnedSemaphorePermit,
}

/// What is known about the peer of a connection. Each request carries it as an extension.
#[derive(Clone)]
pub struct Peer {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    leave: Notify,
}

struct State {
    /// Requests in progress: their headers have arrived, and there is no response yet.
    requests: usize,
    /// When it became idle.
    quiet_since: Instant,
    /// Whether it ever sent an authorized request.
    trusted: bool,
}

/// A request in progress, until dropped.
pub struct Turn {
    peer: Peer,
}

impl Places {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        let limit = u32::try_from(limit.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let permits = usize::try_from(limit).unwrap_or(usize::MAX);
        Arc::new(Self {
            limit,
            permits: Arc::new(Semaphore::new(permits)),
            holders: Mutex::default(),
        })
    }

    /// Takes a place; if none is free, takes that of the connection that needs it least, once that
    /// connection has ended.
    pub(super) async fn take(self: &Arc<Self>) -> Taken {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Taken::Free(self.place(permit));
        }
        if !self.send_one_away() {
            return Taken::Refused;
        }
        match Arc::clone(&self.permits).acquire_owned().await {
            Ok(permit) => Taken::Evicted(self.place(permit)),
            Err(_) => Taken::Refused,
        }
    }

    /// Returns when every place has been released.
    pub(super) async fn all_free(&self) {
        let _ = self.permits.acquire_many(self.limit).await;
    }

    fn place(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Place {
        let peer = Peer::new();
        let mut holders = self.holders();
        let number = holders.next;
        holders.next = number.wrapping_add(1);
        holders.peers.insert(number, peer.clone());
        Place { places: Arc::clone(self), number, peer, _permit: permit }
    }

    /// Tells one connection to leave; returns false if every connection has a request in progress.
    fn send_one_away(&self) -> bool {
        let mut holders = self.holders();
        let quiet = holders.peers.iter().filter_map(|(number, peer)| {
            let state = peer.state();
            (state.requests == 0).then_some((state.trusted, state.quiet_since, *number))
        });
        let Some((_, _, number)) = quiet.min() else { return false };
        match holders.peers.remove(&number) {
            Some(peer) => {
                peer.inner.leave.notify_one();
                true
            }
            None => false,
        }
    }

    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.holders().peers.remove(&self.number);
    }
}

impl Peer {
    fn new() -> Self {
        let state = State { requests: 0, quiet_since: Instant::now(), trusted: false };
        Self { inner: Arc::new(Inner { state: Mutex::new(state), leave: Notify::new() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The peer sent an authorized request: it keeps its place longer than those that never did.
    pub fn trust(&self) {
        self.state().trusted = true;
    }

    /// A request's headers have arrived, or its response goes on after its headers.
    pub fn begin(&self) -> Turn {
        let mut state = self.state();
        state.requests = state.requests.saturating_add(1);
        Turn { peer: self.clone() }
    }

    /// Restarts its idle time.
    pub(super) fn start_quiet(&self) {
        self.state().quiet_since = Instant::now();
    }

    /// Returns when it has had no request in progress for this long.
    pub(super) async fn quiet_for(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let quiet_since = {
                let state = self.state();
                if state.requests == 0 { state.quiet_since } else { now }
            };
            // A request that ends during this sleep ends later than now, so no deadline is missed.
            let Some(deadline) = quiet_since.checked_add(limit) else {
                return std::future::pending().await;
            };
            if deadline <= now {
                return;
            }
            sleep_until(deadline).await;
        }
    }

    /// Returns when its place is needed for another connection.
    pub(super) async fn sent_away(&self) {
        self.inner.leave.notified().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.peer.state();
        state.requests = state.requests.saturating_sub(1);
        state.quiet_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(50);
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn taken(places: &Arc<Places>) -> Place {
        match places.take().await {
            Taken::Free(place) => place,
            Taken::Evicted(_) | Taken::Refused => panic!("no free place"),
        }
    }

    /// Whether this connection is told to leave when another one arrives; and the other one's
    /// place.
    async fn gives_way(places: &Arc<Places>, place: Place) -> Option<Place> {
        let leaving = async {
            place.peer().sent_away().await;
            drop(place);
        };
        let both = async { tokio::join!(places.take(), leaving).0 };
        match tokio::time::timeout(PATIENCE, both).await {
            Ok(Taken::Evicted(place)) => Some(place),
            Ok(Taken::Free(_) | Taken::Refused) => panic!("not evicted"),
            Err(_) => None,
        }
    }

    #[tokio::test]
    async fn the_quiet_give_way_and_those_never_trusted_first() {
        let places = Places::new(3);
        let trusted = taken(&places).await;
        drop(trusted.peer().begin());
        trusted.peer().trust();
        let busy = taken(&places).await;
        let turn = busy.peer().begin();
        let silent = taken(&places).await;
        let newer = gives_way(&places, silent).await.expect("the silent one, though it came last");
        let last = gives_way(&places, newer).await.expect("the next silent one");
        last.peer().trust();
        drop(last.peer().begin());
        let last = gives_way(&places, trusted).await.map(|newest| (newest, last));
        let (newest, last) = last.expect("of the trusted, the one that was quiet longest");
        let (one, two) = (newest.peer().begin(), last.peer().begin());
        assert!(matches!(places.take().await, Taken::Refused), "a request is under way on each");
        drop((one, two, turn));
    }

    #[tokio::test]
    async fn places_are_given_back() {
        let places = Places::new(2);
        let (one, two) = (taken(&places).await, taken(&places).await);
        drop((one, two));
        let three = taken(&places).await;
        assert!(tokio::time::timeout(MOMENT, places.all_free()).await.is_err());
        drop(three);
        places.all_free().await;
        assert!(places.holders().peers.is_empty());
    }

    #[tokio::test]
    async fn quiet_time_counts_from_the_end_of_the_last_request() {
        let peer = Peer::new();
        let turn = peer.begin();
        let busy = tokio::time::timeout(MOMENT * 3, peer.quiet_for(MOMENT)).await;
        assert!(busy.is_err(), "a request is under way");
        let ended = Instant::now();
        drop(turn);
        peer.quiet_for(MOMENT).await;
        assert!(ended.elapsed() >= MOMENT);
        let begun = Instant::now();
        peer.start_quiet();
        peer.quiet_for(MOMENT).await;
        assert!(begun.elapsed() >= MOMENT);
    }
}

//! What every insert passes: it begins only while the tombstones are known, and it can be told when
//! those that began with earlier ones have ended.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Tombstones;
use crate::clock::now_millis;

/// Held by an insert from before it looks at the tombstones until the server has answered.
#[derive(Clone, Debug)]
pub struct Pass {
    tombstones: Arc<Tombstones>,
    /// How often the lease had lapsed before.
    lapses: u64,
    /// Never sent to: the channel closes when the last pass is gone.
    _begun: mpsc::Sender<Infallible>,
}

impl Pass {
    fn new(tombstones: Tombstones) -> (Self, Draining) {
        let (begun, ended) = mpsc::channel(1);
        let pass = Self { tombstones: Arc::new(tombstones), lapses: 0, _begun: begun };
        (pass, Draining { ended })
    }

    /// A pass of a program that inserts nothing that could be erased.
    pub fn free() -> Self {
        Self::new(Tombstones::default()).0
    }

    /// The tombstones that the insert must heed.
    pub fn tombstones(&self) -> &Tombstones {
        &self.tombstones
    }
}

/// Inserts that began with tombstones that have been replaced.
#[derive(Debug)]
pub struct Draining {
    ended: mpsc::Receiver<Infallible>,
}

impl Draining {
    /// Whether all of them have ended.
    pub fn is_over(&mut self) -> bool {
        matches!(self.ended.try_recv(), Err(TryRecvError::Disconnected))
    }
}

#[derive(Debug)]
enum Open {
    Closed,
    /// Until both clocks have passed it: a monotonic one does not count while a machine sleeps.
    Until(Instant, i64),
    ForGood,
}

#[derive(Debug)]
struct State {
    pass: Pass,
    /// The end of what `pass` began with.
    draining: Option<Draining>,
    open: Open,
    /// How often the lease was over before it was renewed.
    lapses: u64,
}

/// Lets inserts begin. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate {
    state: Arc<watch::Sender<State>>,
}

impl Gate {
    /// Closed until it is [opened](Self::open_until).
    pub fn closed() -> Self {
        Self::new(Open::Closed)
    }

    /// For a writer without tombstones: always open.
    pub fn open() -> Self {
        Self::new(Open::ForGood)
    }

    fn new(open: Open) -> Self {
        let (pass, draining) = Pass::new(Tombstones::default());
        let state = State { pass, draining: Some(draining), open, lapses: 0 };
        Self { state: Arc::new(watch::Sender::new(state)) }
    }

    /// Waits until inserts may begin.
    pub async fn pass(&self) -> Pass {
        let mut changes = self.state.subscribe();
        loop {
            if let Some(pass) = changes.borrow_and_update().pass() {
                return pass;
            }
            // Never an error: this gate has the sender.
            let _ = changes.changed().await;
        }
    }

    /// Inserts may begin until this much time has passed since `began` and the wall clock's
    /// `began_millis`.
    pub fn open_until(&self, began: Instant, began_millis: i64, lease: Duration) {
        let millis = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let end = began.checked_add(lease).unwrap_or(began);
        let open = Open::Until(end, began_millis.saturating_add(millis));
        self.state.send_modify(|state| {
            state.lapses = state.lapses();
            state.open = open;
        });
    }

    /// No insert begins from now on.
    pub fn close(&self) {
        self.state.send_modify(|state| {
            state.lapses = state.lapses();
            state.open = Open::Closed;
        });
    }

    /// Whether the lease was over at any time since an insert began: whoever erases may have taken this
    /// collector for gone, although the insert went on, as after its process was stopped for a while.
    pub fn lapsed_since(&self, pass: &Pass) -> bool {
        self.state.borrow().lapses() != pass.lapses
    }

    /// Inserts heed these from now on. Returns those that began earlier.
    pub fn replace(&self, tombstones: Tombstones) -> Option<Draining> {
        let (pass, draining) = Pass::new(tombstones);
        let mut before = None;
        self.state.send_modify(|state| {
            before = state.draining.replace(draining);
            state.pass = pass;
        });
        before
    }

    /// The tombstones that inserts heed now.
    pub fn tombstones(&self) -> Arc<Tombstones> {
        Arc::clone(&self.state.borrow().pass.tombstones)
    }
}

impl State {
    fn pass(&self) -> Option<Pass> {
        let open = match self.open {
            Open::Closed => false,
            Open::Until(..) => !self.is_over(),
            Open::ForGood => true,
        };
        open.then(|| Pass { lapses: self.lapses, ..self.pass.clone() })
    }

    fn is_over(&self) -> bool {
        match self.open {
            Open::Until(end, millis) => Instant::now() >= end || now_millis() >= millis,
            Open::Closed | Open::ForGood => false,
        }
    }

    /// Including a lease that is over now.
    fn lapses(&self) -> u64 {
        self.lapses.saturating_add(u64::from(self.is_over()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_mins(1);

    fn open(gate: &Gate) {
        gate.open_until(Instant::now(), now_millis(), LEASE);
    }

    #[tokio::test(start_paused = true)]
    async fn no_insert_begins_before_the_tombstones_are_known_or_after_the_lease() {
        let gate = Gate::closed();
        let passes = async |gate: &Gate| {
            tokio::time::timeout(Duration::from_secs(1), gate.pass()).await.is_ok()
        };
        assert!(!passes(&gate).await);
        open(&gate);
        assert!(passes(&gate).await);
        tokio::time::advance(LEASE).await;
        assert!(!passes(&gate).await, "the lease is over");
        open(&gate);
        assert!(passes(&gate).await);
        // The machine slept: only the wall clock knows.
        gate.open_until(Instant::now(), now_millis() - 60_000, LEASE);
        assert!(!passes(&gate).await);
        assert!(passes(&Gate::open()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_insert_learns_that_the_lease_was_over_meanwhile_whoever_renewed_it() {
        let gate = Gate::closed();
        open(&gate);
        let begun = gate.pass().await;
        tokio::time::advance(LEASE / 2).await;
        open(&gate);
        tokio::time::advance(LEASE / 2).await;
        assert!(!gate.lapsed_since(&begun), "it was renewed in time");
        tokio::time::advance(LEASE).await;
        assert!(gate.lapsed_since(&begun));
        open(&gate);
        assert!(gate.lapsed_since(&begun));
        let later = gate.pass().await;
        assert!(!gate.lapsed_since(&later));
        tokio::time::advance(LEASE).await;
        gate.close();
        assert!(gate.lapsed_since(&later));
        let ever = Gate::open();
        assert!(!ever.lapsed_since(&ever.pass().await));
    }

    #[tokio::test]
    async fn a_waiting_insert_begins_when_the_gate_opens() {
        let gate = Gate::closed();
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.pass().await.tombstones().len() }
        });
        open(&gate);
        assert_eq!(waiting.await.unwrap(), 0);
    }

    #[tokio::test]
    async fn inserts_that_began_earlier_are_waited_for_however_they_are_shared() {
        let gate = Gate::open();
        let begun = gate.pass().await;
        let shared = begun.clone();
        let mut draining = gate.replace(Tombstones::default()).unwrap();
        assert!(!draining.is_over());
        drop(begun);
        assert!(!draining.is_over(), "a call that was given up still runs");
        drop(shared);
        assert!(draining.is_over());
        assert!(gate.replace(Tombstones::default()).unwrap().is_over(), "none has begun since");
    }
}

//! Turns: how many requests of a kind may be in progress, in all and of one viewer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::who::Viewer;

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _of_viewer: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// Which bound was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// That of one viewer.
    Viewer,
    /// That of all together.
    All,
}

impl Bound {
    /// Its name in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Bound::Viewer => "viewer",
            Bound::All => "all",
        }
    }
}

/// The turns of one kind of request.
#[derive(Debug)]
pub(crate) struct Turns {
    /// What takes them, in metrics and messages.
    pub(crate) kind: &'static str,
    all: Arc<Semaphore>,
    of_viewer: usize,
    /// Of viewers with a turn, or who wait for one: no more than there are connections.
    viewers: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Turns {
    /// So many turns, and of them so many for one viewer.
    pub(crate) fn new(kind: &'static str, all: usize, of_viewer: usize) -> Self {
        let all = Arc::new(Semaphore::new(all));
        Self { kind, all, of_viewer, viewers: Mutex::default() }
    }

    /// A turn, waited for no longer than this. Who waits at their own bound takes no turn of others.
    pub(crate) async fn take(&self, viewer: &Viewer, wait: Duration) -> Result<Turn, Bound> {
        let now = Instant::now();
        let until = now.checked_add(wait).unwrap_or(now);
        let of_viewer = self.of(viewer).acquire_owned();
        let of_viewer = timeout_at(until, of_viewer).await.ok().and_then(Result::ok);
        let of_viewer = of_viewer.ok_or(Bound::Viewer)?;
        let of_all = timeout_at(until, Arc::clone(&self.all).acquire_owned()).await;
        let of_all = of_all.ok().and_then(Result::ok).ok_or(Bound::All)?;
        Ok(Turn { _of_viewer: of_viewer, _of_all: of_all })
    }

    /// The turns of a viewer, who is known by the name.
    fn of(&self, viewer: &Viewer) -> Arc<Semaphore> {
        let mut viewers = self.viewers.lock().unwrap_or_else(PoisonError::into_inner);
        viewers.retain(|_, turns| Arc::strong_count(turns) > 1);
        let turns = viewers.entry(viewer.name.clone());
        Arc::clone(turns.or_insert_with(|| Arc::new(Semaphore::new(self.of_viewer))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::who::{KnownBy, Role};

    fn named(name: &str) -> Viewer {
        Viewer::new(KnownBy::Token, name.into(), Role::All, None).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn one_viewer_never_takes_the_turns_of_all() {
        let turns = Turns::new("query", 3, 2);
        let wait = Duration::from_secs(2);
        let (ann, bob) = (named("ann"), named("bob"));
        let first = turns.take(&ann, wait).await.unwrap();
        let _second = turns.take(&ann, wait).await.unwrap();
        assert_eq!(turns.take(&ann, wait).await.err(), Some(Bound::Viewer));
        let _bobs = turns.take(&bob, Duration::ZERO).await.unwrap();
        assert_eq!(turns.take(&bob, wait).await.err(), Some(Bound::All));
        drop(first);
        assert!(turns.take(&ann, Duration::ZERO).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_at_their_own_bound_keeps_nobody_else_waiting() {
        let turns = Arc::new(Turns::new("query", 2, 1));
        let _anns = turns.take(&named("ann"), Duration::ZERO).await.unwrap();
        let others: Vec<_> = (0..50)
            .map(|_| {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { turns.take(&named("ann"), Duration::from_secs(2)).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let bobs = turns.take(&named("bob"), Duration::ZERO).await;
        assert!(bobs.is_ok());
        for other in others {
            assert_eq!(other.await.unwrap().err(), Some(Bound::Viewer));
        }
    }

    #[tokio::test]
    async fn nothing_is_kept_of_viewers_without_a_turn() {
        let turns = Turns::new("query", 2, 2);
        for number in 0..100 {
            drop(turns.take(&named(&number.to_string()), Duration::ZERO).await.unwrap());
        }
        assert_eq!(turns.viewers.lock().unwrap().len(), 1);
    }
}

//! Sessions, in memory: a restart ends them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Fingerprint, Viewer};

/// Maximum sessions. At the bound the one that has been idle longest ends.
const SESSIONS: usize = 4_096;
/// Maximum sessions of one token, so that no token ends those of others.
const OF_TOKEN: usize = 64;
/// How long a session lasts, whatever happens.
const LIFE: Duration = Duration::from_hours(24 * 7);

/// What a session began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A token: its viewer, as long as it is valid.
    Token(Fingerprint),
    /// The code of a link.
    Code(Arc<Viewer>),
}

#[derive(Debug)]
struct Session {
    origin: Origin,
    begun: Instant,
    seen: Instant,
}

/// All sessions, by the hash of their ids.
#[derive(Debug)]
pub struct Sessions {
    idle: Duration,
    state: Mutex<HashMap<Fingerprint, Session>>,
}

impl Sessions {
    /// None yet. One ends after this time without a request.
    pub fn new(idle: Duration) -> Self {
        Self { idle, state: Mutex::default() }
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        let (mut state, now) = (self.state(), Instant::now());
        self.sweep(&mut state, now);
        state.len()
    }

    /// Begins one.
    pub fn begin(&self, id: Fingerprint, origin: Origin) {
        let (mut state, now) = (self.state(), Instant::now());
        if state.len() >= SESSIONS {
            self.sweep(&mut state, now);
        }
        let of_token = state.values().filter(|session| session.origin == origin).count();
        if of_token >= OF_TOKEN {
            end_oldest(&mut state, |session| session.origin == origin);
        } else if state.len() >= SESSIONS {
            end_oldest(&mut state, |_| true);
        }
        state.insert(id, Session { origin, begun: now, seen: now });
    }

    /// What the session with this id began with, if it has not ended. It is no longer idle.
    pub fn find(&self, id: &Fingerprint) -> Option<Origin> {
        let (mut state, now) = (self.state(), Instant::now());
        let session = state.get_mut(id)?;
        if self.ended(session, now) {
            state.remove(id);
            return None;
        }
        session.seen = now;
        Some(session.origin.clone())
    }

    /// The same, but it stays as idle as it is.
    pub fn look(&self, id: &Fingerprint) -> Option<Origin> {
        let state = self.state();
        let session = state.get(id)?;
        (!self.ended(session, Instant::now())).then(|| session.origin.clone())
    }

    /// Ends one.
    pub fn end(&self, id: &Fingerprint) {
        self.state().remove(id);
    }

    fn ended(&self, session: &Session, now: Instant) -> bool {
        now.saturating_duration_since(session.seen) >= self.idle
            || now.saturating_duration_since(session.begun) >= LIFE
    }

    fn sweep(&self, state: &mut HashMap<Fingerprint, Session>, now: Instant) {
        state.retain(|_, session| !self.ended(session, now));
    }

    fn state(&self) -> MutexGuard<'_, HashMap<Fingerprint, Session>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_oldest(state: &mut HashMap<Fingerprint, Session>, which: impl Fn(&Session) -> bool) {
    let of_these = state.iter().filter(|(_, session)| which(session));
    if let Some(id) = of_these.min_by_key(|(_, session)| session.seen).map(|(id, _)| *id) {
        state.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::who::fingerprint;

    fn id(number: usize) -> Fingerprint {
        fingerprint(&number.to_be_bytes())
    }

    fn token(number: usize) -> Origin {
        Origin::Token(id(number))
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_by_idleness_age_and_sign_out() {
        let sessions = Sessions::new(Duration::from_hours(1));
        let minutes = |count| tokio::time::advance(Duration::from_mins(count));
        sessions.begin(id(1), token(1));
        for _ in 0..3 {
            minutes(59).await;
            assert_eq!(sessions.find(&id(1)), Some(token(1)));
        }
        minutes(60).await;
        assert_eq!(sessions.find(&id(1)), None);
        sessions.begin(id(2), token(1));
        for _ in 0..24 * 7 - 1 {
            minutes(59).await;
            assert!(sessions.find(&id(2)).is_some());
        }
        minutes(59).await;
        minutes(59).await;
        minutes(59).await;
        assert_eq!(sessions.find(&id(2)), None, "its life is over");
        sessions.begin(id(3), token(1));
        sessions.end(&id(3));
        assert_eq!((sessions.find(&id(3)), sessions.count()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_bounds_the_longest_idle_session_ends_and_first_of_the_same_token() {
        let sessions = Sessions::new(Duration::from_hours(24));
        for number in 0..OF_TOKEN {
            sessions.begin(id(number), token(1));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        sessions.find(&id(0));
        tokio::time::advance(Duration::from_millis(1)).await;
        sessions.begin(id(OF_TOKEN), token(1));
        assert_eq!(sessions.count(), OF_TOKEN);
        assert!(sessions.find(&id(0)).is_some() && sessions.find(&id(1)).is_none());
        for number in 1_000..1_000 + SESSIONS {
            sessions.begin(id(number), token(number));
        }
        assert_eq!(sessions.count(), SESSIONS);
    }
}

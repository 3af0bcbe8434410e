//! Whether the database's user may keep views: learned from what the server answers.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatelog_collector::store::StoreError;
use tokio::time::Instant;

/// After this time a right that was missing is tried again: it may have been granted.
const AGAIN_AFTER: Duration = Duration::from_mins(1);
/// `AtlasError`: Atlas returns this when a user lacks a right.
const ATLAS: i32 = 8_000;

#[derive(Clone, Copy, Debug)]
enum State {
    Unknown,
    Granted,
    Denied { tried: Instant },
}

/// What is known of the user's rights.
#[derive(Debug)]
pub(super) struct Access {
    database: String,
    state: Mutex<State>,
}

impl Access {
    /// Nothing is known about this database yet.
    pub(super) fn new(database: &str) -> Self {
        Self { database: database.to_owned(), state: Mutex::new(State::Unknown) }
    }

    /// Whether the user lacked a right a short while ago: the server need not be asked.
    pub(super) fn is_denied(&self) -> bool {
        matches!(*self.state(), State::Denied { tried } if tried.elapsed() < AGAIN_AFTER)
    }

    /// Whether the user is known to have all rights.
    pub(super) fn is_granted(&self) -> bool {
        matches!(*self.state(), State::Granted)
    }

    /// Learns from the result of a call that needs all rights, or of any once they are known. Logs a
    /// change, and nothing else.
    pub(super) fn learn<T>(&self, result: &Result<T, StoreError>) {
        let mut state = self.state();
        let database = &*self.database;
        match (result, *state) {
            (Err(error), before) if is_missing_right(error) => {
                *state = State::Denied { tried: Instant::now() };
                if !matches!(before, State::Denied { .. }) {
                    tracing::warn!(
                        database,
                        %error,
                        "saved views are kept in browsers only: grant the MongoDB user the role \
                         readWrite on this database, or set GATELOG_CONSOLE_DATABASE=off"
                    );
                }
            }
            (Ok(_), before) => {
                *state = State::Granted;
                if matches!(before, State::Denied { .. }) {
                    tracing::info!(database, "saved views are kept on the server from now on");
                }
            }
            (Err(_), _) => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a call failed because the user lacks a right.
pub(super) fn is_missing_right(error: &StoreError) -> bool {
    error.lacks_a_right() || matches!(error, StoreError::Server(answer) if answer.code == ATLAS)
}

#[cfg(test)]
mod tests {
    use gatelog_collector::store::Answer;

    use super::*;

    fn denied() -> Result<(), StoreError> {
        let (name, message) = ("Unauthorized".to_owned(), "not authorized".to_owned());
        Err(StoreError::Denied(Answer { code: 13, name, message }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_right_is_remembered_for_a_minute_and_then_tried_again() {
        let access = Access::new("gatelog_console");
        assert!(!access.is_denied() && !access.is_granted());
        access.learn(&denied());
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(access.is_denied());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!access.is_denied() && !access.is_granted());
        access.learn(&Ok(()));
        assert!(access.is_granted());
    }

    #[tokio::test]
    async fn only_a_missing_right_counts_as_one() {
        let access = Access::new("gatelog_console");
        access.learn(&Ok(()));
        let answer = |code| Answer { code, name: String::new(), message: String::new() };
        for error in [
            StoreError::Away("no server".into()),
            StoreError::Timeout { after: Duration::from_secs(1) },
            StoreError::Denied(answer(18)),
            StoreError::Server(answer(121)),
        ] {
            access.learn::<()>(&Err(error));
            assert!(access.is_granted());
        }
        access.learn::<()>(&Err(StoreError::Server(answer(8_000))));
        assert!(access.is_denied());
    }
}

//! One call to the database, within its bounds.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mongodb::error::{Error, ErrorKind};

use super::Searcher;
use crate::limits::{ANSWER_GRACE, WINDOW_TIME};

/// `MaxTimeMSExpired`
const TOO_SLOW: i32 = 50;

/// Why a search failed.
#[derive(Clone, Debug)]
pub enum SearchError {
    /// The driver's or the server's error.
    Call(Error),
    /// The server did not answer in time.
    Timeout {
        /// How long it was waited for.
        after: Duration,
    },
    /// The process is stopping.
    Stopped,
}

impl SearchError {
    /// Whether the server answered, if only with an error.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, SearchError::Call(error) if matches!(&*error.kind, ErrorKind::Command(_)))
    }

    /// Whether the server gave up because the search took longer than it may.
    pub(super) fn is_too_slow(&self) -> bool {
        match self {
            SearchError::Call(error) => {
                matches!(&*error.kind, ErrorKind::Command(answer) if answer.code == TOO_SLOW)
            }
            SearchError::Timeout { .. } | SearchError::Stopped => false,
        }
    }
}

impl fmt::Display for SearchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SearchError::Call(error) => write!(f, "the database cannot be searched: {error}"),
            SearchError::Timeout { after } => {
                write!(f, "the database did not answer within {after:?}")
            }
            SearchError::Stopped => f.write_str("stopping"),
        }
    }
}

impl std::error::Error for SearchError {}

impl From<Error> for SearchError {
    fn from(error: Error) -> Self {
        SearchError::Call(error)
    }
}

impl Searcher {
    /// Runs a call for which the server may take the time of a window. Dropping a call midway is unsafe for the
    /// driver's connections, and the driver has no socket timeout: so the call runs in a task of its
    /// own, and only the wait for it is given up.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, SearchError> {
        let calls = Arc::clone(&self.calls);
        // Also of a short window: a server that hangs is not to be told from one that is slow to give up.
        let limit = WINDOW_TIME.saturating_add(ANSWER_GRACE);
        let answer = async move {
            let permit = calls.acquire_owned().await.map_err(|_| SearchError::Stopped)?;
            let task = tokio::spawn(async move {
                let answer = call.await;
                drop(permit);
                answer
            });
            Ok(task.await.map_err(|_| SearchError::Stopped)??)
        };
        let timeout = || Err(SearchError::Timeout { after: limit });
        tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| timeout())
    }
}

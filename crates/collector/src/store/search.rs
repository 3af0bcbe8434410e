//! Searching the collections of all levels.

use gatelog_search::{SearchError, Searcher};

use super::{Store, StoreError, classify};

impl Store {
    /// A searcher of the same database.
    pub fn searcher(&self) -> Searcher {
        Searcher::new(self.database().clone())
    }
}

impl From<SearchError> for StoreError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Call(error) => classify::of_call(&error),
            SearchError::Timeout { after } => StoreError::Timeout { after },
            SearchError::Stopped => StoreError::Stopped,
        }
    }
}

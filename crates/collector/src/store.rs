//! The MongoDB side: documents by level, their indexes and retention, and inserts that never store
//! anything twice.
//!
//! A record becomes one document in its level's collection, one in `audit_logs` when it is audited,
//! and a compact one in `trace_logs` when it belongs to a flow, all under the record's own id.
//! So writing a record again changes nothing, however far the first attempt got, and a record
//! counts as stored only when all its documents are.
//!
//! Records that a [tombstone](crate::tombstone) covers are not inserted.
//!
//! Nothing here retries or logs: the outcome is returned to the caller as data.

mod classify;
mod collections;
pub mod counts;
pub(crate) mod erase;
mod error;
mod flow;
mod lookups;
mod options;
pub(crate) mod recount;
mod rights;
pub mod rollups;
mod schema;
mod search;
mod selection;
pub(crate) mod tombstones;
mod write;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::RawDocumentBuf;
use mongodb::bson::doc;
use mongodb::options::{
    Acknowledgment, CollectionOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Database};
use tokio::sync::Semaphore;

pub use collections::LogCollection;
pub use error::{Answer, StoreError};
pub use flow::Found;
pub use lookups::{Lookup, Lookups, ParseLookupsError};
pub use options::StoreOptions;
pub use rights::Rights;
pub use rollups::ROLLUPS;
pub use schema::{Action, Change, ParseRetentionError, Period, Retention};
pub use tombstones::Unreadable;
#[cfg(test)]
pub(crate) use write::model;
pub(crate) use write::{Condition, Reception};
pub use write::{InsertReport, Refusal, documents};

/// A handle on the database; clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    retention: Retention,
    lookups: Lookups,
    operation_timeout: Duration,
    /// One permit for every connection in the pool. A call that exceeds its timeout keeps its
    /// permit until it ends, so abandoned calls cannot pile up without bound.
    permits: Arc<Semaphore>,
    /// A test double that responds in place of a server.
    #[cfg(test)]
    model: Option<Arc<write::model::ModelServer>>,
}

impl Store {
    /// Reads the connection string and prepares the client. The server need not be running yet;
    /// a `mongodb+srv` address needs DNS now, and its absence is a transient error.
    pub async fn connect(options: &StoreOptions) -> Result<Self, StoreError> {
        let client = Client::with_options(options.client_options().await?)
            .map_err(|error| StoreError::of_options(&error))?;
        let permits = usize::try_from(options.pool_size).unwrap_or(1).max(1);
        let inner = Inner {
            database: client.database(&options.database),
            retention: options.retention.clone(),
            lookups: options.lookups.clone(),
            operation_timeout: options.operation_timeout,
            permits: Arc::new(Semaphore::new(permits)),
            #[cfg(test)]
            model: None,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The database that holds the collections.
    pub fn database(&self) -> &Database {
        &self.inner.database
    }

    /// How long a call may take.
    pub fn operation_timeout(&self) -> Duration {
        self.inner.operation_timeout
    }

    /// Pings the server.
    pub async fn ping(&self) -> Result<(), StoreError> {
        #[cfg(test)]
        if let Some(model) = &self.inner.model {
            return model.ping();
        }
        let database = self.inner.database.clone();
        let answer = self.call(async move { database.run_command(doc! { "ping": 1 }).await });
        answer.await?.map(drop).map_err(|error| classify::of_call(&error))
    }

    /// Runs any other driver call, within the same bounds.
    ///
    /// # Errors
    ///
    /// The call fails, or is not answered within the time of the options.
    pub async fn run<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, mongodb::error::Error>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.call(call).await?.map_err(|error| classify::of_call(&error))
    }

    fn collection(&self, collection: LogCollection) -> mongodb::Collection<RawDocumentBuf> {
        // Journaled too: on a standalone server, a majority-acknowledged write may still be in
        // memory only.
        let durable = WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .w_timeout(self.inner.operation_timeout)
            .build();
        // Overrides the connection string's preferences: a duplicate is looked up where it was
        // found.
        let options = CollectionOptions::builder()
            .write_concern(durable)
            .read_concern(ReadConcern::local())
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .build();
        self.inner.database.collection_with_options(collection.as_str(), options)
    }

    /// Runs one driver call. Dropping a call's future midway is unsafe for the driver's
    /// connections, and the driver has no socket timeout. So the call runs in a separate task, and
    /// on a timeout only the wait is abandoned.
    async fn call<F>(&self, call: F) -> Result<F::Output, StoreError>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        self.call_within(self.inner.operation_timeout, call).await
    }

    async fn call_within<F>(&self, limit: Duration, call: F) -> Result<F::Output, StoreError>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let permits = Arc::clone(&self.inner.permits);
        let given_up = || StoreError::Timeout { after: limit };
        let attempt = async move {
            let permit = permits.acquire_owned().await.map_err(|_| StoreError::Stopped)?;
            let task = tokio::spawn(async move {
                let output = call.await;
                drop(permit);
                output
            });
            task.await.map_err(|error| {
                if error.is_panic() {
                    StoreError::Driver("the call panicked".into())
                } else {
                    StoreError::Stopped
                }
            })
        };
        tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| Err(given_up()))
    }
}

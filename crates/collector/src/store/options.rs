//! How to connect to the database.

use std::fmt;
use std::time::Duration;

use mongodb::options::ClientOptions;

use super::{Lookups, Retention, StoreError};

/// How to connect to the database. Options in the connection string take precedence.
#[derive(Clone)]
pub struct StoreOptions {
    /// A `mongodb://` or `mongodb+srv://` connection string. May hold a password.
    pub uri: String,
    /// The database's name.
    pub database: String,
    /// How long records are kept.
    pub retention: Retention,
    /// Which look-ups have an index.
    pub lookups: Lookups,
    /// Maximum connections to one server, and maximum concurrent calls; at least 1.
    pub pool_size: u32,
    /// How long to look for a server that can handle a call.
    pub server_selection_timeout: Duration,
    /// How long to wait for one call, including server selection.
    pub operation_timeout: Duration,
}

impl StoreOptions {
    /// The defaults. Server selection takes at most 5 s, so that the first failure of an outage is
    /// known soon; 30 s for a call leave room for an election and a slow disk; ten connections
    /// allow several concurrent inserts into every collection.
    pub fn new(uri: impl Into<String>, database: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            database: database.into(),
            retention: Retention::default(),
            lookups: Lookups::default(),
            pool_size: 10,
            server_selection_timeout: Duration::from_secs(5),
            operation_timeout: Duration::from_secs(30),
        }
    }

    pub(super) async fn client_options(&self) -> Result<ClientOptions, StoreError> {
        let mut options = ClientOptions::parse(&self.uri)
            .await
            .map_err(|error| StoreError::of_options(&error))?;
        options.app_name.get_or_insert_with(|| "gatelog-collector".to_owned());
        options.max_pool_size.get_or_insert(self.pool_size.max(1));
        options.server_selection_timeout.get_or_insert(self.server_selection_timeout);
        options.connect_timeout.get_or_insert(self.server_selection_timeout);
        Ok(options)
    }
}

impl fmt::Debug for StoreOptions {
    /// Omits the connection string: it may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("database", &self.database)
            .field("retention", &self.retention)
            .field("lookups", &self.lookups)
            .field("pool_size", &self.pool_size)
            .field("server_selection_timeout", &self.server_selection_timeout)
            .field("operation_timeout", &self.operation_timeout)
            .finish_non_exhaustive()
    }
}

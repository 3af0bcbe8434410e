//! What every contender stores into: an empty database on a separate server.

use std::time::Duration;

use anyhow::Result;
use gatelog_testkit::{Database, DatabaseServer};

use crate::cpu;
use crate::stored::{self, make_indexes};

/// A fresh database, on the `MONGODB_URI` server if that is set.
pub(super) struct Ground {
    pub(super) database: Database,
    server: Option<DatabaseServer>,
}

impl Ground {
    /// Pins the server to the core that neither the load nor the contender uses.
    pub(super) async fn bare() -> Result<Self> {
        let (server, database) = stored::server().await?;
        Ok(Self { database, server })
    }

    /// With the indexes that the collector creates.
    pub(super) async fn indexed() -> Result<Self> {
        let ground = Self::bare().await?;
        make_indexes(&ground.database).await?;
        Ok(ground)
    }

    /// Processor time of the server so far; unknown for an external server.
    pub(super) fn server_cpu(&mut self) -> Result<Option<Duration>> {
        self.server.as_mut().map(|server| cpu::used(server.process().id())).transpose()
    }
}

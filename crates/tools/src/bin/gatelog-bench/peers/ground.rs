//! What every contender stores into: a database with nothing in it, on a server of its own.

use std::time::Duration;

use anyhow::Result;
use gatelog_testkit::{Database, DatabaseServer};

use crate::cpu;
use crate::stored::{self, make_indexes};

/// A fresh database; `MONGODB_URI` set, on that server.
pub(super) struct Ground {
    pub(super) database: Database,
    server: Option<DatabaseServer>,
}

impl Ground {
    /// The server's core is the one that neither the load nor the contender runs on.
    pub(super) async fn bare() -> Result<Self> {
        let (server, database) = stored::server().await?;
        Ok(Self { database, server })
    }

    /// With the indexes that the collector makes.
    pub(super) async fn indexed() -> Result<Self> {
        let ground = Self::bare().await?;
        make_indexes(&ground.database).await?;
        Ok(ground)
    }

    /// Processor time of the server so far; of another's server nothing is known.
    pub(super) fn server_cpu(&mut self) -> Result<Option<Duration>> {
        self.server.as_mut().map(|server| cpu::used(server.process().id())).transpose()
    }
}

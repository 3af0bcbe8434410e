//! Reading the rollups page by page, and putting away those that the database has.

use std::sync::Arc;

use gatelog_record::Uuid;

use super::Spool;
use super::committer::Job;
use super::error::SpoolError;
use super::rollups::{self, RollupRow};

/// Some of the values, and the file that they are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupPage {
    /// To be passed back when they are put away.
    pub generation: u64,
    /// The file's id.
    pub file: Uuid,
    /// In order of period, family, dimension and part.
    pub rows: Vec<RollupRow>,
}

impl Spool {
    /// Reads rollups after one, in order, at most `most`.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub async fn rollups(
        &self,
        after: Option<RollupRow>,
        most: usize,
    ) -> Result<RollupPage, SpoolError> {
        let inner = Arc::clone(&self.inner);
        let read = tokio::task::spawn_blocking(move || {
            inner.with_reader(|reader| {
                let rows = rollups::after(reader.rows.db(), after.as_ref(), most)?;
                Ok(RollupPage { generation: reader.generation, file: reader.file, rows })
            })
        });
        read.await.map_err(|_| SpoolError::Closed)?
    }

    /// Deletes rollups that the database has, unless they have changed since they were read, or the
    /// file was replaced.
    ///
    /// # Errors
    ///
    /// The disk fails; the call may be retried.
    pub async fn put_away(&self, generation: u64, rows: Vec<RollupRow>) -> Result<(), SpoolError> {
        self.submit(|done| Job::PutAway(generation, rows, done)).await
    }
}

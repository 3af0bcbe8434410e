//! Inspects stored records.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mongodb::bson::{Bson, Document, doc};
use serde_json::Value;

use crate::{Database, eventually};

/// How long a record may take from the response to the database.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The collections that hold each record once, by level.
pub const BY_LEVEL: [&str; 5] =
    ["debug_logs", "info_logs", "warning_logs", "error_logs", "critical_logs"];

/// A document as plain JSON, dates and ids in MongoDB's relaxed form.
pub fn json(document: Document) -> Value {
    Bson::Document(document).into_relaxed_extjson()
}

/// Waits until `collection` holds exactly `count` documents, and returns them, oldest first.
pub async fn exactly(database: &Database, collection: &str, count: usize) -> Result<Vec<Value>> {
    eventually(&format!("{count} records in {collection}"), PATIENCE, async || {
        let found = database.find(collection, doc! {}).await?;
        ensure!(found.len() == count, "{} records: {found:#?}", found.len());
        Ok(found.into_iter().map(json).collect())
    })
    .await
}

/// Waits for the single record, at any level, whose field at `path` (`context.request_id`) is
/// `value`.
pub async fn one(database: &Database, path: &str, value: &str) -> Result<Value> {
    eventually(&format!("one record with {path} {value:?}"), PATIENCE, async || {
        let mut found = Vec::new();
        for collection in BY_LEVEL {
            found.extend(database.find(collection, doc! { path: value }).await?);
        }
        ensure!(found.len() <= 1, "{} records: {found:#?}", found.len());
        found.pop().map(json).context("none")
    })
    .await
}

/// The value at a JSON pointer; null if there is none.
pub fn at<'a>(record: &'a Value, pointer: &str) -> &'a Value {
    record.pointer(pointer).unwrap_or(&Value::Null)
}

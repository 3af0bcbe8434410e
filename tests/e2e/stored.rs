//! Looking at what was stored.

use std::time::Duration;

use anyhow::{Result, ensure};
use gatelog_tests::{Database, eventually};
use mongodb::bson::{Bson, Document, doc};
use serde_json::Value;

/// How long a record may take from the response to the database.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A document as plain JSON, dates and ids in MongoDB's relaxed form.
pub(crate) fn json(document: Document) -> Value {
    Bson::Document(document).into_relaxed_extjson()
}

/// Waits until `collection` holds exactly `count` documents, and gives them, oldest first.
pub(crate) async fn exactly(
    database: &Database,
    collection: &str,
    count: usize,
) -> Result<Vec<Value>> {
    eventually(&format!("{count} records in {collection}"), PATIENCE, async || {
        let found = database.find(collection, doc! {}).await?;
        ensure!(found.len() == count, "{} records: {found:#?}", found.len());
        Ok(found.into_iter().map(json).collect())
    })
    .await
}

/// The value at a JSON pointer, null when there is none.
pub(crate) fn at<'a>(record: &'a Value, pointer: &str) -> &'a Value {
    record.pointer(pointer).unwrap_or(&Value::Null)
}

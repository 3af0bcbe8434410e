//! A document as the record that was sent.

use gatelog_search::Found;
use mongodb::bson::{Bson, Document};
use serde_json::Value;

use super::Failure;

/// The record as JSON: with `id`, without what only MongoDB needs.
pub(super) fn json(found: &Found) -> Result<Value, Failure> {
    let mut document = Document::try_from(found.document.as_ref()).map_err(Failure::failed)?;
    for key in ["_id", "row", "created_at", "expires_at"] {
        document.remove(key);
    }
    let mut record = Document::new();
    record.insert("id", found.key.id.hyphenated().to_string());
    record.extend(document);
    Ok(Bson::Document(record).into_relaxed_extjson())
}

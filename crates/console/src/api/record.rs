//! `records`: one record, and how a document becomes a record again.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Response;
use gatelog_collector::store::{LogCollection, StoreError};
use gatelog_record::{Level, Uuid};
use gatelog_search::{Found, Query};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, RawDocument, RawDocumentBuf};
use serde_json::{Value, json};

use super::App;
use super::answer::{self, Refusal};
use super::caller::Caller;

/// Maximum time that the server looks for one record by its id.
const TIME: Duration = Duration::from_secs(2);

pub(super) async fn record(
    State(app): State<App>,
    Path((level, id)): Path<(String, String)>,
    caller: Caller,
) -> Result<Response<Body>, Refusal> {
    caller.params(&[])?;
    // One answer for what is not there, what may not be seen, and what cannot be: it says nothing.
    let unknown = || Refusal::not_found("there is no such record, or it has expired");
    let level: Level = level.to_ascii_uppercase().parse().map_err(|_| unknown())?;
    let id = Uuid::try_parse(&id).map_err(|_| unknown())?;
    let selection = caller.viewer.scope().select(Query::ALL);
    let mut filter = selection.filter(level).ok_or_else(unknown)?;
    filter.insert("_id", binary(id));
    let turn = app.turn().await?;
    let found = one(&app, LogCollection::of(level), filter).await?.ok_or_else(unknown)?;
    let record = of_document(&found).ok_or_else(Refusal::fault)?;
    Ok(answer::held(format!("{}\n", json!({"record": record})), turn))
}

/// A document of this collection that matches.
pub(super) async fn one(
    app: &App,
    collection: LogCollection,
    filter: Document,
) -> Result<Option<RawDocumentBuf>, StoreError> {
    let store = &app.inner.store;
    let target = store.database().collection::<RawDocumentBuf>(collection.as_str());
    store.run(async move { target.find_one(filter).max_time(TIME).await }).await
}

pub(super) fn binary(id: Uuid) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes: id.as_bytes().to_vec() })
}

/// What was found as JSON.
pub(super) fn json(found: &Found) -> Result<Value, Refusal> {
    of_document(&found.document).ok_or_else(Refusal::fault)
}

/// The record of a document: with `id`, without what only MongoDB needs.
pub(super) fn of_document(document: &RawDocument) -> Option<Value> {
    let mut document = Document::try_from(document).ok()?;
    let id = match document.remove("_id")? {
        Bson::Binary(id) => Uuid::from_slice(&id.bytes).ok()?,
        _ => return None,
    };
    for key in ["created_at", "expires_at"] {
        document.remove(key);
    }
    let mut record = Document::new();
    record.insert("id", id.hyphenated().to_string());
    record.extend(document);
    Some(Bson::Document(record).into_relaxed_extjson())
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{DateTime, doc};

    use super::*;

    #[test]
    fn a_document_is_the_record_that_was_sent_with_hostile_text_as_text() {
        let id = Uuid::from_u128(7);
        let text = "</script><img src=x onerror=alert(1)>\u{202e}\u{0}\"";
        let document = doc! {
            "_id": binary(id), "message": text, "created_at": DateTime::from_millis(0),
            "expires_at": DateTime::from_millis(0), "extra": { "count": 1_i64 << 40, "x": 0.5 },
        };
        let raw = RawDocumentBuf::try_from(&document).unwrap();
        let expected = json!({
            "id": id.to_string(), "message": text, "extra": {"count": 1_i64 << 40, "x": 0.5},
        });
        assert_eq!(of_document(&raw), Some(expected));
        let other = RawDocumentBuf::try_from(&doc! { "_id": "x" }).unwrap();
        assert_eq!(of_document(&other), None);
    }
}

//! `records`: one record.

use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Response;
use gatelog_collector::store::{LogCollection, StoreError};
use gatelog_record::{Level, Uuid};
use gatelog_search::{Query, record_of};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, RawDocumentBuf};
use serde_json::json;

use super::App;
use super::answer::{self, Refusal};
use super::caller::Caller;

/// Maximum time that the server looks for one record by its id.
const TIME: Duration = Duration::from_secs(2);
/// Maximum time to wait for its answer: a database that hangs keeps nobody longer.
const ANSWER_TIME: Duration = Duration::from_secs(4);

pub(super) async fn record(
    State(app): State<App>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response<Body>, Refusal> {
    caller.params(&[])?;
    // One answer for what is not there, what may not be seen, and what cannot be: it says nothing.
    let unknown = || Refusal::not_found("there is no such record, or it has expired");
    let Path((level, id)) = path.map_err(|_| unknown())?;
    let level: Level = level.to_ascii_uppercase().parse().map_err(|_| unknown())?;
    let id = Uuid::try_parse(&id).map_err(|_| unknown())?;
    let selection = caller.viewer.scope().select(Query::ALL);
    let mut filter = selection.filter(level).ok_or_else(unknown)?;
    filter.insert("_id", binary(id));
    let turn = app.turn(&caller.viewer).await?;
    let found = one(&app, LogCollection::of(level), filter).await?.ok_or_else(unknown)?;
    let record = record_of(&found).map_err(|_| Refusal::fault())?;
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
    let found = store.run(async move { target.find_one(filter).max_time(TIME).await });
    let found = tokio::time::timeout(ANSWER_TIME, found).await;
    found.map_err(|_| StoreError::Timeout { after: ANSWER_TIME })?
}

pub(super) fn binary(id: Uuid) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes: id.as_bytes().to_vec() })
}

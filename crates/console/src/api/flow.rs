//! `flows`: all records of a flow that the caller may see, in the order of their tree.

mod critical;

use std::collections::{BTreeSet, HashMap};

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Response;
use gatelog_collector::flow::{Entry, Flow, Tree, arrange, gather};
use gatelog_collector::store::{LogCollection, StoreError};
use gatelog_record::{Level, Timestamp, Uuid};
use gatelog_search::{Query, record_of};
use mongodb::bson::{RawDocumentBuf, doc};
use serde_json::{Value, json};

use super::App;
use super::answer::{self, Refusal};
use super::caller::Caller;
use super::record;
use crate::who::Viewer;

/// Maximum bytes of the records in an answer; further ones have only their id, by which they
/// can be asked for.
const RECORDS_BYTES: usize = 8 << 20;
/// Maximum bytes of a title.
const TITLE_BYTES: usize = 1_024;
/// Maximum correlation ids by which records of others are looked for.
const IDS: usize = 256;

pub(super) async fn flow(
    State(app): State<App>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response<Body>, Refusal> {
    caller.params(&[])?;
    // The same whether there is none, or none that the caller may see.
    let unknown = || Refusal::not_found("there is no such flow, or its records have expired");
    let Path(id) = id.map_err(|_| unknown())?;
    let scope = caller.viewer.scope().select(Query::ALL);
    let scope = scope.filter(Level::Info).ok_or_else(unknown)?;
    let turn = app.turn_of(&app.inner.flows, &caller.viewer).await?;
    let limit = app.inner.limits.query_time.saturating_mul(2);
    let flow = tokio::time::timeout(limit, gather(&app.inner.store, &id, &scope)).await;
    let flow = flow.map_err(|_| StoreError::Timeout { after: limit })??.ok_or_else(unknown)?;
    let hidden = hides(&app, &caller.viewer, &flow).await;
    let made = tokio::task::spawn_blocking(move || shown(flow, hidden)).await;
    Ok(answer::held(made.map_err(|_| Refusal::fault())?, turn))
}

/// Whether others have records in the same flow. Where that cannot be found out, they may have.
async fn hides(app: &App, viewer: &Viewer, flow: &Flow) -> bool {
    let Some(organizations) = viewer.organizations() else { return false };
    let ids = flow.entries.iter().filter_map(|entry| entry.correlation_id.as_deref());
    let ids: BTreeSet<&str> = ids.take(IDS).chain([flow.id.as_str()]).collect();
    let filter = doc! {
        "context.correlation_id": { "$in": ids.into_iter().collect::<Vec<_>>() },
        "context.organization_id": { "$nin": organizations },
    };
    let found: Result<_, StoreError> = record::one(app, LogCollection::Trace, filter).await;
    found.map_or(true, |found| found.is_some())
}

fn shown(flow: Flow, hidden: bool) -> String {
    let Flow { id, request, entries, documents, more, unsearched } = flow;
    let documents: HashMap<Option<Uuid>, RawDocumentBuf> =
        entries.iter().map(|entry| entry.id).zip(documents).collect();
    let tree = arrange(entries);
    let critical = critical::path(&tree);
    let reason = if more { Some("records") } else { unsearched.then_some("time") };
    let mut body = format!(
        "{{\"correlation_id\":{},\"request_id\":{},\"complete\":{},\"reason\":{},\"hidden\":{hidden},\
         \"records\":[",
        json!(id),
        json!(request),
        reason.is_none(),
        json!(reason),
    );
    let begin = body.len();
    for Row { position, parent, depth } in rows(&tree) {
        let Some(entry) = tree.entries.get(position) else { continue };
        if body.len() > begin {
            body.push(',');
        }
        let record = documents.get(&entry.id).filter(|_| body.len() < RECORDS_BYTES);
        let record = record.and_then(|document| record_of(document).ok());
        let parent = parent.and_then(|parent| tree.entries.get(parent));
        let row = json!({
            "id": name(entry),
            "parent": parent.map(name),
            "depth": depth,
            "level": entry.level.map_or("", Level::as_str),
            "timestamp": Timestamp::from_unix_micros(entry.at).to_string(),
            "start": Timestamp::from_unix_micros(entry.at).to_string(),
            "duration_us": critical::micros(entry),
            "source": entry.logger.as_deref().unwrap_or_default(),
            "kind": if entry.method.is_some() { "gateway" } else { "service" },
            "title": title(entry),
            "status": entry.status,
            "error": entry.failed,
            "slow": entry.slow,
            "critical": critical.get(position).copied().unwrap_or(false),
            "record": record.unwrap_or_else(|| json!({"id": name(entry)})),
        });
        body.push_str(&row.to_string());
    }
    body.push_str("]}\n");
    body
}

/// An entry in the order of the tree.
struct Row {
    position: usize,
    parent: Option<usize>,
    depth: usize,
}

/// All entries, each in front of its parts.
fn rows(tree: &Tree) -> Vec<Row> {
    let mut rows = Vec::new();
    let root = |position: &usize| Row { position: *position, parent: None, depth: 0 };
    let mut work: Vec<Row> = tree.roots.iter().rev().map(root).collect();
    while let Some(row) = work.pop() {
        let parts = tree.parts.get(row.position).map(Vec::as_slice).unwrap_or_default();
        let depth = row.depth.saturating_add(1);
        let part =
            |position: &usize| Row { position: *position, parent: Some(row.position), depth };
        work.extend(parts.iter().rev().map(part));
        rows.push(row);
    }
    rows
}

fn name(entry: &Entry) -> Value {
    json!(entry.id.map(|id| id.hyphenated().to_string()))
}

fn title(entry: &Entry) -> String {
    let mut title = match (&entry.method, &entry.path, &entry.message) {
        (Some(method), Some(path), _) => format!("{method} {path}"),
        (Some(method), None, _) => method.clone(),
        (None, _, Some(message)) => message.clone(),
        (None, _, None) => entry.function.clone().unwrap_or_default(),
    };
    title.truncate(title.floor_char_boundary(TITLE_BYTES));
    title
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Bson, Document};

    use super::*;

    fn entry(number: u128, at_ms: i64, took: Option<f64>, request: &str) -> Entry {
        Entry {
            id: Some(Uuid::from_u128(number)),
            at: at_ms * 1_000,
            took,
            level: Some(Level::Info),
            method: took.map(|_| "GET".into()),
            path: took.map(|_| format!("/{number}")),
            message: took.is_none().then(|| "said".into()),
            request_id: Some(request.into()),
            ..Entry::default()
        }
    }

    fn document(number: u128) -> RawDocumentBuf {
        let id: Bson = record::binary(Uuid::from_u128(number));
        let document: Document = doc! { "_id": id, "message": "<b>" };
        RawDocumentBuf::try_from(&document).unwrap()
    }

    #[test]
    fn records_come_in_the_order_of_the_tree_with_their_parents() {
        let flow = Flow {
            id: "c".into(),
            request: None,
            entries: vec![
                entry(3, 50, None, "r2"),
                entry(1, 0, Some(100.0), "r1"),
                entry(2, 40, Some(20.0), "r2"),
                entry(4, 90, None, "r1"),
            ],
            documents: [3, 1, 2, 4].into_iter().map(document).collect(),
            more: true,
            unsearched: false,
        };
        let shown: Value = serde_json::from_str(&shown(flow, true)).unwrap();
        assert_eq!(shown["complete"], false);
        assert_eq!((&shown["reason"], &shown["hidden"]), (&json!("records"), &json!(true)));
        let records = shown["records"].as_array().unwrap();
        let number =
            |value: &Value| value.as_str().map(|text| Uuid::parse_str(text).unwrap().as_u128());
        let rows: Vec<_> = records
            .iter()
            .map(|row| (number(&row["id"]).unwrap(), number(&row["parent"]), &row["depth"]))
            .map(|(id, parent, depth)| (id, parent, depth.as_u64().unwrap()))
            .collect();
        assert_eq!(rows, [(1, None, 0), (2, Some(1), 1), (3, Some(2), 2), (4, Some(1), 1)]);
        assert_eq!(records[0]["duration_us"], 100_000);
        assert_eq!(records[0]["title"], "GET /1");
        assert_eq!(
            (&records[2]["kind"], &records[2]["title"]),
            (&json!("service"), &json!("said"))
        );
        assert_eq!(records[3]["record"]["message"], "<b>");
        assert_eq!(records[3]["record"]["id"], records[3]["id"]);
        assert!(records[0]["critical"] == true && records[2]["critical"] == false);
    }
}

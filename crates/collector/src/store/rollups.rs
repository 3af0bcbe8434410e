//! The collection of rollups: `gatelog_rollups`.
//!
//! ```text
//! {_id: "<minute|hour|untimed>:<family>:<period>:<file>:<part>:<dimension>", start: Date,
//!  dimension: {…}, records, requests, errors, sum_us, max_us,
//!  histogram: {scale: 5, zero, buckets: […], counts: […]}, expires_at: Date}
//! {_id: "collector:<file>", at: Date, waiting, held: Date or null, counted_to: Date or null,
//!  stopped, expires_at: Date}
//! ```
//!
//! Values are absolute and only grow: an update takes effect only on a document with fewer records.
//! So updates may be repeated, and may arrive late or in any order.

use gatelog_record::Uuid;
use mongodb::bson::{Bson, DateTime, Document, doc};

use super::error::{Answer, StoreError};
use super::{Store, classify};
use crate::rollup::{Histogram, Period, Value};
use crate::spool::RollupRow;

/// The collection's name.
pub const ROLLUPS: &str = "gatelog_rollups";

/// Prefix of the ids of the collectors' own documents.
pub const COLLECTOR: &str = "collector:";

/// Prefix of the ids of marks: hours that are being counted again.
pub const RECOUNT: &str = "recount:";

/// `DuplicateKey`: the document has as many records or more.
const DUPLICATE: i32 = 11_000;

/// The beginning of the ids of a period's documents of one family.
pub(crate) fn prefix(period: Period, family: &str) -> String {
    format!("{}:{family}:{period}:", period.resolution())
}

/// The id of a value's document.
pub(crate) fn id(file: Uuid, row: &RollupRow) -> String {
    let prefix = prefix(row.period, row.dimension.family.as_str());
    format!("{prefix}{}:{}:{}", file.hyphenated(), row.part, row.dimension)
}

/// A value's document without its id; `now` in ms since 1970.
pub(crate) fn encode(row: &RollupRow, value: &Value, now: i64) -> Document {
    let mut dimension = Document::new();
    for (key, value) in row.dimension.pairs() {
        dimension.insert(key, value.map_or(Bson::Null, Bson::String));
    }
    let (buckets, counts): (Vec<_>, Vec<_>) = value
        .histogram
        .buckets
        .iter()
        .map(|(bucket, count)| (Bson::Int32((*bucket).into()), whole(*count)))
        .unzip();
    doc! {
        "start": row.period.start().map(DateTime::from_millis),
        "dimension": dimension,
        "records": whole(value.records),
        "requests": whole(value.requests),
        "errors": whole(value.errors),
        "sum_us": whole(value.sum_us),
        "max_us": whole(value.max_us),
        "histogram": {
            "scale": Histogram::SCALE,
            "zero": whole(value.histogram.zero),
            "buckets": buckets,
            "counts": counts,
        },
        "expires_at": DateTime::from_millis(row.period.expiry(now)),
    }
}

fn whole(value: u64) -> Bson {
    Bson::Int64(i64::try_from(value).unwrap_or(i64::MAX))
}

/// A value that takes the place of a smaller one.
pub(crate) fn replacing(id: &str, document: Document) -> Document {
    let records = document.get("records").cloned().unwrap_or(Bson::Null);
    doc! {
        "q": { "_id": id, "records": { "$lt": records } },
        "u": { "$set": document },
        "upsert": true,
    }
}

/// What a collector says of itself: how many records wait in its spool, from when on it still has
/// values of its own, up to when everything that it accepted is counted, and whether it has ended.
pub(crate) struct State {
    pub(crate) file: Uuid,
    pub(crate) waiting: u64,
    pub(crate) held: Option<i64>,
    pub(crate) counted_to: Option<i64>,
    pub(crate) stopped: bool,
    /// When the document expires.
    pub(crate) until: i64,
}

impl State {
    /// The update that says so.
    pub(crate) fn update(&self) -> Document {
        let set = doc! {
            "waiting": whole(self.waiting),
            "held": self.held.map(DateTime::from_millis),
            "counted_to": self.counted_to.map(DateTime::from_millis),
            "stopped": self.stopped,
            "expires_at": DateTime::from_millis(self.until),
        };
        doc! {
            "q": { "_id": format!("{COLLECTOR}{}", self.file.hyphenated()) },
            "u": { "$set": set, "$currentDate": { "at": true } },
            "upsert": true,
        }
    }
}

impl Store {
    /// Updates documents, each regardless of the others. Returns what was refused, by position.
    ///
    /// # Errors
    ///
    /// The call fails as a whole, or is not durable: repeat it.
    pub(crate) async fn update_rollups(
        &self,
        updates: Vec<Document>,
    ) -> Result<Vec<(usize, Answer)>, StoreError> {
        let database = self.database().clone();
        let command = doc! {
            "update": ROLLUPS,
            "updates": updates,
            "ordered": false,
            "writeConcern": { "w": "majority", "j": true },
        };
        let answer = self.run(async move { database.run_command(command).await }).await?;
        if let Ok(concern) = answer.get_document("writeConcernError") {
            return Err(StoreError::NotDurable(read(concern)));
        }
        let errors = answer.get_array("writeErrors").map(Vec::as_slice).unwrap_or_default();
        let mut refused = Vec::new();
        for error in errors.iter().filter_map(Bson::as_document) {
            let (told, index) = (read(error), error.get_i32("index").unwrap_or_default());
            match classify::of_document(told.code) {
                _ if told.code == DUPLICATE => {}
                classify::DocumentError::Other(classify::Cause::Server) => {
                    return Err(StoreError::of_answer(told));
                }
                _ => refused.push((usize::try_from(index).unwrap_or(usize::MAX), told)),
            }
        }
        Ok(refused)
    }

    /// Removes the mark of an hour that was being counted again.
    ///
    /// # Errors
    ///
    /// The call fails.
    pub(crate) async fn end_recount(&self, marker: &str) -> Result<(), StoreError> {
        let database = self.database().clone();
        let delete = doc! { "q": { "_id": marker }, "limit": 1 };
        let command = doc! { "delete": ROLLUPS, "deletes": [delete] };
        self.run(async move { database.run_command(command).await }).await.map(drop)
    }

    /// Creates the index that removes expired documents, and by which they are found by time: those of
    /// one resolution expire in the order of their periods. A second one finds the collectors' own.
    ///
    /// # Errors
    ///
    /// The call fails.
    pub(crate) async fn index_rollups(&self) -> Result<(), StoreError> {
        let database = self.database().clone();
        let expiry =
            doc! { "key": { "expires_at": 1 }, "name": "expires_at_1", "expireAfterSeconds": 0 };
        let own = doc! { "key": { "at": 1 }, "name": "at_1", "sparse": true };
        let command = doc! { "createIndexes": ROLLUPS, "indexes": [expiry, own] };
        self.run(async move { database.run_command(command).await }).await.map(drop)
    }
}

fn read(error: &Document) -> Answer {
    Answer {
        code: error.get_i32("code").unwrap_or_default(),
        name: error.get_str("codeName").unwrap_or_default().to_owned(),
        message: error.get_str("errmsg").unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::RawDocumentBuf;

    use super::super::counts::Count;
    use super::*;
    use crate::rollup::{Dimension, Family};

    #[test]
    fn a_document_has_its_dimension_by_name_and_expires_with_its_period() {
        let text = r#"["org_1","INFO","2xx"]"#;
        let period = Period::parse("2026-01-26T02:11").unwrap();
        let row = RollupRow {
            period,
            dimension: Dimension::parse(Family::Tenant, text).unwrap(),
            part: 3,
            packed: vec![],
        };
        let id = id(Uuid::nil(), &row);
        let start = "minute:tenant:2026-01-26T02:11:00000000-0000-0000-0000-000000000000:3:";
        assert_eq!(id, format!("{start}{text}"));
        assert!(id.starts_with(&prefix(period, "tenant")));
        let mut value = Value { records: 2, ..Value::default() };
        value.histogram.add(1_000, 5);
        let document = encode(&row, &value, 0);
        let dimension = doc! { "organization": "org_1", "level": "INFO", "class": "2xx" };
        assert_eq!(document.get_document("dimension").unwrap(), &dimension);
        let histogram = doc! { "scale": 5, "zero": 0_i64, "buckets": [318_i32], "counts": [5_i64] };
        assert_eq!(document.get_document("histogram").unwrap(), &histogram);
        let date = |key: &str| document.get_datetime(key).unwrap().timestamp_millis();
        assert_eq!(date("expires_at") - date("start"), 60_000 + 7 * 86_400_000);
        // What reads it finds the same.
        let mut stored = doc! { "_id": id };
        stored.extend(document);
        let stored = RawDocumentBuf::try_from(&stored).unwrap();
        let count = Count::read(&stored).unwrap();
        assert_eq!((count.period, count.value.clone()), (period, value));
        assert_eq!((count.text("class"), count.text("route")), (Some("2xx"), None));
    }
}

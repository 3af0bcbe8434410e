//! Reading stored records to count them again, and replacing the rollups of an hour.

use mongodb::bson::{Bson, DateTime, Document, RawBsonRef, RawDocument, RawDocumentBuf, doc};

use super::counts::{CollectorState, starting_with};
use super::rollups::{COLLECTOR, ROLLUPS, prefix};
use super::{LogCollection, Store, StoreError, classify};
use crate::rollup::{Facts, Family, Period};

/// Deletions in one call.
const AT_ONCE: usize = 500;

/// The keys of a record that are counted by.
const KEYS: [&str; 12] = [
    "timestamp",
    "level",
    "logger_name",
    "function_name",
    "message",
    "http.method",
    "http.status",
    "context.organization_id",
    "trace.execution_time_ms",
    "sampling.weight",
    "error.type",
    "error.details",
];

/// A document of `gatelog_rollups`: one part of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    pub(crate) id: String,
    pub(crate) records: i64,
}

impl Store {
    /// The states of all collectors that wrote rollups in the last 90 days.
    pub(crate) async fn collector_states(&self) -> Result<Vec<CollectorState>, StoreError> {
        let documents = self.rollup_documents(starting_with(COLLECTOR), doc! {}).await?;
        Ok(documents.iter().filter_map(|document| CollectorState::read(document)).collect())
    }

    /// The parts of an hour's values and of its minutes', in order of their ids.
    pub(crate) async fn rollup_parts(&self, hour: Period) -> Result<Vec<Part>, StoreError> {
        let mut parts = Vec::new();
        for family in Family::ALL.map(Family::as_str) {
            // The texts of an hour's minutes begin with the hour's.
            for start in [prefix(hour, family), format!("minute:{family}:{hour}:")] {
                let found = self.rollup_documents(starting_with(&start), doc! { "records": 1 });
                parts.extend(found.await?.iter().filter_map(|document| {
                    let records = document.get_i64("records").unwrap_or_default();
                    Some(Part { id: document.get_str("_id").ok()?.to_owned(), records })
                }));
            }
        }
        parts.sort_unstable();
        Ok(parts)
    }

    async fn rollup_documents(
        &self,
        filter: Document,
        keys: Document,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let collection = self.database().collection::<RawDocumentBuf>(ROLLUPS);
        self.run(async move {
            let mut cursor = collection.find(filter).projection(keys).await?;
            let mut documents = Vec::new();
            while cursor.advance().await? {
                documents.push(cursor.current().to_owned());
            }
            Ok(documents)
        })
        .await
    }

    /// Deletes parts that have not changed since they were read.
    pub(crate) async fn remove_parts(&self, parts: &[Part]) -> Result<(), StoreError> {
        for some in parts.chunks(AT_ONCE) {
            let delete = |part: &Part| {
                let (id, records) = (part.id.as_str(), part.records);
                doc! { "q": { "_id": id, "records": records }, "limit": 1 }
            };
            let command = doc! {
                "delete": ROLLUPS,
                "deletes": some.iter().map(delete).collect::<Vec<_>>(),
                "writeConcern": { "w": "majority", "j": true },
            };
            let database = self.database().clone();
            self.run(async move { database.run_command(command).await }).await?;
        }
        Ok(())
    }

    /// Reads the records of a level's collection that began in a span, in ms since 1970, in order of
    /// time. `longer_ms`: only those that took longer.
    pub(crate) async fn each_record(
        &self,
        collection: LogCollection,
        (from, to): (i64, i64),
        longer_ms: Option<f64>,
        mut see: impl FnMut(&Facts<'_>),
    ) -> Result<(), StoreError> {
        let date = DateTime::from_millis;
        let mut filter = doc! { "created_at": { "$gte": date(from), "$lt": date(to) } };
        if let Some(longer) = longer_ms {
            filter.insert("trace.execution_time_ms", doc! { "$gt": longer });
        }
        let keys: Document = KEYS.iter().map(|key| ((*key).to_owned(), Bson::Int32(1))).collect();
        let target = self.collection(collection);
        let search = target.find(filter).sort(doc! { "created_at": 1 });
        // As long as it takes: a command does this alone.
        let read = async {
            let mut cursor = search.projection(keys).await?;
            while cursor.advance().await? {
                if let Some(facts) = facts(cursor.current()) {
                    see(&facts);
                }
            }
            Ok(())
        };
        read.await.map_err(|error| classify::of_call(&error))
    }
}

/// What is looked at of a stored record.
fn facts(document: &RawDocument) -> Option<Facts<'_>> {
    let text = |key: &str| document.get_str(key).ok();
    let part = |part: &str, key: &str| {
        let part = document.get_document(part).ok()?;
        part.get(key).ok().flatten()
    };
    let text_of = |of: &str, key: &str| part(of, key).and_then(RawBsonRef::as_str);
    let number = |of: &str, key: &str| {
        let value = part(of, key)?;
        value.as_f64().or_else(|| value.as_i32().map(f64::from)).or_else(|| {
            #[expect(clippy::cast_precision_loss, reason = "a time or a weight, in any precision")]
            value.as_i64().map(|whole| whole as f64)
        })
    };
    let status = part("http", "status");
    let status =
        status.and_then(|status| status.as_i64().or_else(|| status.as_i32().map(i64::from)));
    Some(Facts {
        timestamp: gatelog_record::Timestamp::parse(text("timestamp")?).ok()?,
        level: text("level")?.parse().ok()?,
        logger: text("logger_name").unwrap_or_default(),
        function: text("function_name").unwrap_or_default(),
        message: text("message").unwrap_or_default(),
        method: text_of("http", "method"),
        status,
        organization: text_of("context", "organization_id"),
        took_ms: number("trace", "execution_time_ms"),
        weight: number("sampling", "weight"),
        error_type: text_of("error", "type"),
        error_details: text_of("error", "details"),
    })
}

#[cfg(test)]
mod tests {
    use gatelog_record::{DecodeLimits, Uuid, decode_record};
    use serde_json::json;

    use super::*;
    use crate::rollup::Observation;
    use crate::store::{Retention, documents};

    /// Otherwise counting again would give something else.
    #[test]
    fn a_stored_record_is_observed_like_the_line_that_it_came_from() {
        for more in [
            json!({}),
            json!({
                "http": {"method": "GET", "status": 200}, "sampling": {"weight": 3},
                "trace": {"execution_time_ms": 12.5}, "context": {"organization_id": "org_1"},
            }),
            json!({
                "level": "ERROR", "http": {"method": "X"}, "sampling": {"weight": 1.5},
                "error": {"details": "a{b}"}, "trace": {"execution_time_ms": 7},
            }),
            json!({"level": "CRITICAL", "error": {"type": "KeyError"}, "logger_name": "app"}),
        ] {
            let mut record = json!({
                "timestamp": "2026-01-26T02:11:57.469652+00:00", "level": "INFO", "message": "m 7",
                "function_name": "orders",
            });
            record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let line = record.to_string();
            let decoded =
                decode_record(line.as_bytes(), &DecodeLimits::default(), Uuid::nil()).unwrap();
            let stored = documents(&decoded, &Retention::default(), Some(7)).unwrap().remove(0).1;
            let received = 1_769_393_518_000;
            let observed = Observation::of(&facts(&stored).unwrap(), received);
            assert_eq!(observed, Observation::of(&Facts::of(&decoded), received), "{more}");
        }
    }
}

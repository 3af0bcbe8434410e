//! Inserts records: splits them by collection, and combines each record's fate from those of its
//! documents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatelog_record::Decoded;
use mongodb::bson::RawDocumentBuf;

use super::attempt::{Condition, Document, NotDone};
use super::document::{self, DocumentError};
use super::fate::{Fate, Refusal};
use super::halving::Halving;
use super::report::{InsertReport, Reception, report};
use crate::store::{LogCollection, Retention, Store, StoreError};
use crate::tombstone::{Pass, Tombstones};

impl Store {
    /// Inserts records, and reports what became of each. Each collection's documents go into one
    /// unordered insert, all collections concurrently; safe to repeat as often as needed.
    pub async fn insert(&self, records: &[Decoded]) -> InsertReport {
        self.insert_where_open(records, &[], &BTreeSet::new(), None, &Pass::free()).await.0
    }

    /// Like [`insert`](Self::insert), but the documents in the collections of levels get the marks of
    /// the rows that the records are from, one for each record or none at all; sends nothing of records
    /// that the pass's tombstones cover; and sends nothing to shut collections: their documents are
    /// blocked. Also reports how each of the other collections responded to its part. If a
    /// collection is known to accept documents, every single document is tried, however many are
    /// refused.
    pub(crate) async fn insert_where_open(
        &self,
        records: &[Decoded],
        marks: &[i64],
        shut: &BTreeSet<LogCollection>,
        known_open: Option<LogCollection>,
        pass: &Pass,
    ) -> (InsertReport, Vec<Reception>) {
        let (batches, mut fates) = split(records, marks, &self.inner.retention, pass.tombstones());
        let mut own = Vec::new();
        let mut tasks = Vec::with_capacity(batches.len());
        for (collection, documents) in batches {
            let documents: Arc<[Document]> = documents.into();
            if shut.contains(&collection) {
                let told = vec![Fate::Blocked(collection); documents.len()];
                gather(&mut fates, &mut own, &documents, told);
                continue;
            }
            let (store, shared) = (self.clone(), Arc::clone(&documents));
            let task = {
                let (patient, pass) = (known_open == Some(collection), pass.clone());
                tokio::spawn(
                    async move { store.insert_into(collection, &shared, patient, &pass).await },
                )
            };
            tasks.push((collection, documents, task));
        }
        let mut receptions = Vec::with_capacity(tasks.len());
        for (collection, documents, task) in tasks {
            // A task that panicked has reported nothing: all of its documents must be sent again.
            let (told, reception) =
                task.await.unwrap_or_else(|_| panicked(collection, documents.len()));
            gather(&mut fates, &mut own, &documents, told);
            receptions.push(reception);
        }
        own.sort_unstable();
        (InsertReport { own, ..report(fates, &receptions) }, receptions)
    }

    /// Inserts one collection's documents. If one of them may be what makes the whole call fail,
    /// halves them until it is alone.
    async fn insert_into(
        &self,
        collection: LogCollection,
        documents: &Arc<[Document]>,
        patient: bool,
        pass: &Pass,
    ) -> (Vec<Fate>, Reception) {
        let mut fates = vec![Fate::Unsure; documents.len()];
        let mut reception = Reception { collection, stored: false, taken: false, condition: None };
        let mut halving = Halving::new(documents.len());
        // The fate of whatever is not sent in the end.
        let mut left = Fate::Unsure;
        while let Some(part) = halving.next() {
            match self.attempt(collection, documents, part.clone(), pass).await {
                Ok(done) => {
                    halving.answered(done.suspected(), done.taken());
                    reception.stored |= done.stored();
                    reception.taken |= done.taken();
                    reception.condition = reception.condition.or(done.condition);
                    let slots = fates.iter_mut().skip(part.start);
                    slots.zip(done.fates).for_each(|(slot, fate)| *slot = fate);
                }
                Err(NotDone::Suspect(refusal, error)) => {
                    if halving.refused(part.clone())
                        && let Some(slot) = fates.get_mut(part.start)
                    {
                        *slot = Fate::Suspected(collection, refusal);
                    }
                    if halving.hopeless() && !patient {
                        reception.condition = Some(Condition::Collection(error));
                        left = Fate::Blocked(collection);
                        break;
                    }
                }
                Err(NotDone::Condition(condition)) => {
                    // The rest would most likely meet the same error, and slowly.
                    if matches!(condition, Condition::Collection(_)) {
                        left = Fate::Blocked(collection);
                    }
                    reception.condition = Some(condition);
                    for slot in fates.iter_mut().skip(part.start).take(part.len()) {
                        *slot = left.clone();
                    }
                    break;
                }
            }
        }
        while let Some(part) = halving.next() {
            for slot in fates.iter_mut().skip(part.start).take(part.len()) {
                *slot = left.clone();
            }
        }
        (fates, reception)
    }
}

/// Merges the fates of one collection's documents into the records' fates; `own` gets the records
/// whose document is marked and there because of its row.
fn gather(
    fates: &mut [Option<Fate>],
    own: &mut Vec<usize>,
    documents: &[Document],
    told: Vec<Fate>,
) {
    for (document, fate) in documents.iter().zip(told) {
        if document.mark.is_some() && fate.is_own() {
            own.push(document.owner);
        }
        if let Some(known) = fates.get_mut(document.owner) {
            *known = Some(match known.take() {
                Some(known) => known.and(fate),
                None => fate,
            });
        }
    }
}

fn panicked(collection: LogCollection, documents: usize) -> (Vec<Fate>, Reception) {
    let error = StoreError::Driver("an insert panicked".into());
    let condition = Some(Condition::Server(error));
    (
        vec![Fate::Unsure; documents],
        Reception { collection, stored: false, taken: false, condition },
    )
}

/// The documents for a record, one for each collection it goes to; `mark` names the row that inserts
/// them.
///
/// # Errors
///
/// One of them cannot be built, so none is stored.
pub fn documents(
    record: &Decoded,
    retention: &Retention,
    mark: Option<i64>,
) -> Result<Vec<(LogCollection, RawDocumentBuf)>, Refusal> {
    let made = LogCollection::of_record(record).map(|collection| {
        let expires_at = retention.expires_at(record, collection);
        let document = match collection {
            LogCollection::Trace => document::compact(record, expires_at),
            LogCollection::Audit => document::whole(record, expires_at, None),
            _ => document::whole(record, expires_at, mark),
        };
        document.map(|document| (collection, document)).map_err(|error| unmade(&error))
    });
    made.collect()
}

/// Every record's documents by collection; if a record is erased, or its documents cannot be built,
/// its fate is already known.
fn split(
    records: &[Decoded],
    marks: &[i64],
    retention: &Retention,
    tombstones: &Tombstones,
) -> (BTreeMap<LogCollection, Vec<Document>>, Vec<Option<Fate>>) {
    let mut batches: BTreeMap<LogCollection, Vec<Document>> = BTreeMap::new();
    let mut fates = Vec::with_capacity(records.len());
    for (owner, record) in records.iter().enumerate() {
        if tombstones.cover(record) {
            fates.push(Some(Fate::Erased));
            continue;
        }
        let mark = marks.get(owner).copied();
        fates.push(match documents(record, retention, mark) {
            Ok(documents) => {
                for (collection, bson) in documents {
                    let counted = collection == LogCollection::of(record.level);
                    let mark = mark.filter(|_| counted);
                    let document = Document { owner, id: record.id, bson, mark };
                    batches.entry(collection).or_default().push(document);
                }
                None
            }
            Err(refusal) => Some(Fate::Refused(refusal)),
        });
    }
    (batches, fates)
}

fn unmade(error: &DocumentError) -> Refusal {
    let kind = match error {
        DocumentError::NulInKey => "nul_in_key",
        DocumentError::TooLarge { .. } => "too_large",
    };
    Refusal { kind, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use gatelog_record::{DecodeLimits, Uuid, decode_record};

    use super::*;

    /// Regression: its records counted as stored, based on what the other collections reported.
    #[test]
    fn a_record_is_sent_again_when_one_of_its_inserts_panicked() {
        let line = br#"{"timestamp":"2026-01-26T02:11:57Z","level":"INFO","message":"m",
                        "context":{"correlation_id":"c"}}"#;
        let record = decode_record(line, &DecodeLimits::default(), Uuid::nil()).unwrap();
        let (batches, mut fates) =
            split(&[record], &[], &Retention::default(), &Tombstones::default());
        assert_eq!(batches.len(), 2);
        for (collection, documents) in batches {
            let told = match collection {
                LogCollection::Trace => panicked(collection, documents.len()).0,
                _ => vec![Fate::Stored; documents.len()],
            };
            gather(&mut fates, &mut Vec::new(), &documents, told);
        }
        assert_eq!(report(fates, &[]).retry, [0]);
    }

    #[test]
    fn a_record_past_mongodb_s_bound_is_refused_before_it_spoils_a_batch() {
        // An array of small numbers grows most from JSON to BSON: each element gets its index as a
        // key.
        let numbers = "1,".repeat(1_500_000);
        let line = format!(
            r#"{{"timestamp":"2026-01-26T02:11:57Z","level":"INFO","message":"m","a":[{numbers}1]}}"#
        );
        let limits = DecodeLimits { record_bytes: line.len(), values: usize::MAX, depth: 2 };
        let large = decode_record(line.as_bytes(), &limits, Uuid::nil()).unwrap();
        let small = Decoded { body: serde_json::Map::new(), ..large.clone() };
        let (batches, fates) =
            split(&[large, small], &[], &Retention::default(), &Tombstones::default());
        let Some(Fate::Refused(refusal)) = &fates[0] else { panic!("{fates:?}") };
        assert_eq!(refusal.kind, "too_large");
        assert!(refusal.reason.ends_with("limit is 16777216"), "{}", refusal.reason);
        assert_eq!((fates.len(), &fates[1]), (2, &None));
        let documents: Vec<_> = batches.values().flatten().map(|document| document.owner).collect();
        assert_eq!(documents, [1]);
    }
}

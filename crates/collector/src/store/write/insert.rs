//! Inserting records: split by collection, and each record's fate gathered from its documents'.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use gatelog_record::Decoded;
use mongodb::bson::RawDocumentBuf;

use super::attempt::{Document, Whole};
use super::document::{self, DocumentError};
use crate::store::{LogCollection, Retention, Store, StoreError};

/// What became of records, by their position in what was given. Every position stands in exactly
/// one list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InsertReport {
    /// All their documents are in the database, at least one of them since this call.
    pub stored: Vec<usize>,
    /// All their documents were there before.
    pub duplicate: Vec<usize>,
    /// The database will never take at least one of their documents.
    pub refused: Vec<(usize, Refusal)>,
    /// To be given again: whether they are stored is not known.
    pub retry: Vec<usize>,
    /// Why some are to be given again: the first cause met.
    pub failure: Option<StoreError>,
}

/// Why a document was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind that dead letters are filed by.
    pub kind: &'static str,
    /// The reason, in the server's own words where it gave any. They may quote the record.
    pub reason: String,
}

/// What became of one document. Of a record's documents, the later in this order decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Duplicate,
    Stored,
    Refused(Refusal),
    Retry,
}

impl Fate {
    const fn rank(&self) -> u8 {
        match self {
            Fate::Duplicate => 0,
            Fate::Stored => 1,
            Fate::Refused(_) => 2,
            Fate::Retry => 3,
        }
    }

    fn and(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }
}

impl Store {
    /// Inserts records, and tells what became of each. Every collection's documents go in one
    /// unordered insert, all collections at once; safe to repeat as often as needed.
    pub async fn insert(&self, records: &[Decoded]) -> InsertReport {
        let (batches, mut fates) = split(records, &self.inner.retention);
        let mut failure = None;
        let mut tasks = tokio::task::JoinSet::new();
        for (collection, documents) in batches {
            let store = self.clone();
            tasks.spawn(async move { store.insert_into(collection, documents.into()).await });
        }
        while let Some(joined) = tasks.join_next().await {
            let Ok((documents, told, cause)) = joined else { continue };
            failure = failure.or(cause);
            for (document, fate) in documents.iter().zip(told) {
                if let Some(known) = fates.get_mut(document.owner) {
                    *known = Some(known.take().map_or(fate.clone(), |known| known.and(fate)));
                }
            }
        }
        report(fates, failure)
    }

    /// Inserts one collection's documents. When one of them makes the whole call fail, halves
    /// them until it stands alone.
    async fn insert_into(
        &self,
        collection: LogCollection,
        documents: Arc<[Document]>,
    ) -> (Arc<[Document]>, Vec<Fate>, Option<StoreError>) {
        let mut fates = vec![Fate::Retry; documents.len()];
        let mut failure = None;
        let mut work: Vec<Range<usize>> = Vec::new();
        work.push(0..documents.len());
        while let Some(range) = work.pop() {
            match self.attempt(collection, &documents, range.clone()).await {
                Ok(outcome) => {
                    failure = failure.or(outcome.failure);
                    let slots = fates.iter_mut().skip(range.start);
                    slots.zip(outcome.fates).for_each(|(slot, fate)| *slot = fate);
                }
                Err(Whole::Poisoned(_)) if range.len() > 1 => {
                    let middle = range.start.midpoint(range.end);
                    work.extend([middle..range.end, range.start..middle]);
                }
                Err(Whole::Poisoned(refusal)) => {
                    if let Some(slot) = fates.get_mut(range.start) {
                        *slot = Fate::Refused(refusal);
                    }
                }
                Err(Whole::Failed(error)) => {
                    // What is left would most likely meet the same, and slowly.
                    failure = failure.or(Some(error));
                    break;
                }
            }
        }
        (documents, fates, failure)
    }
}

/// The documents that a record becomes, one for each collection it goes to.
///
/// # Errors
///
/// One of them cannot be made, so that none is stored.
pub fn documents(
    record: &Decoded,
    retention: &Retention,
) -> Result<Vec<(LogCollection, RawDocumentBuf)>, Refusal> {
    let made = LogCollection::of_record(record).map(|collection| {
        let expires_at = retention.expires_at(record, collection);
        let document = match collection {
            LogCollection::Trace => document::compact(record, expires_at),
            _ => document::whole(record, expires_at),
        };
        document.map(|document| (collection, document)).map_err(|error| unmade(&error))
    });
    made.collect()
}

/// Every record's documents by collection; the fate is known already where none can be made.
fn split(
    records: &[Decoded],
    retention: &Retention,
) -> (BTreeMap<LogCollection, Vec<Document>>, Vec<Option<Fate>>) {
    let mut batches: BTreeMap<LogCollection, Vec<Document>> = BTreeMap::new();
    let mut fates = Vec::with_capacity(records.len());
    for (owner, record) in records.iter().enumerate() {
        fates.push(match documents(record, retention) {
            Ok(documents) => {
                for (collection, bson) in documents {
                    let document = Document { owner, id: record.id, bson };
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

fn report(fates: Vec<Option<Fate>>, failure: Option<StoreError>) -> InsertReport {
    let mut report = InsertReport { failure, ..InsertReport::default() };
    for (position, fate) in fates.into_iter().enumerate() {
        match fate {
            Some(Fate::Stored) => report.stored.push(position),
            Some(Fate::Duplicate) => report.duplicate.push(position),
            Some(Fate::Refused(refusal)) => report.refused.push((position, refusal)),
            Some(Fate::Retry) | None => report.retry.push(position),
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use gatelog_record::{DecodeLimits, Uuid, decode_record};

    use super::*;

    #[test]
    fn of_a_record_s_documents_the_gravest_fate_decides() {
        let refused = || Fate::Refused(Refusal { kind: "validator", reason: String::new() });
        let ascending = [Fate::Duplicate, Fate::Stored, refused(), Fate::Retry];
        for (index, less) in ascending.iter().enumerate() {
            for more in ascending.iter().skip(index) {
                assert_eq!(&less.clone().and(more.clone()), more);
                assert_eq!(&more.clone().and(less.clone()), more);
            }
        }
    }

    #[test]
    fn every_record_stands_in_exactly_one_list() {
        let refusal = Refusal { kind: "validator", reason: String::new() };
        let fates = vec![
            Some(Fate::Retry),
            Some(Fate::Stored),
            Some(Fate::Refused(refusal.clone())),
            Some(Fate::Duplicate),
            None,
        ];
        let expected = InsertReport {
            stored: vec![1],
            duplicate: vec![3],
            refused: vec![(2, refusal)],
            retry: vec![0, 4],
            failure: None,
        };
        assert_eq!(report(fates, None), expected);
    }

    #[test]
    fn a_record_past_mongodb_s_bound_is_refused_before_it_spoils_a_batch() {
        // An array of small numbers grows most from JSON to BSON: each gets its index as a key.
        let numbers = "1,".repeat(1_500_000);
        let line = format!(
            r#"{{"timestamp":"2026-01-26T02:11:57Z","level":"INFO","message":"m","a":[{numbers}1]}}"#
        );
        let limits = DecodeLimits { record_bytes: line.len(), values: usize::MAX, depth: 2 };
        let large = decode_record(line.as_bytes(), &limits, Uuid::nil()).unwrap();
        let small = Decoded { body: serde_json::Map::new(), ..large.clone() };
        let (batches, fates) = split(&[large, small], &Retention::default());
        let Some(Fate::Refused(refusal)) = &fates[0] else { panic!("{fates:?}") };
        assert_eq!(refusal.kind, "too_large");
        assert!(refusal.reason.ends_with("limit is 16777216"), "{}", refusal.reason);
        assert_eq!((fates.len(), &fates[1]), (2, &None));
        let documents: Vec<_> = batches.values().flatten().map(|document| document.owner).collect();
        assert_eq!(documents, [1]);
    }
}

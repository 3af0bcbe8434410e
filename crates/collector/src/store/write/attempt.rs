//! One insert of one collection's documents, and what its answer says about each.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use mongodb::bson::{self, RawDocumentBuf, doc};
use mongodb::error::{Error, ErrorKind, IndexedWriteError};
use uuid::Uuid;

use super::insert::{Fate, Refusal};
use crate::store::classify::{self, Verdict};
use crate::store::error::{Answer, StoreError};
use crate::store::{LogCollection, Store};

/// Most bytes of the server's words in a refusal.
const REASON_BYTES: usize = 2048;

/// A document, and the position of the record it was made from.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) owner: usize,
    pub(super) id: Uuid,
    pub(super) bson: RawDocumentBuf,
}

/// Each document's fate, by its position in the attempt, and why some are to be tried again.
pub(super) struct Outcome {
    pub(super) fates: Vec<Fate>,
    pub(super) failure: Option<StoreError>,
}

/// An attempt that failed as a whole.
pub(super) enum Whole {
    /// One of the documents is the likely cause.
    Poisoned(Refusal),
    Failed(StoreError),
}

impl Store {
    pub(super) async fn attempt(
        &self,
        collection: LogCollection,
        documents: &Arc<[Document]>,
        range: Range<usize>,
    ) -> Result<Outcome, Whole> {
        let target = self.collection(collection);
        let (shared, part) = (Arc::clone(documents), range.clone());
        let answer = self
            .call(async move {
                let part = shared.get(part).unwrap_or_default();
                target.insert_many(part.iter().map(|document| &document.bson)).ordered(false).await
            })
            .await
            .map_err(Whole::Failed)?;
        let Err(error) = answer else {
            return Ok(Outcome { fates: vec![Fate::Stored; range.len()], failure: None });
        };
        let ErrorKind::InsertMany(failed) = error.kind.as_ref() else {
            return Err(whole(&error));
        };
        let mut outcome = match &failed.write_concern_error {
            None => Outcome { fates: vec![Fate::Stored; range.len()], failure: None },
            Some(concern) => Outcome {
                fates: vec![Fate::Retry; range.len()],
                failure: Some(classify::of_concern(concern)),
            },
        };
        let duplicates = outcome.settle(failed.write_errors.as_deref().unwrap_or_default());
        if !duplicates.is_empty() && outcome.failure.is_none() {
            let part = documents.get(range).unwrap_or_default();
            let ids = duplicates.iter().filter_map(|slot| part.get(*slot)).map(|found| found.id);
            let present = self.present(collection, ids.collect()).await;
            outcome.confirm(&duplicates, part, present);
        }
        Ok(outcome)
    }

    /// Which of these ids the collection holds.
    async fn present(
        &self,
        collection: LogCollection,
        ids: Vec<Uuid>,
    ) -> Result<HashSet<Uuid>, StoreError> {
        let target = self.collection(collection);
        let found = self.call(async move {
            let ids: Vec<_> =
                ids.into_iter().map(|id| bson::Uuid::from_bytes(id.into_bytes())).collect();
            let query = doc! { "_id": { "$in": ids } };
            let mut cursor = target.find(query).projection(doc! { "_id": 1 }).await?;
            let mut present = HashSet::new();
            while cursor.advance().await? {
                if let Ok(id) = cursor.current().get_binary("_id")
                    && let Ok(id) = Uuid::from_slice(id.bytes)
                {
                    present.insert(id);
                }
            }
            Ok(present)
        });
        found.await?.map_err(|error: Error| classify::of_call(&error))
    }
}

impl Outcome {
    /// Takes up the errors of single documents. Returns the positions that a unique index refused.
    fn settle(&mut self, errors: &[IndexedWriteError]) -> Vec<usize> {
        let mut duplicates = Vec::new();
        for error in errors {
            let Some(fate) = self.fates.get_mut(error.index) else { continue };
            match classify::of_document(error.code) {
                // With the write concern in doubt, what is there already is in doubt too.
                Verdict::Duplicate if *fate != Fate::Retry => duplicates.push(error.index),
                Verdict::Duplicate => {}
                Verdict::Refused(kind) => {
                    *fate = Fate::Refused(Refusal { kind, reason: reason(error) });
                }
                Verdict::Retry => {
                    *fate = Fate::Retry;
                    self.failure.get_or_insert_with(|| {
                        StoreError::Server(Answer {
                            code: error.code,
                            name: error.code_name.clone().unwrap_or_default(),
                            message: "documents were not taken".into(),
                        })
                    });
                }
            }
        }
        duplicates
    }

    /// A duplicate whose own id is in the collection was stored before. One whose id is not was
    /// refused by a unique index that an administrator set on another key.
    fn confirm(
        &mut self,
        duplicates: &[usize],
        documents: &[Document],
        present: Result<HashSet<Uuid>, StoreError>,
    ) {
        let (present, unsure) = match present {
            Ok(present) => (present, None),
            Err(error) => (HashSet::new(), Some(error)),
        };
        for slot in duplicates {
            let (Some(fate), Some(document)) = (self.fates.get_mut(*slot), documents.get(*slot))
            else {
                continue;
            };
            *fate = if unsure.is_some() {
                Fate::Retry
            } else if present.contains(&document.id) {
                Fate::Duplicate
            } else {
                Fate::Refused(Refusal {
                    kind: classify::UNIQUE_INDEX,
                    reason: "another document has the same key in a unique index".into(),
                })
            };
        }
        self.failure = self.failure.take().or(unsure);
    }
}

fn whole(error: &Error) -> Whole {
    match classify::poisoned(error) {
        Some(kind) => Whole::Poisoned(Refusal { kind, reason: shortened(error.kind.to_string()) }),
        None => Whole::Failed(classify::of_call(error)),
    }
}

/// The server's words, and a validator's account of which rule was broken.
fn reason(error: &IndexedWriteError) -> String {
    let details = error.details.as_ref().map(|details| format!(": {details}")).unwrap_or_default();
    shortened(format!("{} (code {}){details}", error.message, error.code))
}

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(REASON_BYTES));
    text
}

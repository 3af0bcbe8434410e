//! One insert of one collection's documents, and what the response says about each.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use mongodb::bson::{self, RawDocumentBuf, doc};
use mongodb::error::{Error, ErrorKind, IndexedWriteError};
use uuid::Uuid;

use super::document::ROW;
use super::fate::{Fate, Refusal};
use crate::store::classify::{self, Cause, DocumentError};
use crate::store::error::{Answer, StoreError};
use crate::store::{LogCollection, Store};
use crate::tombstone::Pass;

/// Maximum bytes of the server's message in a refusal.
const REASON_BYTES: usize = 2048;

/// A document, and the position of the record it was built from.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) owner: usize,
    pub(super) id: Uuid,
    pub(super) bson: RawDocumentBuf,
    /// Names the row that inserts it, if it is the document that its record is counted by.
    pub(super) mark: Option<i64>,
}

/// Why documents must wait, for a reason other than their content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The collection, or the rights on it: other collections are not affected.
    Collection(StoreError),
    /// The server, or the connection to it.
    Server(StoreError),
}

/// An insert that the server executed: each document's fate, by its position in the attempt.
pub(super) struct Done {
    pub(super) fates: Vec<Fate>,
    pub(super) condition: Option<Condition>,
}

/// An insert that failed as a whole.
pub(super) enum NotDone {
    /// One of its documents may be the cause.
    Suspect(Refusal, StoreError),
    /// None of its documents is the cause.
    Condition(Condition),
}

impl Store {
    pub(super) async fn attempt(
        &self,
        collection: LogCollection,
        documents: &Arc<[Document]>,
        range: Range<usize>,
        pass: &Pass,
    ) -> Result<Done, NotDone> {
        #[cfg(test)]
        if let Some(model) = &self.inner.model {
            return model.attempt(collection, documents.get(range).unwrap_or_default());
        }
        let target = self.collection(collection);
        let (shared, part) = (Arc::clone(documents), range.clone());
        // Kept by the call itself, which may outlive the wait for it.
        let pass = pass.clone();
        let answer = self
            .call(async move {
                let part = shared.get(part).unwrap_or_default();
                let documents = part.iter().map(|document| &document.bson);
                let answer = target.insert_many(documents).ordered(false).await;
                drop(pass);
                answer
            })
            .await
            .map_err(not_answered)?;
        let Err(error) = answer else {
            return Ok(Done { fates: vec![Fate::Stored; range.len()], condition: None });
        };
        let ErrorKind::InsertMany(failed) = error.kind.as_ref() else {
            return Err(not_done(&error));
        };
        let mut done = match &failed.write_concern_error {
            None => Done { fates: vec![Fate::Stored; range.len()], condition: None },
            Some(concern) => Done {
                fates: vec![Fate::Unsure; range.len()],
                condition: Some(Condition::Server(classify::of_concern(concern))),
            },
        };
        let errors = failed.write_errors.as_deref().unwrap_or_default();
        let duplicates = done.heed(collection, errors);
        if !duplicates.is_empty() {
            let part = documents.get(range).unwrap_or_default();
            let ids = duplicates.iter().filter_map(|slot| part.get(*slot)).map(|found| found.id);
            let present = self.present(collection, ids.collect()).await;
            done.confirm(&duplicates, part, present);
        }
        Ok(done)
    }

    /// Which of these ids the collection contains, each with the mark of the row that inserted it.
    async fn present(
        &self,
        collection: LogCollection,
        ids: Vec<Uuid>,
    ) -> Result<HashMap<Uuid, Option<i64>>, StoreError> {
        let target = self.collection(collection);
        let found = self.call(async move {
            let ids: Vec<_> =
                ids.into_iter().map(|id| bson::Uuid::from_bytes(id.into_bytes())).collect();
            let query = doc! { "_id": { "$in": ids } };
            let mut cursor = target.find(query).projection(doc! { "_id": 1, "row": 1 }).await?;
            let mut present = HashMap::new();
            while cursor.advance().await? {
                let found = cursor.current();
                if let Ok(id) = found.get_binary("_id")
                    && let Ok(id) = Uuid::from_slice(id.bytes)
                {
                    present.insert(id, found.get_i64(ROW).ok());
                }
            }
            Ok(present)
        });
        found.await?.map_err(|error: Error| classify::of_call(&error))
    }
}

impl Done {
    /// Evaluates the errors of single documents. Returns the positions that a unique index refused.
    fn heed(&mut self, collection: LogCollection, errors: &[IndexedWriteError]) -> Vec<usize> {
        let mut duplicates = Vec::new();
        for error in errors {
            let Some(fate) = self.fates.get(error.index) else { continue };
            match classify::of_document(error.code) {
                // If the write concern is in doubt, so are documents that are already there.
                DocumentError::Duplicate if *fate == Fate::Unsure => {}
                DocumentError::Duplicate => duplicates.push(error.index),
                DocumentError::Other(cause) => {
                    self.place(collection, error.index, cause, || (reason(error), answer(error)));
                }
            }
        }
        duplicates
    }

    /// Records what an error says about one document; `told` is the server's message, and the same
    /// as an error of its collection or of the server.
    pub(super) fn place(
        &mut self,
        collection: LogCollection,
        index: usize,
        cause: Cause,
        told: impl FnOnce() -> (String, StoreError),
    ) {
        let Some(fate) = self.fates.get_mut(index) else { return };
        let (reason, error) = told();
        *fate = match cause {
            Cause::Document(kind) => Fate::Refused(Refusal { kind, reason }),
            Cause::Unclear => {
                Fate::Suspected(collection, Refusal { kind: classify::SERVER_REFUSED, reason })
            }
            Cause::Collection => {
                self.condition.get_or_insert(Condition::Collection(error));
                Fate::Blocked(collection)
            }
            Cause::Server => {
                self.condition.get_or_insert(Condition::Server(error));
                Fate::Unsure
            }
        };
    }

    /// A duplicate whose own id is in the collection was stored before. One whose id is not was
    /// refused by a unique index that an administrator created on another key.
    fn confirm(
        &mut self,
        duplicates: &[usize],
        documents: &[Document],
        present: Result<HashMap<Uuid, Option<i64>>, StoreError>,
    ) {
        let (present, unsure) = match present {
            Ok(present) => (present, None),
            Err(error) => (HashMap::new(), Some(error)),
        };
        for slot in duplicates {
            let (Some(fate), Some(document)) = (self.fates.get_mut(*slot), documents.get(*slot))
            else {
                continue;
            };
            *fate = if unsure.is_some() {
                Fate::Unsure
            } else if let Some(mark) = present.get(&document.id) {
                Fate::Duplicate { own: document.mark.is_some() && document.mark == *mark }
            } else {
                Fate::Refused(Refusal {
                    kind: classify::UNIQUE_INDEX,
                    reason: "another document has the same key in a unique index".into(),
                })
            };
        }
        self.condition = self.condition.take().or(unsure.map(Condition::Server));
    }

    /// How many documents were refused individually for what may or may not be their own fault.
    pub(super) fn suspected(&self) -> usize {
        self.fates.iter().filter(|fate| matches!(fate, Fate::Suspected(..))).count()
    }

    /// Whether the collection accepted a document that was not there before.
    pub(super) fn stored(&self) -> bool {
        self.fates.contains(&Fate::Stored)
    }

    /// Whether the collection accepted a document, or already had one.
    pub(super) fn taken(&self) -> bool {
        self.fates.iter().any(|fate| matches!(fate, Fate::Stored | Fate::Duplicate { .. }))
    }
}

fn answer(error: &IndexedWriteError) -> StoreError {
    StoreError::of_answer(Answer {
        code: error.code,
        name: error.code_name.clone().unwrap_or_default(),
        message: "documents were not taken".into(),
    })
}

impl NotDone {
    pub(super) fn of(cause: Cause, reason: String, error: StoreError) -> Self {
        let kind = match cause {
            Cause::Document(kind) => kind,
            Cause::Unclear => classify::SERVER_REFUSED,
            Cause::Collection => return NotDone::Condition(Condition::Collection(error)),
            Cause::Server => return NotDone::Condition(Condition::Server(error)),
        };
        NotDone::Suspect(Refusal { kind, reason: shortened(reason) }, error)
    }
}

fn not_done(error: &Error) -> NotDone {
    NotDone::of(classify::of_whole(error), error.kind.to_string(), classify::of_call(error))
}

/// Handles a call without a response. If it panicked, it may have encountered a document that the
/// driver cannot write.
fn not_answered(error: StoreError) -> NotDone {
    let cause = match error {
        StoreError::Driver(_) => Cause::Unclear,
        _ => Cause::Server,
    };
    NotDone::of(cause, error.to_string(), error)
}

/// The server's message, with a validator's explanation of which rule was violated.
fn reason(error: &IndexedWriteError) -> String {
    let details = error.details.as_ref().map(|details| format!(": {details}")).unwrap_or_default();
    shortened(format!("{} (code {}){details}", error.message, error.code))
}

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(REASON_BYTES));
    text
}

//! One window of one collection, newest first, down to a place.

use std::time::Duration;

use gatelog_record::Timestamp;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use tokio::time::Instant;

use super::axis::{Axis, before, newest_first};
use super::plan::matching;
use super::{SearchError, Searcher};
use crate::key::Key;
use crate::limits::SLICE_BYTES;

/// What to read.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) collection: &'static str,
    pub(super) axis: Axis,
    pub(super) pin: Document,
    pub(super) conditions: Vec<Document>,
    /// The keys that are read; all if it is empty.
    pub(super) projection: Document,
}

/// Documents in order, newest first.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) documents: Vec<(Key, RawDocumentBuf)>,
    /// Nothing from here on is missing.
    pub(super) down_to: Key,
}

/// What one query found.
#[derive(Default)]
struct Part {
    documents: Vec<(Key, RawDocumentBuf)>,
    /// Whether a bound left out others.
    cut: bool,
}

/// How much may still be read.
#[derive(Clone, Copy)]
struct Left {
    most: usize,
    bytes: usize,
    deadline: Instant,
}

impl Left {
    fn after(self, documents: &[(Key, RawDocumentBuf)]) -> Self {
        let bytes = documents.iter().map(|(_, document)| document.as_bytes().len()).sum();
        Self {
            most: self.most.saturating_sub(documents.len()),
            bytes: self.bytes.saturating_sub(bytes),
            ..self
        }
    }
}

impl Searcher {
    /// The newest documents from `since` on and in front of `end`, at most `most`, at least one of
    /// those that there are.
    pub(super) async fn slice(
        &self,
        source: &Source,
        since: Timestamp,
        end: Key,
        most: usize,
        deadline: Instant,
    ) -> Result<Slice, SearchError> {
        let left = Left { most: most.max(1), bytes: SLICE_BYTES, deadline };
        let axis = source.axis;
        let top = axis.floor(end.at);
        let mut documents = Vec::new();
        // Another page ended within this instant.
        if end > Key::first(top) {
            let part = self.part(source, &axis.at(top), Some(end), newest_first(), left).await?;
            documents = part.documents;
            if part.cut {
                return Ok(Slice { down_to: lowest(&documents, top), documents });
            }
        }
        let window = axis.within(since, top);
        let rest = left.after(&documents);
        if rest.most == 0 || rest.bytes == 0 {
            return Ok(Slice { documents, down_to: Key::first(top) });
        }
        let mut part = self.part(source, &window, None, axis.order(), rest).await?;
        if !part.cut {
            documents.append(&mut part.documents);
            // Only the index's order until here.
            documents.sort_by_key(|(key, _)| std::cmp::Reverse(*key));
            return Ok(Slice { documents, down_to: Key::first(since) });
        }
        // Of the last instant some may be missing, and the index does not say which: again, in order.
        let last = lowest(&part.documents, since).at;
        let last = axis.floor(last);
        part.documents.retain(|(key, _)| key.at >= axis_end(axis, last));
        documents.append(&mut part.documents);
        documents.sort_by_key(|(key, _)| std::cmp::Reverse(*key));
        let rest = left.after(&documents);
        let rest = Left { most: rest.most.max(1), ..rest };
        let instant = self.part(source, &axis.at(last), None, newest_first(), rest).await?;
        let cut = instant.cut;
        let down_to = if cut { lowest(&instant.documents, last) } else { Key::first(last) };
        documents.extend(instant.documents);
        Ok(Slice { documents, down_to })
    }

    async fn part(
        &self,
        source: &Source,
        time: &Document,
        end: Option<Key>,
        order: Document,
        left: Left,
    ) -> Result<Part, SearchError> {
        let mut conditions = source.conditions.clone();
        conditions.extend(end.map(before));
        // One more, to detect whether there are more.
        let limit = i64::try_from(left.most.saturating_add(1)).unwrap_or(i64::MAX);
        let mut stages = matching([&source.pin, time], &conditions);
        stages.extend([doc! { "$sort": order }, doc! { "$limit": limit }]);
        if !source.projection.is_empty() {
            stages.push(doc! { "$project": &source.projection });
        }
        let target = self.database.collection::<RawDocumentBuf>(source.collection);
        let within = left.deadline.saturating_duration_since(Instant::now());
        // The server takes 0 as no bound.
        let within = within.max(Duration::from_millis(1));
        let call = async move {
            let found = target.aggregate(stages).max_time(within);
            let mut cursor = found.with_type::<RawDocumentBuf>().await?;
            let mut part = Part::default();
            let (mut read, mut bytes) = (0_usize, 0_usize);
            while cursor.advance().await? {
                if read >= left.most || bytes > left.bytes {
                    part.cut = true;
                    break;
                }
                let document = cursor.current();
                read = read.saturating_add(1);
                bytes = bytes.saturating_add(document.as_bytes().len());
                // Documents of others are passed over.
                if let Some(key) = Key::of(document) {
                    part.documents.push((key, document.to_owned()));
                }
            }
            Ok(part)
        };
        self.call(call).await
    }
}

/// The lowest place that was read; what is left out is lower. Without any, the lowest there is.
fn lowest(documents: &[(Key, RawDocumentBuf)], otherwise: Timestamp) -> Key {
    let lowest = documents.iter().map(|(key, _)| *key).min();
    lowest.unwrap_or(Key::first(otherwise))
}

/// The first instant behind one with the same value on an axis.
fn axis_end(axis: Axis, at: Timestamp) -> Timestamp {
    let step = match axis {
        Axis::Date => 1_000,
        Axis::Text => 1,
    };
    Timestamp::from_unix_micros(at.unix_micros().saturating_add(step))
}

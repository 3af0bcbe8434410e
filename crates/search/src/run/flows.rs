//! Records that an index of `trace_logs` finds: first the compact documents, then the full ones.

use std::collections::HashMap;
use std::time::Duration;

use gatelog_record::Level;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use tokio::time::Instant;

use super::axis::Axis;
use super::merge::Records;
use super::page::Wanted;
use super::plan::{OfFlows, matching};
use super::slice::Source;
use super::{FLOWS, Found, SearchError, Searcher, collection_of};
use crate::key::Key;
use crate::limits::{CANDIDATES, FLOW_RECORDS, SLICE_BYTES};
use crate::select::uuid;

impl OfFlows {
    fn source(&self) -> Source {
        let mut conditions = self.scope.clone();
        if self.levels.len() < Level::ALL.len() {
            let levels: Vec<_> = self.levels.iter().map(|(level, _)| level.as_str()).collect();
            conditions.push(doc! { "level": { "$in": levels } });
        }
        Source {
            collection: FLOWS,
            axis: Axis::Text,
            pin: self.pin.clone(),
            conditions,
            projection: doc! { "timestamp": 1, "level": 1 },
        }
    }

    /// Whether every document that the index finds is a match.
    fn all_match(&self) -> bool {
        let holds = |condition: &Document| self.scope.contains(condition) || *condition == self.pin;
        self.levels.iter().all(|(_, conditions)| conditions.iter().all(holds))
    }
}

impl Searcher {
    /// The newest records of a window, at most `most`.
    pub(super) async fn flows(
        &self,
        flows: &OfFlows,
        wanted: Wanted,
    ) -> Result<Records, SearchError> {
        let Wanted { since, end, most, deadline, .. } = wanted;
        let many = if flows.all_match() { most } else { most.max(CANDIDATES) };
        let found = self.slice(&flows.source(), since, end, many, deadline).await?;
        let mut records = Records { records: Vec::new(), down_to: found.down_to };
        let mut bytes = 0_usize;
        let mut rest = found.documents.chunks(FLOW_RECORDS).peekable();
        while let Some(compact) = rest.next() {
            let full = self.full(flows, compact, wanted).await?;
            bytes =
                full.iter().fold(bytes, |sum, it| sum.saturating_add(it.document.as_bytes().len()));
            records.records.extend(full);
            let enough = records.records.len() >= most || bytes > SLICE_BYTES;
            if let (true, Some(_), Some((key, _))) = (enough, rest.peek(), compact.last()) {
                records.down_to = *key;
                break;
            }
        }
        Ok(records)
    }

    /// The full records of these documents that match, in the same order.
    async fn full(
        &self,
        flows: &OfFlows,
        compact: &[(Key, RawDocumentBuf)],
        wanted: Wanted,
    ) -> Result<Vec<Found>, SearchError> {
        let mut full = HashMap::new();
        for (level, conditions) in &flows.levels {
            let of_level = compact.iter().filter(|(_, document)| {
                document.get_str("level").is_ok_and(|name| name == level.as_str())
            });
            let ids: Vec<Bson> = of_level.map(|(key, _)| uuid(key.id)).collect();
            if ids.is_empty() {
                continue;
            }
            let ids = doc! { "_id": { "$in": ids } };
            let mut stages = matching([&ids, &Document::new()], conditions);
            if !wanted.keys.is_empty() {
                stages.push(doc! { "$project": wanted.projection() });
            }
            let target = self.database.collection::<RawDocumentBuf>(collection_of(*level));
            let within = wanted.deadline.saturating_duration_since(Instant::now());
            let within = within.max(Duration::from_millis(1));
            let read = self.call(async move {
                let found = target.aggregate(stages).max_time(within);
                let mut cursor = found.with_type::<RawDocumentBuf>().await?;
                let mut read = Vec::new();
                while cursor.advance().await? {
                    read.push(cursor.current().to_owned());
                }
                Ok(read)
            });
            for document in read.await? {
                if let Some(key) = Key::of(&document) {
                    full.insert(key, Found { key, level: *level, document });
                }
            }
        }
        Ok(compact.iter().filter_map(|(key, _)| full.remove(key)).collect())
    }
}

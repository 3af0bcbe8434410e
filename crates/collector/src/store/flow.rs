//! Reading flows back from `trace_logs`.

use std::time::Duration;

use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::error::Error;

use super::{LogCollection, Store, StoreError, classify};

/// Maximum bytes of the documents of one search. A gateway's takes about 600 bytes; an application's
/// ids may be as long as its record.
const BYTES_MAX: usize = 64 << 20;

/// Documents of `trace_logs` in order of time: of a flow the earliest ones, of a search the newest.
#[derive(Debug, Default)]
pub struct Found {
    /// The documents.
    pub documents: Vec<RawDocumentBuf>,
    /// Whether a bound left out others.
    pub more: bool,
}

impl Store {
    /// The documents with one of these correlation ids that are `within` a filter, at most `most`.
    pub async fn flow(
        &self,
        correlation_ids: &[&str],
        within: &Document,
        most: usize,
    ) -> Result<Found, StoreError> {
        let mut filter = doc! { "context.correlation_id": one_of(correlation_ids) };
        filter.extend(within.clone());
        self.find(filter, doc! { "timestamp": 1 }, most, None).await
    }

    /// The documents with one of these request ids that are `within` a filter, at most `most`. The
    /// server searches for at most this `time`, in case that it has no index for it.
    pub async fn requests(
        &self,
        request_ids: &[&str],
        within: &Document,
        most: usize,
        time: Duration,
    ) -> Result<Found, StoreError> {
        let mut filter = doc! { "context.request_id": one_of(request_ids) };
        filter.extend(within.clone());
        self.find(filter, doc! { "timestamp": 1 }, most, Some(time)).await
    }

    /// The first documents in this order that match, at most `most`, within [`BYTES_MAX`]. The server
    /// searches for at most `within`.
    pub(super) async fn find(
        &self,
        filter: Document,
        order: Document,
        most: usize,
        within: Option<Duration>,
    ) -> Result<Found, StoreError> {
        let target = self.collection(LogCollection::Trace);
        // One more, to detect whether there are more.
        let limit = i64::try_from(most.saturating_add(1)).unwrap_or(i64::MAX);
        // Whoever gives up waiting leaves no search behind on the server.
        let within = within.unwrap_or(self.inner.operation_timeout);
        let found = self.call(async move {
            let search = target.find(filter).sort(order).limit(limit);
            let mut cursor = search.max_time(within).await?;
            let mut found = Found::default();
            let mut bytes = 0_usize;
            while cursor.advance().await? {
                let document = cursor.current();
                bytes = bytes.saturating_add(document.as_bytes().len());
                if found.documents.len() >= most || bytes > BYTES_MAX {
                    found.more = true;
                    break;
                }
                found.documents.push(document.to_owned());
            }
            Ok::<_, Error>(found)
        });
        found.await?.map_err(|error| classify::of_call(&error))
    }
}

/// For a single id the plain form, which every implementation's planner understands.
fn one_of(ids: &[&str]) -> mongodb::bson::Bson {
    match ids {
        [id] => (*id).into(),
        ids => doc! { "$in": ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>() }.into(),
    }
}

//! Reading one flow back.

use mongodb::bson::{RawDocumentBuf, doc};
use mongodb::error::Error;

use super::{LogCollection, Store, StoreError, classify};

impl Store {
    /// The earliest documents of a flow in `trace_logs`, ordered by time, at most `most`.
    pub async fn flow(
        &self,
        correlation_id: &str,
        most: usize,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let target = self.collection(LogCollection::Trace);
        let filter = doc! { "context.correlation_id": correlation_id };
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let found = self.call(async move {
            let sorted = target.find(filter).sort(doc! { "timestamp": 1 }).limit(limit);
            let mut cursor = sorted.await?;
            let mut documents = Vec::new();
            while cursor.advance().await? {
                documents.push(cursor.current().to_owned());
            }
            Ok::<_, Error>(documents)
        });
        found.await?.map_err(|error| classify::of_call(&error))
    }
}

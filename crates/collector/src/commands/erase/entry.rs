//! What the audit trail has of an erasure.

use gatelog_record::{DecodeLimits, Uuid, decode_record};
use serde_json::{Value, json};

use crate::clock::now;
use crate::commands::Failure;
use crate::store::erase::Matching;
use crate::store::{Store, StoreError};
use crate::tombstone::Hash;

/// An entry of the audit trail. It never holds the value.
pub(super) struct Entry<'a> {
    pub(super) which: &'a Matching,
    pub(super) hash: Hash,
    /// Who erases, as they say.
    pub(super) by: &'a str,
    /// The database's user.
    pub(super) by_user: Option<String>,
}

impl Entry<'_> {
    /// Writes it to the audit trail.
    pub(super) async fn write(
        &self,
        store: &Store,
        event: &str,
        result: &Value,
    ) -> Result<(), Failure> {
        let Matching { field, until, .. } = self.which;
        let extra = json!({
            "event": event,
            "field": field.as_str(),
            "hash": self.hash.to_string(),
            "until": until.to_string(),
            "by": self.by,
            "database_user": self.by_user,
            "result": result,
        });
        let line = json!({
            "timestamp": now().to_string(),
            "level": "INFO",
            "logger_name": "gatelog_collector.erase",
            "function_name": "erase",
            "message": match event {
                "erased" => format!("the records of one {} were erased", field.as_str()),
                _ => format!("the records of one {} are being erased", field.as_str()),
            },
            "audit": true,
            "extra": extra,
        });
        let line = line.to_string();
        let record = decode_record(line.as_bytes(), &DecodeLimits::default(), Uuid::now_v7());
        let record = record.map_err(|error| Failure::failed(format!("audit entry: {error}")))?;
        let report = store.insert(&[record]).await;
        if report.stored.is_empty() {
            let error =
                report.failure.map_or("refused".to_owned(), |error: StoreError| error.to_string());
            return Err(Failure::failed(format!(
                "the audit trail does not take the entry \"{event}\": {error}; run it again"
            )));
        }
        Ok(())
    }
}

//! A document as the record that was sent.

use std::fmt;

use gatelog_record::Uuid;
use mongodb::bson::{Bson, Document, RawDocument};
use serde_json::{Value, json};

use crate::run::Found;

/// The keys of a document that only MongoDB and the collector need.
const OWN_KEYS: [&str; 3] = ["row", "created_at", "expires_at"];

/// A document that is not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRecord;

impl fmt::Display for NoRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document is not one of gatelog's: it is damaged, or its _id is no UUID")
    }
}

impl std::error::Error for NoRecord {}

/// The record of a document, as docs/record.md has it: with `id`, without what only MongoDB and the
/// collector need.
///
/// # Errors
///
/// It is damaged, or another program's.
pub fn record_of(document: &RawDocument) -> Result<Value, NoRecord> {
    let mut document = Document::try_from(document).map_err(|_| NoRecord)?;
    let Some(Bson::Binary(id)) = document.remove("_id") else { return Err(NoRecord) };
    let id = Uuid::from_slice(&id.bytes).map_err(|_| NoRecord)?;
    for key in OWN_KEYS {
        document.remove(key);
    }
    let mut record = Document::new();
    record.insert("id", id.hyphenated().to_string());
    record.extend(document);
    Ok(Bson::Document(record).into_relaxed_extjson())
}

impl Found {
    /// The record. Of a document that is damaged only its place and level are left, and `unreadable`:
    /// it keeps no other from being shown, and is not passed over.
    pub fn record(&self) -> Value {
        record_of(&self.document).unwrap_or_else(|_| {
            json!({"id": self.key.id.hyphenated().to_string(), "timestamp": self.key.at.to_string(),
                "level": self.level.as_str(), "unreadable": true})
        })
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::{Level, Timestamp};
    use mongodb::bson::{Binary, DateTime, RawDocumentBuf, doc, spec::BinarySubtype};

    use super::*;
    use crate::Key;

    #[test]
    fn a_document_is_the_record_that_was_sent_with_hostile_text_as_text() {
        let id = Uuid::from_u128(7);
        let text = "</script><img src=x onerror=alert(1)>\u{202e}\u{0}\"";
        let bytes = id.as_bytes().to_vec();
        let document = doc! {
            "_id": Binary { subtype: BinarySubtype::Uuid, bytes }, "message": text,
            "row": 7_i64, "created_at": DateTime::from_millis(0),
            "expires_at": DateTime::from_millis(0), "extra": { "count": 1_i64 << 40, "x": 0.5 },
        };
        let raw = RawDocumentBuf::try_from(&document).unwrap();
        let expected = json!({
            "id": id.to_string(), "message": text, "extra": {"count": 1_i64 << 40, "x": 0.5},
        });
        assert_eq!(record_of(&raw), Ok(expected));
        let other = RawDocumentBuf::try_from(&doc! { "_id": "x" }).unwrap();
        assert_eq!(record_of(&other), Err(NoRecord));
    }

    #[test]
    fn of_a_damaged_document_its_place_is_left() {
        let mut bytes = RawDocumentBuf::try_from(&doc! { "message": "abc" }).unwrap().into_bytes();
        let at = bytes.windows(3).position(|part| part == b"abc").unwrap();
        bytes[at] = 0xff;
        let key = Key { at: Timestamp::from_unix_micros(0), id: Uuid::from_u128(7) };
        let document = RawDocumentBuf::from_bytes(bytes).unwrap();
        let record = Found { key, level: Level::Error, document }.record();
        assert_eq!((&record["unreadable"], &record["level"]), (&json!(true), &json!("ERROR")));
        assert_eq!(record["id"], key.id.to_string());
    }
}

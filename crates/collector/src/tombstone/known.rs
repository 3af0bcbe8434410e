//! The tombstones that a collector knows, and whether they cover a record.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use gatelog_record::{Decoded, Timestamp};

use super::{Field, Hash, Key};

/// Maximum number of tombstones: at it, `erase` refuses.
pub const MAX_TOMBSTONES: usize = 10_000;

/// Values whose answer is remembered. At the bound all are forgotten.
const REMEMBERED: usize = 4_096;

/// A longer value is hashed each time.
const REMEMBERED_BYTES: usize = 256;

/// Values that were looked up, and up to when they are erased.
type Remembered = HashMap<(Field, Box<str>), Option<Timestamp>>;

/// Records with this value, up to this time, are erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// The field that has the value.
    pub field: Field,
    /// The value's hash.
    pub hash: Hash,
    /// The latest timestamp that is covered.
    pub until: Timestamp,
}

/// All tombstones of a database.
#[derive(Debug, Default)]
pub struct Tombstones {
    key: Option<Key>,
    until: HashMap<(Field, Hash), Timestamp>,
    /// The fields that any tombstone names: values of others need no hash.
    fields: HashSet<Field>,
    remembered: Mutex<Remembered>,
}

impl Tombstones {
    /// These, made by this key.
    pub fn new(key: Key, tombstones: impl IntoIterator<Item = Tombstone>) -> Self {
        let mut made = Self { key: Some(key), ..Self::default() };
        for Tombstone { field, hash, until } in tombstones {
            let latest = made.until.entry((field, hash)).or_insert(until);
            *latest = until.max(*latest);
            made.fields.insert(field);
        }
        made
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.until.len()
    }

    /// Whether there are none: then nothing is hashed.
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    /// Whether a tombstone covers the record.
    pub fn cover(&self, record: &Decoded) -> bool {
        !self.is_empty()
            && Field::ALL.into_iter().any(|field| {
                let until = field.of(record).and_then(|value| self.until(field, value));
                until.is_some_and(|until| record.timestamp <= until)
            })
    }

    /// Up to when records with this value are erased.
    pub fn until(&self, field: Field, value: &str) -> Option<Timestamp> {
        let key = self.key.as_ref().filter(|_| self.fields.contains(&field))?;
        if value.len() > REMEMBERED_BYTES {
            return self.until.get(&(field, key.hash(field, value))).copied();
        }
        let name = (field, value.into());
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = remembered.get(&name) {
            return *known;
        }
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        let found = self.until.get(&(field, key.hash(field, value))).copied();
        remembered.insert(name, found);
        found
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::{DecodeLimits, Uuid, decode_record};
    use serde_json::{Value, json};

    use super::*;

    fn key() -> Key {
        Key::of(&[7; 32]).unwrap()
    }

    fn time(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn covering(field: Field, value: &str) -> Tombstones {
        let (hash, until) = (key().hash(field, value), time("2026-01-26T02:00:00Z"));
        Tombstones::new(key(), [Tombstone { field, hash, until }])
    }

    fn record(context: &Value, timestamp: &str) -> Decoded {
        let line = json!({
            "timestamp": timestamp, "level": "INFO", "message": "user_7", "context": context,
            "extra": {"user_id": "user_7"},
        });
        decode_record(line.to_string().as_bytes(), &DecodeLimits::default(), Uuid::nil()).unwrap()
    }

    #[test]
    fn a_record_is_covered_by_its_value_up_to_the_time_and_including_it() {
        let known = covering(Field::User, "user_7");
        let seven = json!({"user_id": "user_7"});
        for (timestamp, covered) in [
            ("2026-01-26T01:59:59.999999Z", true),
            ("2026-01-26T02:00:00Z", true),
            ("2026-01-26T03:00:00+01:00", true),
            ("2026-01-26T02:00:00.000001Z", false),
        ] {
            assert_eq!(known.cover(&record(&seven, timestamp)), covered, "{timestamp}");
        }
        for other in [
            json!({}),
            json!({"user_id": "user_8"}),
            json!({"user_id": "USER_7"}),
            json!({"user_id": "user_7 "}),
            json!({"organization_id": "user_7"}),
        ] {
            assert!(!known.cover(&record(&other, "2026-01-26T01:00:00Z")), "{other}");
        }
    }

    #[test]
    fn a_value_is_matched_as_it_is_stored() {
        let long = "ü".repeat(400);
        for (stored, sent) in [
            ("17", json!(17)),
            ("Zoë\u{0}\n", json!("Zoë\u{0}\n")),
            ("𝕏\u{202e}$gt", json!("𝕏\u{202e}$gt")),
            (long.as_str(), json!(long)),
        ] {
            let known = covering(Field::Organization, stored);
            let sent = record(&json!({"organization_id": sent}), "2026-01-26T01:00:00Z");
            assert_eq!(Field::Organization.of(&sent), Some(stored));
            assert!(known.cover(&sent), "{stored}");
            // From memory as well.
            assert!(known.cover(&sent), "{stored}");
        }
    }

    #[test]
    fn of_two_tombstones_of_a_value_the_later_time_counts() {
        let (field, hash) = (Field::User, key().hash(Field::User, "a"));
        let times = ["2026-01-26T02:00:00Z", "2026-01-26T04:00:00Z", "2026-01-26T03:00:00Z"];
        let all = times.map(|until| Tombstone { field, hash, until: time(until) });
        let known = Tombstones::new(key(), all);
        assert_eq!((known.len(), known.until(field, "a")), (1, Some(time(times[1]))));
    }

    #[test]
    fn what_is_remembered_has_a_bound_and_changes_no_answer() {
        let known = covering(Field::User, "user_7");
        for number in 0..=REMEMBERED * 2 {
            let value = format!("user_{number}");
            assert_eq!(known.until(Field::User, &value).is_some(), number == 7);
            assert!(known.remembered.lock().unwrap().len() <= REMEMBERED);
        }
        assert!(known.until(Field::User, "user_7").is_some());
    }

    #[test]
    fn without_a_tombstone_of_the_field_nothing_is_hashed() {
        let known = covering(Field::User, "user_7");
        let other = json!({"organization_id": "org", "conversation_id": "c"});
        assert!(!known.cover(&record(&other, "2026-01-26T01:00:00Z")));
        assert!(known.remembered.lock().unwrap().is_empty());
        let none = Tombstones::default();
        assert!(!none.cover(&record(&json!({"user_id": "user_7"}), "2026-01-26T01:00:00Z")));
        assert!(none.remembered.lock().unwrap().is_empty());
    }
}

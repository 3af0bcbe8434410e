//! An existing index, as the server lists it. Parsed from the raw listing: an option unknown to a
//! typed reader must not hide the other indexes.

use mongodb::bson::{Bson, Document};

/// Options that do not affect an index's content or behavior.
const NEUTRAL: [&str; 5] = ["v", "ns", "background", "key", "name"];

/// An existing index.
#[expect(clippy::struct_excessive_bools, reason = "each is an option as the server lists it")]
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) keys: Document,
    pub(super) expiry: Expiry,
    pub(super) filter: Option<Document>,
    pub(super) sparse: bool,
    pub(super) hidden: bool,
    pub(super) unique: bool,
    /// `None` for plain byte comparison.
    pub(super) collation: Option<Document>,
    /// Whether it has options other than these.
    pub(super) other: bool,
}

/// When documents expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Expiry {
    #[default]
    Never,
    /// This many seconds after the date.
    After(u32),
    /// A period that is not a whole number of seconds in range: some server versions treat NaN as
    /// 0, others as never.
    Unreadable,
}

impl Found {
    /// Reads an entry of the `listIndexes` response.
    pub(super) fn read(listed: &Document) -> Self {
        let mut found = Self::default();
        for (option, value) in listed {
            match (option.as_str(), value) {
                ("name", Bson::String(name)) => found.name.clone_from(name),
                ("key", Bson::Document(keys)) => found.keys.clone_from(keys),
                ("expireAfterSeconds", value) => found.expiry = expiry(value),
                ("partialFilterExpression", Bson::Document(filter)) => {
                    found.filter = Some(filter.clone());
                }
                ("sparse", value) => found.sparse = truthy(value),
                ("hidden", value) => found.hidden = truthy(value),
                ("unique" | "prepareUnique", value) => found.unique |= truthy(value),
                ("collation", Bson::Document(collation)) => {
                    found.collation = Some(collation.clone()).filter(|c| !is_simple(c));
                }
                (option, _) => found.other |= !NEUTRAL.contains(&option),
            }
        }
        found
    }

    /// Whether it has these keys in these directions.
    pub(super) fn has_keys(&self, keys: &Document) -> bool {
        keys_equal(&self.keys, keys)
    }
}

fn is_simple(collation: &Document) -> bool {
    collation.get_str("locale").is_ok_and(|locale| locale == "simple")
}

fn truthy(value: &Bson) -> bool {
    match value {
        Bson::Boolean(value) => *value,
        value => number(value).is_some_and(|value| value != 0.0),
    }
}

fn expiry(value: &Bson) -> Expiry {
    let seconds = number(value).filter(|value| value.fract() == 0.0);
    match seconds {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and in range"
        )]
        Some(seconds) if (0.0..=f64::from(i32::MAX)).contains(&seconds) => {
            Expiry::After(seconds as u32)
        }
        _ => Expiry::Unreadable,
    }
}

/// Whether keys and directions are equal, whatever numeric type a direction was written as.
fn keys_equal(one: &Document, other: &Document) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|((a, x), (b, y))| {
            a == b && (x == y || number(x).is_some_and(|x| Some(x) == number(y)))
        })
}

fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Int32(value) => Some(f64::from(*value)),
        #[expect(clippy::cast_precision_loss, reason = "directions and periods are small")]
        Bson::Int64(value) => Some(*value as f64),
        Bson::Double(value) => Some(*value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    #[test]
    fn keys_compare_by_direction_whatever_its_type() {
        let keys = |direction: Bson| doc! { "a": 1, "b": direction };
        assert!(keys_equal(&keys(Bson::Int64(-1)), &keys(Bson::Double(-1.0))));
        assert!(!keys_equal(&keys(Bson::Int32(1)), &keys(Bson::Int32(-1))));
        assert!(!keys_equal(&keys(Bson::String("text".into())), &keys(Bson::Int32(1))));
        assert!(!keys_equal(&doc! { "b": 1, "a": 1 }, &keys(Bson::Int32(1))));
    }

    #[test]
    fn an_option_of_any_type_is_read_without_losing_the_index() {
        for (seconds, expiry) in [
            (Bson::Int32(60), Expiry::After(60)),
            (Bson::Int64(60), Expiry::After(60)),
            (Bson::Double(60.0), Expiry::After(60)),
            (Bson::Double(f64::NAN), Expiry::Unreadable),
            (Bson::Double(0.5), Expiry::Unreadable),
            (Bson::Int32(-1), Expiry::Unreadable),
            (Bson::String("1d".into()), Expiry::Unreadable),
        ] {
            let listed = doc! { "v": 2, "key": { "a": 1 }, "name": "a_1",
            "expireAfterSeconds": seconds };
            let found = Found::read(&listed);
            assert_eq!((found.name.as_str(), found.expiry), ("a_1", expiry));
            assert!(!found.other, "{found:?}");
        }
        let strange = doc! { "key": { "a": 1 }, "name": "a_1", "unique": 1.0, "hidden": "perhaps",
        "collation": { "locale": "simple" }, "storageEngine": {} };
        let found = Found::read(&strange);
        assert!(found.unique && found.other && !found.hidden && found.collation.is_none());
    }
}

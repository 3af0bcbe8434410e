//! Decides what to do about an index, based on what exists. Only this program's own indexes are
//! ever changed or removed: those with exactly the name, keys and kind that it uses.

use super::found::{Expiry, Found};
use super::indexes::Index;
use super::retention::Period;

/// What to do about one index that should exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It exists, or another one serves as well.
    Nothing,
    /// Create it. If one is named, next to an index with other options on the same keys: some
    /// servers allow both, others refuse.
    Make { beside: Option<String> },
    /// Change its period.
    Period { from: Option<Period>, to: Period },
    /// Rebuild it: its filter differs, which cannot be changed in place.
    Remake { period: Period },
    /// Its name is taken by an index that is not ours.
    Taken,
}

pub(super) fn plan(wanted: &Index, existing: &[Found]) -> Step {
    let name = wanted.name();
    // The index on `_id` has the collection's default collation.
    let default = existing.iter().find(|found| found.name == "_id_");
    let default = default.and_then(|found| found.collation.as_ref());
    let same_keys = || existing.iter().filter(|found| found.has_keys(&wanted.keys));
    let is_served = |found: &Found| {
        // Dates compare the same in every collation; strings are found only in the collation that
        // they were indexed with.
        let collation = wanted.expire_after.is_some() || found.collation.as_ref() == default;
        collation && serves(wanted, found)
    };
    if same_keys().any(is_served) {
        return Step::Nothing;
    }
    let Some(named) = existing.iter().find(|found| found.name == name) else {
        return Step::Make { beside: same_keys().next().map(|found| found.name.clone()) };
    };
    match wanted.expire_after.map(Period::from_seconds) {
        Some(period) if is_own_expiry(wanted, named) => {
            if filter_fits(wanted, named) {
                let from = match named.expiry {
                    Expiry::After(seconds) => Some(Period::from_seconds(seconds)),
                    Expiry::Never | Expiry::Unreadable => None,
                };
                Step::Period { from, to: period }
            } else {
                Step::Remake { period }
            }
        }
        _ => Step::Taken,
    }
}

/// Whether a search by the first key of `wanted` finds every document that has it by this index, and
/// compares as the collection's own values do.
pub(super) fn finds_all(wanted: &Index, found: &Found) -> bool {
    found.has_keys(&wanted.keys)
        && (found.filter.is_none() || found.filter == wanted.filter)
        && found.collation.is_none()
        && !(found.sparse || found.hidden)
}

/// Whether an index that is no longer needed is one that this program, or an earlier version of it,
/// created: an exact match, name included.
pub(super) fn is_exactly(own: &Index, found: &Found) -> bool {
    found.name == own.name()
        && found.has_keys(&own.keys)
        && found.filter == own.filter
        && found.expiry == Expiry::Never
        && !(found.sparse || found.hidden || found.unique || found.other)
}

fn serves(wanted: &Index, found: &Found) -> bool {
    let expiry = wanted.expire_after.map_or(Expiry::Never, Expiry::After);
    // For lookups, an index that also removes documents would serve; what it removes is not our
    // concern.
    (wanted.expire_after.is_none() || found.expiry == expiry)
        && !found.hidden
        && found.sparse == wanted.sparse
        && filter_fits(wanted, found)
}

/// For lookups, a full index serves where a partial one is wanted. For expiry, an index that
/// excludes records with their own date serves where none need be excluded.
fn filter_fits(wanted: &Index, found: &Found) -> bool {
    match (&wanted.filter, &found.filter) {
        (None, None) => true,
        (Some(_), None) => wanted.expire_after.is_none(),
        (None, Some(found)) => wanted.expire_after.is_some() && *found == Index::spares_dated(),
        (Some(wanted), Some(found)) => wanted == found,
    }
}

/// Recognized by its name, and by having only options that this program itself would have set.
fn is_own_expiry(wanted: &Index, found: &Found) -> bool {
    found.has_keys(&wanted.keys)
        && found.expiry != Expiry::Never
        && found.sparse == wanted.sparse
        && found.filter.as_ref().is_none_or(|filter| *filter == Index::spares_dated())
        && !(found.hidden || found.unique || found.other)
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Document, doc};

    use super::*;

    fn ttl(filter: Option<Document>) -> Index {
        Index { expire_after: Some(60), filter, ..Index::of(doc! { "created_at": 1 }) }
    }

    fn look_up() -> Index {
        Index { filter: Some(doc! { "id": { "$gt": "" } }), ..Index::of(doc! { "id": 1 }) }
    }

    fn found(listed: Document) -> Found {
        let mut all = doc! { "v": 2, "key": { "created_at": 1 }, "name": "created_at_1" };
        all.extend(listed);
        Found::read(&all)
    }

    #[test]
    fn an_own_index_for_expiry_gets_the_period_and_the_filter() {
        let spares = || Some(Index::spares_dated());
        let own = found(doc! { "expireAfterSeconds": 90 });
        let sparing =
            found(doc! { "expireAfterSeconds": 60, "partialFilterExpression": spares().unwrap() });
        let period = Period::from_seconds(60);
        let change = Step::Period { from: Some(Period::from_seconds(90)), to: period };
        assert_eq!(plan(&ttl(None), std::slice::from_ref(&own)), change);
        assert_eq!(plan(&ttl(spares()), &[own]), Step::Remake { period });
        assert_eq!(plan(&ttl(None), std::slice::from_ref(&sparing)), Step::Nothing);
        assert_eq!(plan(&ttl(spares()), &[sparing]), Step::Nothing);
        let nan = found(doc! { "expireAfterSeconds": f64::NAN });
        assert_eq!(plan(&ttl(None), &[nan]), Step::Period { from: None, to: period });
    }

    #[test]
    fn an_administrators_index_on_the_date_is_never_touched() {
        for options in [
            doc! {},
            doc! { "unique": true },
            doc! { "partialFilterExpression": { "level": "INFO" } },
            doc! { "unique": true, "expireAfterSeconds": 90 },
            doc! { "hidden": true, "expireAfterSeconds": 90 },
            doc! { "sparse": true, "expireAfterSeconds": 90 },
            doc! { "storageEngine": {}, "expireAfterSeconds": 90 },
            doc! { "partialFilterExpression": { "level": "INFO" }, "expireAfterSeconds": 90 },
        ] {
            assert_eq!(plan(&ttl(None), &[found(options.clone())]), Step::Taken, "{options}");
            let mut named = options.clone();
            named.insert("name", "theirs");
            let step = Step::Make { beside: Some("theirs".into()) };
            assert_eq!(plan(&ttl(None), &[found(named)]), step, "{options}");
        }
        let theirs = found(doc! { "name": "theirs", "expireAfterSeconds": 60 });
        assert_eq!(plan(&ttl(None), &[theirs]), Step::Nothing, "it serves as well");
    }

    #[test]
    fn a_default_collation_is_no_difference() {
        let german = doc! { "collation": { "locale": "de", "strength": 3 } };
        let with = |listed: Document| {
            let mut all = listed;
            all.extend(german.clone());
            found(all)
        };
        let id = with(doc! { "key": { "_id": 1 }, "name": "_id_" });
        let expiry = with(doc! { "expireAfterSeconds": 60 });
        assert_eq!(plan(&ttl(None), &[id.clone(), expiry.clone()]), Step::Nothing);
        assert_eq!(plan(&ttl(None), &[expiry]), Step::Nothing, "not even one of its own");
        let by_id = with(doc! { "key": { "id": 1 }, "name": "id_1" });
        assert_eq!(plan(&look_up(), &[id.clone(), by_id.clone()]), Step::Nothing);
        assert_eq!(plan(&look_up(), &[by_id]), Step::Taken, "the collection has none");
        let plain = found(doc! { "key": { "id": 1 }, "name": "id_1" });
        assert_eq!(plan(&look_up(), &[id, plain]), Step::Taken, "the collection has one");
    }

    #[test]
    fn only_an_exact_likeness_of_an_own_index_is_dropped() {
        let old = Index::of(doc! { "timestamp": -1 });
        let listed = doc! { "key": { "timestamp": -1 }, "name": "timestamp_-1" };
        assert!(is_exactly(&old, &found(listed.clone())));
        for other in [
            doc! { "name": "mine" },
            doc! { "unique": true },
            doc! { "key": { "timestamp": 1 } },
            doc! { "partialFilterExpression": { "level": "INFO" } },
        ] {
            let mut changed = listed.clone();
            changed.extend(other.clone());
            assert!(!is_exactly(&old, &found(changed)), "{other}");
        }
    }
}

//! The bound on names: of each family, the first ones of an hour are counted by name, all others
//! together.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::dimension::{Dimension, Family};
use super::period::Period;

/// How many names of each family an hour has.
pub const LIMITS: [(Family, usize); 4] = [
    (Family::Route, 500),
    (Family::Tenant, 200),
    (Family::Fingerprint, 200),
    (Family::Service, 200),
];

/// Maximum hours that are remembered: those of late records. The names of others are read from the
/// spool again.
const HOURS: usize = 16;

/// Maximum dimensions of a family in an hour, also if senders combine names, methods, status classes
/// and levels as they like.
const DIMENSIONS: usize = 4_096;

/// The names of the hours that are being counted.
#[derive(Debug, Default)]
pub struct Names {
    hours: BTreeMap<Period, BTreeMap<Family, Known>>,
}

/// Hashes, with a key that nobody knows: a few bytes each, whatever the texts. Where two are the same,
/// an hour has one name more.
#[derive(Debug, Default)]
struct Known {
    names: HashSet<u64>,
    dimensions: HashSet<u64>,
    hasher: RandomState,
}

impl Names {
    /// The dimension under which a record is counted: its own, or the one without a name. `present`
    /// gives the dimensions that the spool has for the period; it is asked once for each period.
    ///
    /// # Errors
    ///
    /// `present` fails.
    pub fn admit<E>(
        &mut self,
        period: Period,
        dimension: &Dimension,
        present: impl FnOnce() -> Result<Vec<Dimension>, E>,
    ) -> Result<Dimension, E> {
        if !self.hours.contains_key(&period) {
            let mut known: BTreeMap<Family, Known> = BTreeMap::new();
            for dimension in present()? {
                known.entry(dimension.family).or_default().add(&dimension);
            }
            while self.hours.len() >= HOURS {
                self.hours.pop_first();
            }
            self.hours.insert(period, known);
        }
        let families = self.hours.entry(period).or_default();
        let known = families.entry(dimension.family).or_default();
        if dimension.is_other() || known.has(dimension) {
            return Ok(dimension.clone());
        }
        if known.has_room(dimension) {
            known.add(dimension);
            return Ok(dimension.clone());
        }
        Ok(dimension.other())
    }

    /// Forgets everything: the spool's file was replaced, or a change was undone.
    pub fn clear(&mut self) {
        self.hours.clear();
    }
}

impl Known {
    fn has(&self, dimension: &Dimension) -> bool {
        self.dimensions.contains(&self.hasher.hash_one(dimension))
    }

    fn has_room(&self, dimension: &Dimension) -> bool {
        let limit = LIMITS.iter().find(|(family, _)| *family == dimension.family);
        let limit = limit.map_or(0, |(_, limit)| *limit);
        let is_known = || self.names.contains(&self.hasher.hash_one(&dimension.name));
        self.dimensions.len() < DIMENSIONS && (self.names.len() < limit || is_known())
    }

    fn add(&mut self, dimension: &Dimension) {
        if !dimension.is_other() {
            self.names.insert(self.hasher.hash_one(&dimension.name));
            self.dimensions.insert(self.hasher.hash_one(dimension));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn admit(names: &mut Names, hour: i64, dimension: &Dimension) -> Dimension {
        let admitted = names.admit(Period::Hour(hour), dimension, || Ok::<_, Infallible>(vec![]));
        admitted.unwrap()
    }

    fn tenant(number: usize, level: &str) -> Dimension {
        Dimension::new(Family::Tenant, &[&format!("org_{number}"), level, "2xx"])
    }

    #[test]
    fn the_first_names_of_an_hour_are_kept_and_the_others_share_one() {
        let mut names = Names::default();
        for number in 0..200 {
            assert!(!admit(&mut names, 1, &tenant(number, "INFO")).is_other(), "{number}");
        }
        assert!(admit(&mut names, 1, &tenant(200, "INFO")).is_other());
        assert!(!admit(&mut names, 1, &tenant(7, "ERROR")).is_other(), "a known name");
        assert!(!admit(&mut names, 2, &tenant(200, "INFO")).is_other(), "another hour");
        let route = Dimension::new(Family::Route, &["l", "r", "GET", "2xx", "INFO"]);
        assert!(!admit(&mut names, 1, &route).is_other(), "another family");
    }

    #[test]
    fn names_that_the_spool_has_are_known_after_a_restart() {
        let mut names = Names::default();
        let present: Vec<_> = (0..200).map(|number| tenant(number, "INFO")).collect();
        let mut asked = 0;
        for (number, other) in [(7, false), (200, true)] {
            let admitted = names.admit(Period::Hour(1), &tenant(number, "INFO"), || {
                asked += 1;
                Ok::<_, Infallible>(present.clone())
            });
            assert_eq!(admitted.unwrap().is_other(), other);
        }
        assert_eq!(asked, 1);
    }

    #[test]
    fn names_times_methods_and_levels_are_bounded_too() {
        let mut names = Names::default();
        let mut kept = 0;
        for route in 0..500 {
            for method in 0..20 {
                let (route, method) = (route.to_string(), method.to_string());
                let values = ["l", &route, &method, "2xx", "INFO"];
                let admitted = admit(&mut names, 1, &Dimension::new(Family::Route, &values));
                kept += usize::from(!admitted.is_other());
            }
        }
        assert_eq!(kept, DIMENSIONS);
    }

    #[test]
    fn the_hours_that_are_remembered_are_bounded() {
        let mut names = Names::default();
        for hour in 0..1_000 {
            admit(&mut names, hour, &tenant(1, "INFO"));
        }
        assert_eq!(names.hours.len(), HOURS);
        assert!(names.hours.contains_key(&Period::Hour(999)));
    }
}

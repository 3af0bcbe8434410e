//! What some records add to the rollups, together.

use std::collections::BTreeMap;

use super::dimension::Dimension;
use super::observation::Observation;
use super::period::Slot;
use super::value::Value;

/// Values to be added, by slot and dimension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    values: BTreeMap<(Slot, Dimension), Value>,
}

impl Tally {
    /// Adds one record.
    pub fn add(&mut self, one: &Observation) {
        self.add_sum(one.measure.slot, &one.dimensions, &one.value());
    }

    /// Adds the sum of some records of the same dimensions.
    pub fn add_sum(&mut self, slot: Slot, dimensions: &[Dimension], value: &Value) {
        for dimension in dimensions {
            self.values.entry((slot, dimension.clone())).or_default().merge(value);
        }
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: &Self) {
        for (key, value) in &other.values {
            match self.values.get_mut(key) {
                Some(sum) => sum.merge(value),
                None => {
                    self.values.insert(key.clone(), value.clone());
                }
            }
        }
    }

    /// Whether nothing is to be added.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The values, in order of slot and dimension.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &Dimension, &Value)> {
        self.values.iter().map(|((slot, dimension), value)| (*slot, dimension, value))
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::{Level, Timestamp};
    use proptest::prelude::*;

    use super::super::facts::Facts;
    use super::*;

    const RECEIVED: i64 = 1_769_393_518_000;

    /// What a record adds by its level, minute, organization, time and weight.
    type Sample = (Level, i64, u8, u32, u32);

    fn sample() -> impl Strategy<Value = Sample> {
        let level = proptest::sample::select(Level::ALL.to_vec());
        (level, 0_i64..4, 0_u8..3, 0_u32..100_000, 1_u32..20)
    }

    fn observe((level, minute, organization, took, weight): Sample) -> Option<Observation> {
        let organization = format!("org_{organization}");
        let facts = Facts {
            timestamp: Timestamp::from_unix_micros((RECEIVED - minute * 60_000) * 1_000),
            level,
            logger: "gateway.edge",
            function: "orders",
            message: "m",
            method: Some("GET"),
            status: Some(200),
            organization: Some(&organization),
            took_ms: Some(f64::from(took) / 1_000.0),
            weight: Some(f64::from(weight)),
            error_type: None,
            error_details: None,
        };
        Observation::of(&facts, RECEIVED)
    }

    proptest! {
        /// Against a model that keeps every record.
        #[test]
        fn every_record_is_in_the_sum_of_its_organization_however_tallies_are_merged(
            samples in prop::collection::vec(sample(), 0..60),
            parts in 1_usize..5,
        ) {
            let mut tallies = vec![Tally::default(); parts];
            for (index, sample) in samples.iter().enumerate() {
                if let Some(observation) = observe(*sample) {
                    tallies[index % parts].add(&observation);
                }
            }
            let mut sum = Tally::default();
            for tally in &tallies {
                sum.merge(tally);
            }
            for (slot, dimension, value) in sum.iter() {
                let same: Vec<_> = samples.iter().filter(|sample| {
                    observe(**sample).is_some_and(|it| {
                        it.measure.slot == slot && it.dimensions.contains(dimension)
                    })
                }).collect();
                prop_assert_eq!(value.records, same.len() as u64);
                let weights = |of: &Sample| u64::from(of.4) * 1_000_000;
                prop_assert_eq!(value.requests, same.iter().map(|it| weights(it)).sum::<u64>());
                let errors = same.iter().filter(|it| it.0 >= Level::Error);
                prop_assert_eq!(value.errors, errors.map(|it| weights(it)).sum::<u64>());
                let times = same.iter().map(|it| u64::from(it.3) * u64::from(it.4));
                prop_assert_eq!(value.sum_us, times.sum::<u64>());
                prop_assert_eq!(value.max_us, same.iter().map(|it| u64::from(it.3)).max().unwrap());
                prop_assert_eq!(value.histogram.count(), value.requests);
            }
            let routes = sum.iter().filter(|(_, dimension, _)| dimension.family.as_str() == "route");
            let counted = samples.iter().filter(|sample| sample.0 != Level::Debug).count();
            prop_assert_eq!(routes.map(|(_, _, it)| it.records).sum::<u64>(), counted as u64);
        }
    }
}

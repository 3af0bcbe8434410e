//! The dimensions of records seen so far: most records of a batch share theirs.

use std::collections::HashMap;
use std::sync::Arc;

use super::dimension::Dimension;
use super::facts::Facts;

/// Dimensions, each set of them once, by place: 0, 1, 2, … It grows with what it is shown.
#[derive(Debug, Default)]
pub struct Seen {
    places: HashMap<Box<[u8]>, u32>,
    dimensions: Vec<Arc<[Dimension]>>,
    /// Kept from one record to the next.
    identity: Vec<u8>,
}

impl Seen {
    /// The place of a record's dimensions.
    pub fn place(&mut self, facts: &Facts<'_>) -> u32 {
        self.identity.clear();
        facts.identify(&mut self.identity);
        if let Some(place) = self.places.get(self.identity.as_slice()) {
            return *place;
        }
        let place = u32::try_from(self.dimensions.len()).unwrap_or(u32::MAX);
        self.dimensions.push(facts.dimensions().into());
        self.places.insert(self.identity.as_slice().into(), place);
        place
    }

    /// What is at a place; nothing at one that was never given.
    pub fn get(&self, place: u32) -> &[Dimension] {
        let place = usize::try_from(place).ok();
        place.and_then(|place| self.dimensions.get(place)).map_or(&[], |found| found)
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::{Level, Timestamp};
    use proptest::prelude::*;

    use super::*;

    /// Facts whose texts may be equal in every part but one.
    fn texts() -> impl Strategy<Value = [String; 6]> {
        let text = prop_oneof![
            Just(String::new()),
            Just("a".to_owned()),
            Just("b 7 b".to_owned()),
            Just("b 8 b".to_owned()),
            Just("c".repeat(128)),
            Just("c".repeat(129) + "d"),
        ];
        prop::array::uniform6(text)
    }

    fn facts(texts: &[String; 6], level: Level, status: Option<i64>, of: u8) -> Facts<'_> {
        let [logger, function, message, organization, kind, details] = texts;
        Facts {
            timestamp: Timestamp::from_unix_micros(0),
            level,
            logger,
            function,
            message,
            method: (of & 1 > 0).then_some(if of & 2 > 0 { "GET" } else { "BREW" }),
            status,
            organization: (of & 4 > 0).then_some(organization),
            took_ms: None,
            weight: None,
            error_type: (of & 8 > 0).then_some(kind),
            error_details: (of & 16 > 0).then_some(details),
        }
    }

    proptest! {
        #[test]
        fn every_record_finds_its_own_dimensions_whatever_was_seen_before(
            records in prop::collection::vec(
                (
                    texts(),
                    prop::sample::select(Level::ALL.to_vec()),
                    prop::sample::select(vec![None, Some(200), Some(204), Some(503)]),
                    any::<u8>(),
                ),
                1..40,
            ),
        ) {
            let mut seen = Seen::default();
            for (texts, level, status, of) in &records {
                let facts = facts(texts, *level, *status, *of);
                let place = seen.place(&facts);
                let own = facts.dimensions();
                prop_assert_eq!(seen.get(place), own.as_slice());
                prop_assert_eq!(seen.place(&facts), place);
            }
            prop_assert!(seen.dimensions.len() <= records.len());
        }
    }
}

//! Accounts in the format used before all places shared one floor: three sets, each with its own
//! floor, in the spool's schema version 1 and in other collectors' documents.

use std::collections::BTreeMap;

use super::account::{Account, Totals};
use super::numbers::{Numbers, Told};
use crate::varint::Reader;

/// A set in the old format: only a count of the numbers up to the floor, and the others as ranges.
#[derive(Debug, Default)]
struct Set {
    floor: u64,
    folded: u64,
    spans: Vec<(u64, u64)>,
}

impl Set {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut set = Self { floor: reader.number()?, folded: reader.number()?, spans: Vec::new() };
        let mut last = set.floor;
        while !reader.is_empty() {
            let start = last.checked_add(reader.number()?)?;
            last = start.checked_add(reader.number()?)?;
            set.spans.push((start, last));
        }
        Some(set)
    }
}

/// Converts an account of three sets; `None` if they are malformed. Where a set was folded, what is
/// up to its floor was not exact, and is unknown.
pub fn account(totals: &str, [accepted, stored, quarantined]: [&[u8]; 3]) -> Option<Account> {
    type Parts = (u64, u64, i64, BTreeMap<String, u64>);
    let (assigned, queued, at, dropped): Parts = serde_json::from_str(totals).unwrap_or_default();
    let sets = [Set::read(accepted)?, Set::read(quarantined)?, Set::read(stored)?];
    let mut numbers = Numbers::default();
    let [accepted, quarantined, stored] = &sets;
    for (start, end) in &accepted.spans {
        numbers.accept(*start..=*end);
    }
    for (set, told) in [(quarantined, Told::Refused), (stored, Told::New)] {
        for (start, end) in &set.spans {
            numbers.settle(*start..=*end, told);
        }
    }
    let evicted = sets.iter().map(|set| set.floor).max().unwrap_or(0);
    numbers.assume(evicted, stored.folded, quarantined.folded);
    let totals = Totals { assigned, queued, sampled: 0, dropped, at };
    Some(Account { totals, numbers, evicted, ..Account::default() })
}

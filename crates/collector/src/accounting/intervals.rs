//! A set of sequence numbers, kept as intervals.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A set of sequence numbers from 1, as disjoint, non-adjacent intervals. Inserting and union are
/// idempotent and commute, so records delivered twice or out of order change nothing.
///
/// The set itself is unbounded: its users keep only the numbers of records that they hold in
/// memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intervals {
    /// Start → end, both inclusive.
    spans: BTreeMap<u64, u64>,
}

impl Intervals {
    /// The set of all numbers in the range.
    pub fn of(range: RangeInclusive<u64>) -> Self {
        let mut set = Self::default();
        set.insert(range);
        set
    }

    /// Adds every number of the range.
    pub fn insert(&mut self, range: RangeInclusive<u64>) {
        let (mut start, mut end) = ((*range.start()).max(1), *range.end());
        if start > end {
            return;
        }
        // Extended by one on each side, to merge adjacent intervals.
        let (from, to) = (start.saturating_sub(1), end.saturating_add(1));
        let touching: Vec<(u64, u64)> = self
            .spans
            .range(..=to)
            .rev()
            .take_while(|(_, end)| **end >= from)
            .map(|(start, end)| (*start, *end))
            .collect();
        for (from, to) in touching {
            self.spans.remove(&from);
            start = start.min(from);
            end = end.max(to);
        }
        self.spans.insert(start, end);
    }

    /// Adds every member of the other set.
    pub fn union(&mut self, other: &Self) {
        for (start, end) in &other.spans {
            self.insert(*start..=*end);
        }
    }

    /// Removes every member of the other set.
    pub fn subtract(&mut self, other: &Self) {
        let mut left = Self::default();
        for (start, end) in self.spans() {
            let mut next = start;
            for (from, to) in other.touching(start..=end) {
                if next < from {
                    left.spans.insert(next, from.saturating_sub(1));
                }
                next = next.max(to.saturating_add(1));
            }
            if next <= end {
                left.spans.insert(next, end);
            }
        }
        *self = left;
    }

    /// The intervals that overlap the range, in ascending order.
    fn touching(&self, range: RangeInclusive<u64>) -> impl Iterator<Item = (u64, u64)> + '_ {
        let before = self.spans.range(..*range.start()).next_back();
        let first = before.filter(|(_, end)| *end >= range.start());
        let spans = first.into_iter().chain(self.spans.range(range));
        spans.map(|(start, end)| (*start, *end))
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> u64 {
        let lengths =
            self.spans.iter().map(|(start, end)| end.saturating_sub(*start).saturating_add(1));
        lengths.fold(0, u64::saturating_add)
    }

    /// Whether the set has no member.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The intervals, in ascending order.
    pub fn spans(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.spans.iter().map(|(start, end)| (*start, *end))
    }

    /// Whether the number is a member.
    pub fn contains(&self, number: u64) -> bool {
        self.spans.range(..=number).next_back().is_some_and(|(_, end)| *end >= number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_become_one_interval() {
        let mut set = Intervals::of(1..=10);
        set.insert(12..=20);
        assert_eq!(set.spans().collect::<Vec<_>>(), [(1, 10), (12, 20)]);
        set.insert(11..=11);
        assert_eq!(set.spans().collect::<Vec<_>>(), [(1, 20)]);
        assert_eq!(set.len(), 20);
    }

    #[test]
    fn the_ends_of_the_number_range_do_no_harm() {
        let mut set = Intervals::of(0..=0);
        assert!(set.is_empty(), "numbers start at 1");
        set.insert(u64::MAX - 1..=u64::MAX);
        set.insert(1..=1);
        assert_eq!(set.spans().collect::<Vec<_>>(), [(1, 1), (u64::MAX - 1, u64::MAX)]);
        set.insert(0..=u64::MAX);
        assert_eq!(set.len(), u64::MAX);
    }

    proptest! {
        #[test]
        fn what_is_subtracted_is_gone_and_no_more(one in ranges(), two in ranges()) {
            let set = |ranges: &[(u64, u64)]| {
                let mut set = Intervals::default();
                for (start, more) in ranges {
                    set.insert(*start..=start + more);
                }
                set
            };
            let (mut left, two) = (set(&one), set(&two));
            left.subtract(&two);
            for number in 1..=220 {
                let expected = set(&one).contains(number) && !two.contains(number);
                prop_assert_eq!(left.contains(number), expected, "{}", number);
            }
        }
    }

    fn ranges() -> impl Strategy<Value = Vec<(u64, u64)>> {
        prop::collection::vec((1_u64..200, 0_u64..12), 0..40)
    }

    fn both(ranges: &[(u64, u64)]) -> (Intervals, BTreeSet<u64>) {
        let (mut set, mut model) = (Intervals::default(), BTreeSet::new());
        for (start, more) in ranges {
            set.insert(*start..=start + more);
            model.extend(*start..=start + more);
        }
        (set, model)
    }

    proptest! {
        #[test]
        fn a_set_agrees_with_a_plain_set(a in ranges(), b in ranges()) {
            let ((set_a, model_a), (set_b, model_b)) = (both(&a), both(&b));
            prop_assert_eq!(set_a.len(), model_a.len() as u64);
            let members: Vec<u64> = (1..=230).filter(|n| set_a.contains(*n)).collect();
            prop_assert_eq!(members, model_a.iter().copied().collect::<Vec<_>>());
            let mut union = set_a.clone();
            union.union(&set_b);
            prop_assert_eq!(union.len(), model_a.union(&model_b).count() as u64);
            let mut other_way = set_b.clone();
            other_way.union(&set_a);
            prop_assert_eq!(&union, &other_way);
        }
    }
}

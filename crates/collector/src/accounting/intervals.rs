//! A set of sequence numbers, kept as intervals.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Most intervals that one set keeps. Where a set is that fragmented (sampling leaves a hole for
/// each request that another one stands for), its lowest intervals are folded into a count.
pub const MAX_INTERVALS: usize = 4_096;

/// A set of sequence numbers from 1, as disjoint intervals that do not touch. Inserting and
/// union are idempotent and commute, so records delivered twice or out of order change nothing.
///
/// **Bound**: past [`MAX_INTERVALS`] the lower half of the intervals is folded: of the numbers up
/// to [`floor`](Self::floor) only their count is kept, and a number up to the floor that is
/// inserted later is not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intervals {
    /// Start → end, both inclusive; every start is above `floor`.
    spans: BTreeMap<u64, u64>,
    floor: u64,
    folded: u64,
    /// Members above the floor.
    above: u64,
}

impl Intervals {
    /// The set of these numbers.
    pub fn of(range: RangeInclusive<u64>) -> Self {
        let mut set = Self::default();
        set.insert(range);
        set
    }

    /// Adds every number of the range.
    pub fn insert(&mut self, range: RangeInclusive<u64>) {
        self.absorb(range);
        if self.spans.len() > MAX_INTERVALS {
            self.fold(MAX_INTERVALS / 2);
        }
    }

    /// Adds every member of the other set. Of two sets with a floor the higher floor wins, with
    /// its count.
    pub fn union(&mut self, other: &Self) {
        if other.floor > self.floor {
            self.cut_to(other.floor);
            self.folded = other.folded;
        }
        for (start, end) in &other.spans {
            self.absorb(*start..=*end);
        }
        if self.spans.len() > MAX_INTERVALS {
            self.fold(MAX_INTERVALS / 2);
        }
    }

    /// How many members of this set are not in the other. Up to the higher of the two floors
    /// only counts are known: there the smaller set is taken to lie within the larger.
    pub fn len_without(&self, other: &Self) -> u64 {
        let floor = self.floor.max(other.floor);
        let mut common = self.len_up_to(floor).min(other.len_up_to(floor));
        for (start, end) in &other.spans {
            let above = (*start).max(floor.saturating_add(1))..=*end;
            common = common.saturating_add(self.overlap(above));
        }
        self.len().saturating_sub(common)
    }

    fn len_up_to(&self, last: u64) -> u64 {
        self.folded.saturating_add(self.overlap(self.floor.saturating_add(1)..=last))
    }

    /// How many members above the floor lie in the range.
    fn overlap(&self, range: RangeInclusive<u64>) -> u64 {
        let (start, end) = (*range.start(), *range.end());
        if start > end {
            return 0;
        }
        self.touching(range)
            .map(|(from, to)| length(&(from.max(start)..=to.min(end))))
            .fold(0, u64::saturating_add)
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> u64 {
        self.folded.saturating_add(self.above)
    }

    /// Whether the set has no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The largest number, 0 when empty.
    pub fn max(&self) -> u64 {
        self.spans.last_key_value().map_or(self.floor, |(_, end)| *end)
    }

    /// Numbers up to this one are kept as a count only.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// How many of the numbers up to the floor are members.
    pub fn folded(&self) -> u64 {
        self.folded
    }

    /// The intervals above the floor, lowest first.
    pub fn spans(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.spans.iter().map(|(start, end)| (*start, *end))
    }

    /// Whether the number is a member; of numbers up to the floor it is not known, so yes.
    pub fn contains(&self, number: u64) -> bool {
        number <= self.floor && number > 0
            || self.spans.range(..=number).next_back().is_some_and(|(_, end)| *end >= number)
    }

    /// The numbers from the floor up to `last` that are not members, lowest first.
    pub fn gaps(&self, last: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut next = self.floor.saturating_add(1);
        let ends = self.spans.iter().map(|(start, end)| (*start, *end));
        ends.chain(std::iter::once((last.saturating_add(1), u64::MAX))).filter_map(
            move |(start, end)| {
                let gap = (next < start && next <= last)
                    .then(|| (next, start.saturating_sub(1).min(last)));
                next = next.max(end.saturating_add(1));
                gap
            },
        )
    }

    /// The set as a list of numbers: floor, folded, then start and end of each interval as
    /// differences. Read back by [`decode`](Self::decode).
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        varint(self.floor, &mut out);
        varint(self.folded, &mut out);
        let mut last = self.floor;
        for (start, end) in &self.spans {
            varint(start.wrapping_sub(last), &mut out);
            varint(end.wrapping_sub(*start), &mut out);
            last = *end;
        }
        out
    }

    /// Reads what [`encode`](Self::encode) wrote; nothing when it is not that.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut set =
            Self { floor: take(&mut bytes)?, folded: take(&mut bytes)?, ..Self::default() };
        if set.folded > set.floor {
            return None;
        }
        let mut last = set.floor;
        while !bytes.is_empty() {
            let start = last.checked_add(take(&mut bytes)?)?;
            let end = start.checked_add(take(&mut bytes)?)?;
            set.insert(start..=end);
            last = end;
        }
        Some(set)
    }

    fn absorb(&mut self, range: RangeInclusive<u64>) {
        let (mut start, mut end) =
            (*range.start().max(&self.floor.saturating_add(1)), *range.end());
        if start > end {
            return;
        }
        // Grown by one on each side, to take up neighbours that touch.
        let reach = start.saturating_sub(1)..=end.saturating_add(1);
        let touching: Vec<(u64, u64)> = self.touching(reach).collect();
        for (from, to) in touching {
            self.spans.remove(&from);
            self.above = self.above.saturating_sub(length(&(from..=to)));
            start = start.min(from);
            end = end.max(to);
        }
        self.spans.insert(start, end);
        self.above = self.above.saturating_add(length(&(start..=end)));
    }

    fn touching(&self, reach: RangeInclusive<u64>) -> impl Iterator<Item = (u64, u64)> + '_ {
        let from = *reach.start();
        self.spans
            .range(..=*reach.end())
            .rev()
            .take_while(move |(_, end)| **end >= from)
            .map(|(start, end)| (*start, *end))
    }

    fn fold(&mut self, spans: usize) {
        let Some(floor) = self.spans.values().nth(spans.saturating_sub(1)).copied() else {
            return;
        };
        let count = self.cut_to(floor);
        self.folded = self.folded.saturating_add(count);
    }

    /// Raises the floor; says how many members went under it.
    fn cut_to(&mut self, floor: u64) -> u64 {
        let mut count = 0_u64;
        while let Some((start, end)) = self.spans.first_key_value().map(|(s, e)| (*s, *e)) {
            if start > floor {
                break;
            }
            self.spans.remove(&start);
            count = count.saturating_add(length(&(start..=end.min(floor))));
            if end > floor {
                self.spans.insert(floor.saturating_add(1), end);
                break;
            }
        }
        self.above = self.above.saturating_sub(count);
        self.floor = floor;
        count
    }
}

fn length(range: &RangeInclusive<u64>) -> u64 {
    range.end().saturating_sub(*range.start()).saturating_add(1)
}

/// LEB128: seven bits a byte, lowest first, the top bit set on all but the last.
fn varint(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
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
        assert_eq!((set.len(), set.max()), (20, 20));
    }

    #[test]
    fn gaps_are_what_is_not_there_up_to_the_last() {
        let mut set = Intervals::of(3..=4);
        set.insert(8..=20);
        assert_eq!(set.gaps(10).collect::<Vec<_>>(), [(1, 2), (5, 7)]);
        assert_eq!(set.gaps(25).collect::<Vec<_>>(), [(1, 2), (5, 7), (21, 25)]);
        assert_eq!(Intervals::default().gaps(3).collect::<Vec<_>>(), [(1, 3)]);
        assert_eq!(Intervals::of(1..=3).gaps(3).count(), 0);
    }

    #[test]
    fn a_fragmented_set_folds_its_lowest_intervals_and_keeps_its_count() {
        let mut set = Intervals::default();
        for number in 0..20_000_u64 {
            set.insert(number * 2 + 1..=number * 2 + 1);
        }
        assert_eq!(set.len(), 20_000);
        assert!(set.spans().count() <= MAX_INTERVALS);
        assert!(set.floor() > 0);
        // What comes late, below the floor, is not counted twice.
        set.insert(1..=2);
        assert_eq!(set.len(), 20_000);
        assert_eq!(Intervals::decode(&set.encode()), Some(set));
    }

    #[test]
    fn the_ends_of_the_number_range_do_no_harm() {
        let mut set = Intervals::of(0..=0);
        assert!(set.is_empty(), "numbers start at 1");
        set.insert(u64::MAX - 1..=u64::MAX);
        set.insert(1..=1);
        assert_eq!(set.max(), u64::MAX);
        assert_eq!(set.gaps(u64::MAX).collect::<Vec<_>>(), [(2, u64::MAX - 2)]);
        assert_eq!(Intervals::decode(&set.encode()), Some(set));
    }

    #[test]
    fn damaged_bytes_are_no_set() {
        for bytes in [&b""[..], b"\x00", b"\x00\x00\x01", b"\x00\x05", &[0xff; 11]] {
            assert_eq!(Intervals::decode(bytes), None, "{bytes:?}");
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
            prop_assert_eq!(set_a.len_without(&set_b), model_a.difference(&model_b).count() as u64);
            let gaps: Vec<u64> = set_a.gaps(230).flat_map(|(from, to)| from..=to).collect();
            prop_assert_eq!(gaps, (1..=230).filter(|n| !model_a.contains(n)).collect::<Vec<_>>());
            let mut union = set_a.clone();
            union.union(&set_b);
            prop_assert_eq!(union.len(), model_a.union(&model_b).count() as u64);
            let mut other_way = set_b.clone();
            other_way.union(&set_a);
            prop_assert_eq!(&union, &other_way);
            prop_assert_eq!(Intervals::decode(&union.encode()), Some(union));
        }
    }
}

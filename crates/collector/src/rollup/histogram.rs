//! A base-2 exponential histogram of scale 5, as OpenTelemetry defines it: bucket `i` has the values
//! above `2^(i/32)` and up to `2^((i+1)/32)`. A bucket's middle is at most 1.1 % away from any value
//! in it, and two histograms merge by adding their buckets.

use std::collections::BTreeMap;

use crate::varint::{self, Reader};

/// Buckets for each doubling: 2 to the power of the scale, 5.
const PER_DOUBLING: f64 = 32.0;

/// Larger values are counted in this value's bucket: 12.7 days in µs. Bounds the buckets: 1,281.
const LARGEST: u64 = 1 << 40;

/// The bucket of 1, and the lowest: a value is a whole number.
const LOWEST: i16 = -1;

/// The bucket of `LARGEST`, and the highest.
const HIGHEST: i16 = 40 * 32 - 1;

/// Counts of values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How often the value was 0.
    pub zero: u64,
    /// The other counts, by bucket; none is 0.
    pub buckets: BTreeMap<i16, u64>,
}

impl Histogram {
    /// The scale in OpenTelemetry's sense.
    pub const SCALE: i32 = 5;

    /// Counts a value `count` times.
    pub fn add(&mut self, value: u64, count: u64) {
        match bucket(value) {
            _ if count == 0 => {}
            None => self.zero = self.zero.saturating_add(count),
            Some(bucket) => {
                let sum = self.buckets.entry(bucket).or_default();
                *sum = sum.saturating_add(count);
            }
        }
    }

    /// Adds to the count of a bucket, if there can be such a bucket.
    pub fn add_to(&mut self, bucket: i16, count: u64) {
        if (LOWEST..=HIGHEST).contains(&bucket) && count > 0 {
            let sum = self.buckets.entry(bucket).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// The value that this many of a thousand do not exceed, at most 1.1 % off; `None` without
    /// values.
    pub fn quantile(&self, per_mille: u16) -> Option<f64> {
        let count = u128::from(self.count());
        if count == 0 {
            return None;
        }
        let rank = count.saturating_mul(per_mille.min(1_000).into()).div_ceil(1_000).max(1);
        let mut passed = u128::from(self.zero);
        if rank <= passed {
            return Some(0.0);
        }
        for (bucket, count) in &self.buckets {
            passed = passed.saturating_add((*count).into());
            if rank <= passed {
                return Some(middle(*bucket));
            }
        }
        self.buckets.last_key_value().map(|(bucket, _)| middle(*bucket))
    }

    /// Adds the counts of another one.
    pub fn merge(&mut self, other: &Self) {
        self.zero = self.zero.saturating_add(other.zero);
        for (bucket, count) in &other.buckets {
            let sum = self.buckets.entry(*bucket).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.buckets.values().fold(self.zero, |sum, count| sum.saturating_add(*count))
    }

    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        varint::write(self.zero, out);
        let mut next = LOWEST;
        for (bucket, count) in &self.buckets {
            varint::write(u64::try_from(bucket.saturating_sub(next)).unwrap_or(0), out);
            varint::write(*count, out);
            next = bucket.saturating_add(1);
        }
    }

    /// Reads to the end.
    pub(super) fn unpack(reader: &mut Reader<'_>) -> Option<Self> {
        let mut histogram = Self { zero: reader.number()?, buckets: BTreeMap::new() };
        let mut next = LOWEST;
        while !reader.is_empty() {
            let skipped = i16::try_from(reader.number()?).ok()?;
            let bucket = next.checked_add(skipped)?;
            histogram.buckets.insert(bucket, reader.number()?);
            next = bucket.checked_add(1)?;
        }
        Some(histogram)
    }
}

/// The bucket of a value; none for 0.
fn bucket(value: u64) -> Option<i16> {
    let value = value.min(LARGEST);
    if value == 0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 2^40")]
    let upper = (value as f64).log2() * PER_DOUBLING;
    // A power of two, the only whole number on a boundary, is the largest value of its bucket; its
    // logarithm is exact.
    #[expect(clippy::cast_possible_truncation, reason = "at most 1,280")]
    let upper = upper.ceil() as i16;
    Some(upper.saturating_sub(1))
}

/// The value with the same relative distance from all values of a bucket, at most.
fn middle(bucket: i16) -> f64 {
    let boundary = |index: f64| (index / PER_DOUBLING).exp2();
    let (low, high) = (boundary(bucket.into()), boundary(f64::from(bucket) + 1.0));
    2.0 * low * high / (low + high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_power_of_two_is_the_last_value_of_its_bucket() {
        assert_eq!((bucket(0), bucket(1), bucket(2)), (None, Some(-1), Some(31)));
        for power in 6..40_i16 {
            let value = 1_u64 << power;
            assert_eq!(bucket(value), Some(power * 32 - 1));
            // From 64 on the next whole number is still in the next bucket.
            assert_eq!(bucket(value + 1), Some(power * 32), "{value}");
        }
        assert_eq!(bucket(u64::MAX), bucket(LARGEST));
    }

    #[test]
    fn no_bucket_beyond_the_largest_value_is_added_and_nothing_has_no_quantile() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(500), None);
        for (bucket, count) in [(i16::MIN, 1), (-2, 1), (1_280, 1), (i16::MAX, 1), (7, 0)] {
            histogram.add_to(bucket, count);
        }
        assert_eq!(histogram, Histogram::default());
        assert_eq!(bucket(LARGEST), Some(HIGHEST));
        histogram.add_to(HIGHEST, u64::MAX);
        histogram.add_to(HIGHEST, u64::MAX);
        histogram.zero = u64::MAX;
        assert_eq!(histogram.quantile(0), Some(0.0));
    }

    proptest! {
        #[test]
        fn a_value_lies_within_its_bucket_and_the_middle_is_near(value in 1_u64..LARGEST) {
            let index = f64::from(bucket(value).unwrap());
            let (low, high) = ((index / 32.0).exp2(), ((index + 1.0) / 32.0).exp2());
            #[expect(clippy::cast_precision_loss, reason = "below 2^40")]
            let value = value as f64;
            prop_assert!(low < value * (1.0 + 1e-12) && value <= high * (1.0 + 1e-12));
            let middle = 2.0 * low * high / (low + high);
            prop_assert!((middle - value).abs() / value < 0.011, "{middle} for {value}");
        }

        #[test]
        fn a_quantile_is_near_the_value_of_its_rank(
            mut values in prop::collection::vec((0..50_000_000_u64, 1..2_000_000_u64), 1..40),
            per_mille in 0..=1_000_u16,
        ) {
            let mut histogram = Histogram::default();
            for (value, count) in &values {
                histogram.add(*value, *count);
            }
            values.sort_unstable();
            let all: u64 = values.iter().map(|(_, count)| count).sum();
            let rank = (all * u64::from(per_mille)).div_ceil(1_000).max(1);
            let mut passed = 0;
            let exact = values.iter().find(|(_, count)| {
                passed += count;
                rank <= passed
            });
            #[expect(clippy::cast_precision_loss, reason = "below 2^40")]
            let exact = exact.unwrap().0 as f64;
            let found = histogram.quantile(per_mille).unwrap();
            prop_assert!((found - exact).abs() <= exact * 0.011, "{found} for {exact}");
        }

        #[test]
        fn merging_is_adding(one in values(), other in values()) {
            let of = |values: &[(u64, u64)]| {
                let mut histogram = Histogram::default();
                for (value, count) in values {
                    histogram.add(*value, *count);
                }
                histogram
            };
            let mut merged = of(&one);
            merged.merge(&of(&other));
            let both: Vec<_> = one.iter().chain(&other).copied().collect();
            prop_assert_eq!(&merged, &of(&both));
            prop_assert_eq!(merged.count(), both.iter().map(|(_, count)| count).sum::<u64>());
            let mut packed = Vec::new();
            merged.pack(&mut packed);
            prop_assert_eq!(Histogram::unpack(&mut Reader::new(&packed)), Some(merged));
        }

        #[test]
        fn no_bytes_make_unpacking_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Histogram::unpack(&mut Reader::new(&bytes));
        }
    }

    fn values() -> impl Strategy<Value = Vec<(u64, u64)>> {
        let value = prop_oneof![Just(0), Just(1), 0..5_000_000_u64, any::<u64>()];
        prop::collection::vec((value, 0..1_000_000_u64), 0..40)
    }
}

//! What is counted of the records of one dimension in one period.

use super::histogram::Histogram;
use super::measure::Measure;
use crate::varint::{self, Reader};

/// Sums over records. All of them add up in any order, and none exceeds `LARGEST`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// Records, as they are stored. Grows with every change, so a larger number means a later value.
    pub records: u64,
    /// Requests that they stand for, in millionths: the sum of their weights.
    pub requests: u64,
    /// The same of those with level ERROR and above.
    pub errors: u64,
    /// Time that the requests took in total, in µs: of every record its time multiplied by its
    /// weight, rounded down.
    pub sum_us: u64,
    /// The longest time, in µs.
    pub max_us: u64,
    /// Times in µs, each counted by its weight in millionths.
    pub histogram: Histogram,
}

/// The largest number that the database's integers hold.
const LARGEST: u64 = i64::MAX.unsigned_abs();

impl Value {
    /// Adds one record.
    pub fn add(&mut self, one: &Measure) {
        let sum = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more).min(LARGEST);
        sum(&mut self.records, 1);
        sum(&mut self.requests, one.weight);
        sum(&mut self.errors, if one.is_error { one.weight } else { 0 });
        if let Some(took) = one.took_us {
            let weighted = u128::from(took).saturating_mul(one.weight.into()) / 1_000_000;
            sum(&mut self.sum_us, u64::try_from(weighted).unwrap_or(u64::MAX));
            self.max_us = self.max_us.max(took).min(LARGEST);
            self.histogram.add(took, one.weight);
        }
    }

    /// Adds another one.
    pub fn merge(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.records, other.records),
            (&mut self.requests, other.requests),
            (&mut self.errors, other.errors),
            (&mut self.sum_us, other.sum_us),
        ] {
            *sum = sum.saturating_add(more).min(LARGEST);
        }
        self.max_us = self.max_us.max(other.max_us).min(LARGEST);
        self.histogram.merge(&other.histogram);
    }

    /// In the form that the spool has.
    pub fn pack(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for number in [self.records, self.requests, self.errors, self.sum_us, self.max_us] {
            varint::write(number, &mut out);
        }
        self.histogram.pack(&mut out);
        out
    }

    /// Reads what [`pack`](Self::pack) wrote; `None` if it is something else.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        Some(Self {
            records: reader.number()?,
            requests: reader.number()?,
            errors: reader.number()?,
            sum_us: reader.number()?,
            max_us: reader.number()?,
            histogram: Histogram::unpack(&mut reader)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_back_and_no_sum_exceeds_what_the_database_holds() {
        let mut value = Value {
            records: 3,
            requests: u64::MAX,
            errors: 1_000_000,
            sum_us: 77,
            max_us: 76,
            histogram: Histogram::default(),
        };
        value.histogram.add(76, 1_000_000);
        let again = value.clone();
        value.merge(&again);
        assert_eq!((value.records, value.requests, value.max_us), (6, LARGEST, 76));
        assert_eq!(Value::unpack(&value.pack()), Some(value.clone()));
        assert_eq!(Value::unpack(&value.pack()[..4]), None);
    }
}

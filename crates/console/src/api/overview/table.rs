//! What is counted, by name: the most frequent ones, each with its change.

use std::collections::HashMap;

use gatelog_collector::rollup::{Histogram, Value as Counts, WEIGHT_ONE};
use serde_json::{Map, Value, json};

/// Maximum names that are counted apart; of those that come later, the sum is.
const NAMES: usize = 500;
/// Rows of a table in the answer.
const ROWS: usize = 20;

/// Counts of the period, and of the one before.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) now: Counts,
    pub(super) before: Counts,
}

/// Counts by the values of some keys.
#[derive(Debug)]
pub(super) struct Table {
    keys: &'static [&'static str],
    /// Whether its counts have times.
    timed: bool,
    rows: HashMap<Vec<String>, Row>,
    /// Of those without a name, and past the bound.
    others: Row,
}

impl Row {
    pub(super) fn add(&mut self, counts: &Counts, is_before: bool) {
        let sum = if is_before { &mut self.before } else { &mut self.now };
        sum.merge(counts);
    }

    /// `before`: whether the period before was counted.
    fn shown(&self, timed: bool, before: bool) -> Map<String, Value> {
        let mut shown = sums(&self.now);
        if timed {
            shown.insert("p99_us".into(), quantile(&self.now, 990));
        }
        shown.insert("before".into(), before.then(|| sums(&self.before)).into());
        let change = before.then(|| change(self.now.requests, self.before.requests)).flatten();
        shown.insert("change".into(), json!(change));
        shown
    }

    /// With all times.
    pub(super) fn whole(&self, before: bool) -> Map<String, Value> {
        let mut shown = times(&self.now);
        shown.insert("before".into(), before.then(|| times(&self.before)).into());
        let change = before.then(|| change(self.now.requests, self.before.requests)).flatten();
        shown.insert("change".into(), json!(change));
        shown
    }
}

impl Table {
    /// A table by these keys of the dimensions.
    pub(super) fn new(keys: &'static [&'static str], timed: bool) -> Self {
        Self { keys, timed, rows: HashMap::new(), others: Row::default() }
    }

    /// Adds counts under a name: the texts of the keys, none if it was left out.
    pub(super) fn add<'a>(
        &mut self,
        text: impl Fn(&str) -> Option<&'a str>,
        mut counts: Counts,
        is_before: bool,
    ) {
        // Times of the period before are not shown; that keeps what is in memory small.
        if is_before || !self.timed {
            counts.histogram = Histogram::default();
        }
        let name: Option<Vec<String>> =
            self.keys.iter().map(|key| text(key).map(str::to_owned)).collect();
        let row = match name {
            Some(name) if self.rows.len() < NAMES || self.rows.contains_key(&name) => {
                self.rows.entry(name).or_default()
            }
            _ => &mut self.others,
        };
        row.add(&counts, is_before);
    }

    /// The most frequent ones, and the others together.
    pub(super) fn shown(&self, before: bool) -> Value {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by(|(a, of_a), (b, of_b)| {
            let (of_a, of_b) = (&of_a.now, &of_b.now);
            (of_b.requests, of_b.errors).cmp(&(of_a.requests, of_a.errors)).then_with(|| a.cmp(b))
        });
        let mut others = self.others.clone();
        for (_, row) in rows.iter().skip(ROWS) {
            others.now.merge(&row.now);
            others.before.merge(&row.before);
        }
        let named = |(name, row): &(&Vec<String>, &Row)| {
            let mut shown: Map<_, _> = self
                .keys
                .iter()
                .zip(*name)
                .map(|(key, text)| ((*key).to_owned(), json!(text)))
                .collect();
            shown.extend(row.shown(self.timed, before));
            Value::Object(shown)
        };
        json!({
            "rows": rows.iter().take(ROWS).map(named).collect::<Vec<_>>(),
            "names": rows.iter().filter(|(_, row)| row.now.records > 0).count(),
            "others": others.shown(self.timed, before),
        })
    }
}

fn sums(counts: &Counts) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("count".into(), number(counts.requests));
    shown.insert("errors".into(), number(counts.errors));
    shown.insert("mean_us".into(), mean(counts));
    shown
}

/// Sums and the distribution of times.
pub(super) fn times(counts: &Counts) -> Map<String, Value> {
    let mut shown = sums(counts);
    for (name, per_mille) in [("p50_us", 500), ("p90_us", 900), ("p99_us", 990)] {
        shown.insert(name.into(), quantile(counts, per_mille));
    }
    shown.insert("max_us".into(), json!(counts.max_us));
    shown
}

/// A number of millionths, whole where it is.
pub(super) fn number(millionths: u64) -> Value {
    let rest = millionths.checked_rem(WEIGHT_ONE).unwrap_or(0);
    match millionths.checked_div(WEIGHT_ONE) {
        Some(whole) if rest == 0 => json!(whole),
        _ => json!(ratio(millionths, WEIGHT_ONE)),
    }
}

/// The mean time in µs, as all exchanges have a time.
fn mean(counts: &Counts) -> Value {
    let timed = counts.requests > 0 && counts.sum_us > 0;
    json!(timed.then(|| rounded(ratio(counts.sum_us, counts.requests) * 1e6)))
}

fn quantile(counts: &Counts, per_mille: u16) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "at most 2^40")]
    let most = counts.max_us as f64;
    json!(counts.histogram.quantile(per_mille).map(|time| rounded(time.min(most))))
}

/// By which part a count has grown; `None` from nothing.
fn change(now: u64, before: u64) -> Option<f64> {
    (before > 0).then(|| ratio(now, before) - 1.0)
}

fn ratio(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "shown in a few digits")]
    let (part, whole) = (part as f64, whole as f64);
    part / whole
}

/// To thousandths.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(requests: u64, errors: u64, took: u64) -> Counts {
        let mut counts = Counts {
            records: requests,
            requests: requests * WEIGHT_ONE,
            errors: errors * WEIGHT_ONE,
            sum_us: requests * took,
            max_us: took,
            ..Counts::default()
        };
        counts.histogram.add(took, counts.requests);
        counts
    }

    fn add(table: &mut Table, name: Option<&str>, of: Counts, is_before: bool) {
        table.add(|key| name.filter(|_| key == "route"), of, is_before);
    }

    #[test]
    fn the_most_frequent_names_have_their_sums_and_their_change() {
        let mut table = Table::new(&["route"], true);
        for (name, requests, errors, took, is_before) in [
            (Some("a"), 30, 3, 1_000, false),
            (Some("a"), 10, 0, 9_000, false),
            (Some("a"), 20, 1, 500, true),
            (Some("b"), 50, 0, 100, false),
            (None, 7, 7, 5, false),
            (Some("gone"), 9, 9, 5, true),
        ] {
            add(&mut table, name, counts(requests, errors, took), is_before);
        }
        let shown = table.shown(true);
        let row = |at: usize, key: &str| shown["rows"][at][key].clone();
        assert_eq!((row(0, "route"), row(0, "change")), (json!("b"), json!(null)), "new");
        assert_eq!(
            (row(1, "route"), row(1, "count"), row(1, "errors")),
            (json!("a"), json!(40), json!(3))
        );
        assert_eq!((row(1, "mean_us"), row(1, "change")), (json!(3_000.0), json!(1.0)));
        let p99 = row(1, "p99_us").as_f64().unwrap();
        assert!((p99 - 9_000.0).abs() <= 99.0, "{p99}");
        assert_eq!(row(1, "before"), json!({"count": 20, "errors": 1, "mean_us": 500.0}));
        assert_eq!(
            (row(2, "route"), row(2, "count"), row(2, "change")),
            (json!("gone"), json!(0), json!(-1.0))
        );
        assert_eq!((&shown["names"], &shown["others"]["count"]), (&json!(2), &json!(7)));
        // Nobody knows how it was before if that was not counted.
        let shown = table.shown(false);
        assert_eq!(
            (&shown["rows"][1]["before"], &shown["rows"][1]["change"]),
            (&json!(null), &json!(null))
        );
    }

    #[test]
    fn names_past_the_bound_are_counted_together_and_nothing_is_lost() {
        let mut table = Table::new(&["route"], true);
        for number in 0..NAMES + 30 {
            let name = number.to_string();
            add(&mut table, Some(&name), counts(1, 0, 1), false);
            add(&mut table, Some(&name), counts(2, 1, 1), true);
        }
        assert_eq!(table.rows.len(), NAMES);
        let shown = table.shown(true);
        assert_eq!(shown["rows"].as_array().unwrap().len(), ROWS);
        assert_eq!(shown["others"]["count"], json!(NAMES + 30 - ROWS));
        assert_eq!(shown["others"]["before"]["errors"], json!(NAMES + 30 - ROWS));
    }

    #[test]
    fn a_sampled_count_that_is_not_whole_keeps_its_fraction() {
        assert_eq!(
            (number(2_500_000), number(3_000_000), number(0)),
            (json!(2.5), json!(3), json!(0))
        );
    }
}

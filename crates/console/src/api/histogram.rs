//! `histogram`: the newest records that match, counted over time and by what they have in common.

use std::collections::{BTreeMap, HashMap};

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use gatelog_record::Level;
use gatelog_search::{Found, Reach};
use mongodb::bson::{RawBsonRef, RawDocument};
use serde_json::{Map, Value, json};

use super::App;
use super::answer::{self, Refusal};
use super::caller::Caller;
use super::search::{next, reach, walk, wanted, within};
use super::span::{Span, time};

/// Maximum records counted.
const RECORDS: usize = 5_000;
/// Maximum buckets.
const BUCKETS: i64 = 120;
/// The lengths that a bucket may have, in milliseconds: 1 ms to a week.
const STEPS: [i64; 27] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000,
    120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000,
    43_200_000, 86_400_000,
];
const LONGEST: i64 = 604_800_000;
/// Values of a facet in the answer by default; there may be as many as are counted.
const VALUES: usize = 20;
/// Distinct values of a facet that are counted; those that come later are not.
const DISTINCT: usize = 1_000;
/// Maximum bytes of a value; a longer one is not counted.
const VALUE_BYTES: usize = 256;

/// What is read of each record.
const KEYS: [&str; 5] =
    ["level", "logger_name", "http.status", "http.route", "context.organization_id"];

pub(super) async fn histogram(
    State(app): State<App>,
    caller: Caller,
) -> Result<Response<Body>, Refusal> {
    let known = ["query", "since", "until", "limit", "after", "reach", "within", "values"];
    let params = caller.params(&known)?;
    let span = Span::of(&params)?;
    let most = params.count("limit", RECORDS, RECORDS)?;
    let values = params.count("values", VALUES, DISTINCT)?;
    let search = wanted(&caller.viewer, &params, span, Reach::Flows)?;
    let within = within(&app, &params)?;
    let turn = app.turn(&caller.viewer).await?;
    let time = within.begin();
    let mut walk = walk(&app, &params, search)?.reading(&KEYS);
    let mut counts = Counts::new(span);
    while walk.end().is_none() && counts.records < most {
        for found in walk.step(most.saturating_sub(counts.records), time).await? {
            counts.add(&found);
        }
    }
    let body = json!({
        "step_ms": counts.step,
        "records": counts.records,
        "buckets": counts.buckets(span),
        "facets": counts.facets(values),
        "reach": reach(&app, &walk, span)?,
        "next": next(&walk),
    });
    Ok(answer::held(format!("{body}\n"), turn))
}

/// The shortest step with which a span has few enough buckets.
fn step(span: Span) -> i64 {
    let fits = |step: &i64| span.millis().checked_div(*step).is_some_and(|count| count < BUCKETS);
    STEPS.into_iter().find(fits).unwrap_or(LONGEST)
}

struct Counts {
    step: i64,
    records: usize,
    /// By the first millisecond of the bucket.
    levels: HashMap<i64, [u64; 5]>,
    facets: [Facet; 5],
}

struct Facet {
    name: &'static str,
    path: &'static [&'static str],
    values: HashMap<Shown, u64>,
}

/// A value of a facet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Shown {
    Text(String),
    Number(i64),
}

impl Counts {
    fn new(span: Span) -> Self {
        let facet = |name, path| Facet { name, path, values: HashMap::new() };
        Self {
            step: step(span),
            records: 0,
            levels: HashMap::new(),
            facets: [
                facet("level", &["level"][..]),
                facet("logger_name", &["logger_name"]),
                facet("status", &["http", "status"]),
                facet("route", &["http", "route"]),
                facet("organization", &["context", "organization_id"]),
            ],
        }
    }

    fn add(&mut self, found: &Found) {
        self.records = self.records.saturating_add(1);
        let start = floor(found.key.at.unix_millis(), self.step);
        let levels = self.levels.entry(start).or_default();
        if let Some(count) = levels.get_mut(found.level.index()) {
            *count = count.saturating_add(1);
        }
        for facet in &mut self.facets {
            facet.add(&found.document);
        }
    }

    /// All buckets of the span, also those without a record.
    fn buckets(&self, span: Span) -> Vec<Value> {
        let mut buckets = Vec::new();
        let mut start = floor(span.since.unix_millis(), self.step);
        while start < span.until.unix_millis() {
            let levels = self.levels.get(&start).copied().unwrap_or_default();
            let counts: Map<_, _> = Level::ALL
                .into_iter()
                .zip(levels)
                .filter(|(_, count)| *count > 0)
                .map(|(level, count)| (level.as_str().to_owned(), count.into()))
                .collect();
            buckets.push(json!({"start": time(start).to_string(), "counts": counts}));
            start = start.saturating_add(self.step);
        }
        buckets
    }

    fn facets(&self, most: usize) -> BTreeMap<&'static str, Vec<Value>> {
        self.facets.iter().map(|facet| (facet.name, facet.top(most))).collect()
    }
}

impl Facet {
    fn add(&mut self, document: &RawDocument) {
        let Some(value) = value(document, self.path) else { return };
        if self.values.len() < DISTINCT || self.values.contains_key(&value) {
            let count = self.values.entry(value).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// The most frequent values with their counts.
    fn top(&self, most: usize) -> Vec<Value> {
        let mut values: Vec<_> = self.values.iter().collect();
        values.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
        let shown = |(value, count): (&Shown, &u64)| match value {
            Shown::Text(text) => json!([text, count]),
            Shown::Number(number) => json!([number, count]),
        };
        values.into_iter().take(most).map(shown).collect()
    }
}

fn value(document: &RawDocument, path: &[&str]) -> Option<Shown> {
    let (last, parts) = path.split_last()?;
    let mut at = document;
    for part in parts {
        at = at.get_document(part).ok()?;
    }
    match at.get(last).ok()?? {
        RawBsonRef::String(text) if text.len() <= VALUE_BYTES => Some(Shown::Text(text.to_owned())),
        RawBsonRef::Int32(number) => Some(Shown::Number(number.into())),
        RawBsonRef::Int64(number) => Some(Shown::Number(number)),
        _ => None,
    }
}

/// The last multiple of the step at or before a time.
fn floor(millis: i64, step: i64) -> i64 {
    millis.saturating_sub(millis.checked_rem_euclid(step).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use gatelog_record::Uuid;
    use gatelog_search::Key;
    use mongodb::bson::{Document, RawDocumentBuf, doc};

    use super::*;

    fn found(millis: i64, document: &Document) -> Found {
        let key = Key { at: time(millis), id: Uuid::nil() };
        let document = RawDocumentBuf::try_from(document).unwrap();
        Found { key, level: Level::Error, document }
    }

    fn span(since: i64, until: i64) -> Span {
        Span { since: time(since), until: time(until) }
    }

    #[test]
    fn a_span_has_at_most_a_hundred_and_some_buckets_of_a_round_length() {
        for (millis, expected) in [
            (1, 1),
            (119, 1),
            (60_000, 1_000),
            (3_600_000, 60_000),
            (86_400_000, 900_000),
            (86_400_000 * 400, 604_800_000),
        ] {
            let step = step(span(0, millis));
            assert_eq!(step, expected, "{millis}");
            assert!(Counts::new(span(7, millis + 7)).buckets(span(7, millis + 7)).len() <= 121);
        }
    }

    #[test]
    fn records_are_counted_by_time_and_by_their_values() {
        let mut counts = Counts::new(span(0, 10_000));
        assert_eq!(counts.step, 100);
        for (millis, status) in [(0, 500), (99, 500), (100, 404), (9_999, 500)] {
            let document = doc! {
                "level": "ERROR", "http": { "status": status, "route": "r" },
                "logger_name": "x".repeat(VALUE_BYTES + 1),
            };
            counts.add(&found(millis, &document));
        }
        let buckets = counts.buckets(span(0, 10_000));
        assert_eq!(buckets.len(), 100);
        assert_eq!(buckets[0]["counts"], json!({"ERROR": 2}));
        assert_eq!(buckets[2]["counts"], json!({}));
        assert_eq!(buckets[99]["counts"], json!({"ERROR": 1}));
        let facets = json!(counts.facets(VALUES));
        assert_eq!(facets["status"], json!([[500, 3], [404, 1]]));
        assert_eq!(facets["route"], json!([["r", 4]]));
        assert_eq!(facets["logger_name"], json!([]));
    }

    #[test]
    fn distinct_values_are_bounded() {
        let mut counts = Counts::new(span(0, 10_000));
        for number in 0..DISTINCT + 10 {
            counts.add(&found(0, &doc! { "logger_name": number.to_string() }));
        }
        counts.add(&found(0, &doc! { "logger_name": "0" }));
        assert_eq!(counts.facets[1].values.len(), DISTINCT);
        assert_eq!(counts.facets(VALUES)["logger_name"][0], json!(["0", 2]));
        assert_eq!(counts.facets(VALUES)["logger_name"].len(), VALUES);
    }
}

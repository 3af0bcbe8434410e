//! Adds up the documents of rollups: over time, and by name.

use std::collections::BTreeMap;

use gatelog_collector::rollup::{Family, Histogram, Value as Counts};
use gatelog_collector::store::counts::Count;
use serde_json::{Map, Value, json};

use super::super::span::time;
use super::period::Looked;
use super::table::{Row, Table, number, times};

/// The classes of statuses; `none` if there was no response.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];
/// The class of applications' records in the family `tenant`.
const APPLICATION: &str = "application";
/// Bands of the heatmap for each doubling of the time: 2 to the power of the scale, 1.
const HEAT_SCALE: i32 = 1;

/// A point of the series.
#[derive(Clone, Debug, Default)]
struct Point {
    counts: Counts,
    classes: [u64; CLASSES.len()],
}

/// Everything that an overview shows.
#[derive(Debug)]
pub(super) struct Merged {
    looked: Looked,
    /// The family whose exchanges make the series.
    series: Family,
    points: Vec<Point>,
    total: Row,
    classes: [u64; CLASSES.len()],
    tables: BTreeMap<&'static str, Table>,
}

impl Merged {
    /// With the series from the exchanges of this family, and a table of each of the others.
    pub(super) fn new(looked: Looked, series: Family, families: &[Family]) -> Self {
        let tables = families.iter().map(|family| match family {
            Family::Route => ("routes", Table::new(&["logger", "route"], true)),
            Family::Tenant => ("organizations", Table::new(&["organization"], true)),
            Family::Service => ("loggers", Table::new(&["logger"], false)),
            Family::Fingerprint => {
                let keys = &["fingerprint", "logger", "function", "kind"];
                ("errors", Table::new(keys, false))
            }
        });
        Self {
            looked,
            series,
            points: looked.points().map(|_| Point::default()).collect(),
            total: Row::default(),
            classes: [0; CLASSES.len()],
            tables: tables.collect(),
        }
    }

    /// Adds a document.
    pub(super) fn add(&mut self, count: &Count<'_>) {
        let family = count.family;
        let Some(at) = count.period.start() else { return };
        let is_before = at < self.looked.from;
        let class = count.text(if family == Family::Tenant { "class" } else { "status" });
        // An organization's requests, not what applications log during them.
        if family == Family::Tenant && class == Some(APPLICATION) {
            return;
        }
        if family == self.series {
            self.total.add(&count.value, is_before);
            let class = CLASSES.iter().position(|name| Some(*name) == class);
            if let Some(point) = self.looked.point(at).and_then(|at| self.points.get_mut(at)) {
                point.counts.merge(&count.value);
                for classes in [&mut point.classes, &mut self.classes] {
                    if let Some(sum) = class.and_then(|class| classes.get_mut(class)) {
                        *sum = sum.saturating_add(count.value.requests);
                    }
                }
            }
        }
        let table = match family {
            Family::Route => "routes",
            Family::Tenant => "organizations",
            Family::Service => "loggers",
            Family::Fingerprint => "errors",
        };
        if let Some(table) = self.tables.get_mut(table) {
            let value = &count.value;
            table.add(|key| count.text(key), value.clone(), is_before);
        }
    }

    /// Totals, series and tables. `before`: whether the period before was counted. Points before
    /// `reached` were not read, and are null.
    pub(super) fn shown(&self, reached: i64, before: bool) -> Map<String, Value> {
        let mut totals = self.total.whole(before);
        totals.insert("classes".into(), classes(&self.classes));
        let points = self.looked.points().zip(&self.points);
        let points: Vec<Value> =
            points.map(|(start, point)| point.shown(start, start < reached)).collect();
        let mut shown = Map::new();
        shown.insert("totals".into(), totals.into());
        shown.insert("series".into(), points.into());
        shown.insert("heat_scale".into(), HEAT_SCALE.into());
        for name in ["routes", "organizations", "loggers", "errors"] {
            let table = self.tables.get(name).map(|table| table.shown(before));
            shown.insert(name.into(), json!(table));
        }
        shown
    }
}

impl Point {
    fn shown(&self, start: i64, unread: bool) -> Value {
        let mut shown = Map::new();
        shown.insert("start".into(), time(start).to_string().into());
        if unread {
            shown.insert("count".into(), Value::Null);
            return shown.into();
        }
        shown.extend(times(&self.counts));
        shown.insert("classes".into(), classes(&self.classes));
        shown.insert("heat".into(), heat(&self.counts.histogram));
        shown.into()
    }
}

fn classes(counts: &[u64]) -> Value {
    let named = CLASSES.iter().zip(counts).filter(|(_, count)| **count > 0);
    named.map(|(name, count)| ((*name).to_owned(), number(*count))).collect::<Map<_, _>>().into()
}

/// Pairs of a band and its count: band `i` has the times above `2^(i/2)` µs and up to `2^((i+1)/2)`.
fn heat(histogram: &Histogram) -> Value {
    let mut bands: BTreeMap<i16, u64> = BTreeMap::new();
    // What took no time at all is in the lowest band.
    for (bucket, count) in [(&-1, &histogram.zero)].into_iter().chain(&histogram.buckets) {
        // As OpenTelemetry lowers a scale.
        let band = bucket >> (Histogram::SCALE.abs_diff(HEAT_SCALE));
        let sum = bands.entry(band).or_default();
        *sum = sum.saturating_add(*count);
    }
    let pairs = bands.into_iter().filter(|(_, count)| *count > 0);
    pairs.map(|(band, count)| json!([band, number(count)])).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{DateTime, Document, RawDocumentBuf, doc};

    use super::super::super::span::Span;
    use super::*;

    const FROM: i64 = 1_795_741_380_000;

    fn document(
        family: &str,
        start: i64,
        dimension: Document,
        requests: i64,
        took: i32,
    ) -> RawDocumentBuf {
        let millionths = requests * 1_000_000;
        let document = doc! {
            "_id": format!("minute:{family}:x:"), "start": DateTime::from_millis(start),
            "dimension": dimension, "records": requests, "requests": millionths,
            "errors": 1_000_000_i64, "sum_us": requests * i64::from(took), "max_us": i64::from(took),
            // 1,000 µs are in bucket 318.
            "histogram": { "scale": 5, "zero": 0_i64, "buckets": [318], "counts": [millionths] },
        };
        RawDocumentBuf::try_from(&document).unwrap()
    }

    fn merged(series: Family, families: &[Family], documents: &[RawDocumentBuf]) -> Value {
        let span = Span { since: time(FROM), until: time(FROM + 180_000) };
        let mut merged = Merged::new(Looked::of(span, FROM + 180_000), series, families);
        for document in documents {
            merged.add(&Count::read(document).unwrap());
        }
        merged.shown(i64::MIN, true).into()
    }

    fn route(minute: i64, route: &str, status: &str, requests: i64) -> RawDocumentBuf {
        let dimension =
            doc! { "logger": "edge", "route": route, "status": status, "level": "INFO" };
        document("route", FROM + minute * 60_000, dimension, requests, 1_000)
    }

    #[test]
    fn parts_of_all_collectors_add_up_and_a_minute_without_documents_is_zero() {
        let shown = merged(
            Family::Route,
            &[Family::Route],
            &[
                route(0, "a", "2xx", 3),
                route(0, "a", "2xx", 4),
                route(2, "b", "5xx", 2),
                route(-1, "a", "2xx", 5),
            ],
        );
        let counts: Vec<_> =
            shown["series"].as_array().unwrap().iter().map(|it| it["count"].clone()).collect();
        assert_eq!(counts, [json!(7), json!(0), json!(2)]);
        assert_eq!(shown["series"][1]["p99_us"], json!(null));
        assert_eq!(shown["series"][1]["heat"], json!([]));
        assert_eq!(shown["series"][0]["heat"], json!([[19, 7]]), "2^9.5 to 2^10 µs");
        let totals = &shown["totals"];
        assert_eq!((&totals["count"], &totals["errors"]), (&json!(9), &json!(3)));
        assert_eq!(totals["classes"], json!({"2xx": 7, "5xx": 2}));
        assert_eq!((&totals["before"]["count"], &totals["change"]), (&json!(5), &json!(0.8)));
        let p50 = totals["p50_us"].as_f64().unwrap();
        assert!((p50 - 1_000.0).abs() <= 11.0, "{p50}");
        assert_eq!(shown["routes"]["rows"][0]["route"], "a");
        assert_eq!(shown["organizations"], json!(null));
    }

    #[test]
    fn a_part_of_the_time_that_was_not_read_is_null_and_not_zero() {
        let span = Span { since: time(FROM), until: time(FROM + 180_000) };
        let merged = Merged::new(Looked::of(span, FROM + 180_000), Family::Route, &[]);
        let shown = merged.shown(FROM + 60_000, false);
        let counts: Vec<_> =
            shown["series"].as_array().unwrap().iter().map(|it| it["count"].clone()).collect();
        assert_eq!(counts, [json!(null), json!(0), json!(0)]);
    }

    #[test]
    fn an_organization_is_counted_by_its_requests_and_not_by_what_applications_log() {
        let tenant = |class: &str| {
            let dimension = doc! { "organization": "acme", "level": "INFO", "class": class };
            document("tenant", FROM, dimension, 2, 1_000)
        };
        let shown = merged(Family::Tenant, &[], &[tenant("2xx"), tenant(APPLICATION)]);
        assert_eq!((&shown["totals"]["count"], &shown["routes"]), (&json!(2), &json!(null)));
        let shown = merged(Family::Route, &[Family::Tenant], &[tenant("4xx"), tenant(APPLICATION)]);
        assert_eq!(shown["organizations"]["rows"][0]["count"], 2);
        assert_eq!(shown["totals"]["count"], 0, "the series is of routes");
    }
}

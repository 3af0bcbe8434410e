//! Counts stored records, by the rules of docs/rollups.md and without any code of the collector.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gatelog_record::Timestamp;
use mongodb::bson::{Bson, Document};
use sha2::{Digest, Sha256};

/// The collections of the levels.
pub(crate) const LEVELS: [&str; 5] =
    ["debug_logs", "info_logs", "warning_logs", "error_logs", "critical_logs"];

/// Resolution, family, start in ms since 1970 (0 if untimed), and the values of the dimension's keys.
pub(crate) type Key = (&'static str, String, i64, Vec<(String, String)>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    records: u64,
    requests: u64,
    errors: u64,
    total_us: u64,
    max_us: u64,
    zero: u64,
    buckets: BTreeMap<i64, u64>,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.requests += other.requests;
        self.errors += other.errors;
        self.total_us += other.total_us;
        self.max_us = self.max_us.max(other.max_us);
        self.zero += other.zero;
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
    }
}

/// A whole number of a document.
pub(crate) fn whole(document: &Document, key: &str) -> Option<u64> {
    let value = document.get(key)?;
    let value = value.as_i64().or_else(|| value.as_i32().map(i64::from))?;
    Some(u64::try_from(value).unwrap())
}

/// The sums of what the collectors have counted, and how many documents they are from.
pub(crate) fn counted(documents: &[Document]) -> (BTreeMap<Key, Sum>, u64) {
    let (mut sums, mut parts): (BTreeMap<Key, Sum>, u64) = (BTreeMap::new(), 0);
    for document in documents {
        let mut id = document.get_str("_id").unwrap().split(':');
        let resolution = match id.next().unwrap() {
            "minute" => "minute",
            "hour" => "hour",
            "untimed" => "untimed",
            "collector" => continue,
            other => panic!("{other}: {document}"),
        };
        let text = |value: &Bson| value.as_str().unwrap().to_owned();
        let dimension = document.get_document("dimension").unwrap();
        let values = dimension.iter().map(|(key, value)| (key.clone(), text(value))).collect();
        let start = document.get_datetime("start").map_or(0, |start| start.timestamp_millis());
        let histogram = document.get_document("histogram").unwrap();
        let buckets = histogram.get_array("buckets").unwrap().iter();
        let counts = histogram.get_array("counts").unwrap().iter();
        let number = |key: &str| whole(document, key).unwrap();
        let sum = Sum {
            records: number("records"),
            requests: number("requests"),
            errors: number("errors"),
            total_us: number("sum_us"),
            max_us: number("max_us"),
            zero: whole(histogram, "zero").unwrap(),
            buckets: buckets
                .map(|bucket| i64::from(bucket.as_i32().unwrap()))
                .zip(counts.map(|count| u64::try_from(count.as_i64().unwrap()).unwrap()))
                .collect(),
        };
        let key = (resolution, id.next().unwrap().to_owned(), start, values);
        sums.entry(key).or_default().add(&sum);
        parts += 1;
    }
    (sums, parts)
}

/// What the rollups of these records must be.
pub(crate) fn recount<'a>(records: impl Iterator<Item = &'a Document>) -> BTreeMap<Key, Sum> {
    let mut sums: BTreeMap<Key, Sum> = BTreeMap::new();
    for record in records {
        let text = |path: &[&str]| get(record, path).and_then(Bson::as_str);
        let level = text(&["level"]).unwrap();
        let is_exchange = text(&["http", "method"]).is_some();
        if is_exchange && level == "DEBUG" {
            continue;
        }
        let took_us = number(record, &["trace", "execution_time_ms"])
            .map(|ms| (ms * 1e3).round().clamp(0.0, 2_f64.powi(50)) as u64);
        let began = Timestamp::parse(text(&["timestamp"]).unwrap()).unwrap().unix_micros();
        let end_us = began + if is_exchange { took_us.unwrap_or(0) as i64 } else { 0 };
        let weight =
            number(record, &["sampling", "weight"]).map_or(1_000_000, |it| (it * 1e6) as u64);
        // None came late; some say that they will end in weeks.
        let periods = if end_us - began > 3_600_000_000 {
            vec![("untimed", i64::MAX)]
        } else {
            vec![("minute", 60_000_000), ("hour", 3_600_000_000)]
        };
        let is_error = ["ERROR", "CRITICAL"].contains(&level);
        let mut sum = Sum {
            records: 1,
            requests: weight,
            errors: if is_error { weight } else { 0 },
            ..Sum::default()
        };
        if let Some(took) = took_us {
            let product = u128::from(took) * u128::from(weight);
            (sum.total_us, sum.max_us) = ((product / 1_000_000) as u64, took);
            match bucket(took) {
                None => sum.zero = weight,
                Some(bucket) => sum.buckets = [(bucket, weight)].into(),
            }
        }
        for (family, values) in dimensions(record, level, is_exchange, is_error) {
            for (resolution, length) in &periods {
                let start = end_us - end_us % length;
                let key = (*resolution, family.to_owned(), start / 1_000, values.clone());
                sums.entry(key).or_default().add(&sum);
            }
        }
    }
    sums
}

fn get<'a>(record: &'a Document, path: &[&str]) -> Option<&'a Bson> {
    let (last, parts) = path.split_last()?;
    let part = parts.iter().try_fold(record, |part, key| part.get_document(key).ok())?;
    part.get(last)
}

fn number(record: &Document, path: &[&str]) -> Option<f64> {
    let value = get(record, path)?;
    value
        .as_f64()
        .or_else(|| value.as_i32().map(f64::from))
        .or_else(|| value.as_i64().map(|it| it as f64))
}

type Dimension = (&'static str, Vec<(String, String)>);

fn dimensions(record: &Document, level: &str, is_exchange: bool, is_error: bool) -> Vec<Dimension> {
    let text = |path: &[&str]| get(record, path).and_then(Bson::as_str).unwrap_or_default();
    let (logger, function) = (text(&["logger_name"]), text(&["function_name"]));
    let class = match number(record, &["http", "status"]) {
        _ if !is_exchange => "application".to_owned(),
        Some(status) => format!("{}xx", status as u64 / 100),
        None => "none".to_owned(),
    };
    let named = |values: &[(&str, &str)]| {
        values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let mut dimensions = Vec::new();
    if is_exchange {
        let method = text(&["http", "method"]);
        let method = if ["GET", "POST"].contains(&method) { method } else { "_OTHER" };
        let values = [
            ("logger", logger),
            ("route", function),
            ("method", method),
            ("status", &class),
            ("level", level),
        ];
        dimensions.push(("route", named(&values)));
    } else {
        dimensions.push(("service", named(&[("logger", logger), ("level", level)])));
    }
    let organization = text(&["context", "organization_id"]);
    if !organization.is_empty() {
        let values = [("organization", organization), ("level", level), ("class", &class)];
        dimensions.push(("tenant", named(&values)));
    }
    if is_error {
        let details = text(&["error", "details"]);
        let kind = match (is_exchange, text(&["error", "type"])) {
            (false, kind) => kind,
            (true, _) if details.is_empty() => &class,
            (true, _) => details.split_once('{').unwrap().0,
        };
        let template = match kind {
            "" => text(&["message"]).replace(|letter: char| letter.is_ascii_digit(), "#"),
            _ => String::new(),
        };
        let hash = Sha256::digest(
            [logger, function, kind, &template.replace("##", "#")]
                .map(|part| [part.as_bytes(), &[0xff]].concat())
                .concat(),
        );
        let mark = format!("{:016x}", u64::from_be_bytes(hash[..8].try_into().unwrap()));
        let values =
            [("fingerprint", &*mark), ("logger", logger), ("function", function), ("kind", kind)];
        dimensions.push(("fingerprint", named(&values)));
    }
    dimensions
}

/// The upper bounds of the buckets, from that of −1 on.
static BOUNDS: LazyLock<Vec<f64>> =
    LazyLock::new(|| (0..=1_280).map(|index| 2_f64.powf(f64::from(index) / 32.0)).collect());

/// The bucket above 2^(i/32) and up to 2^((i+1)/32); none for 0. The last one has what is larger.
fn bucket(value: u64) -> Option<i64> {
    let at = BOUNDS.iter().position(|bound| value as f64 <= *bound).unwrap_or(1_280);
    (value > 0).then_some(at as i64 - 1)
}

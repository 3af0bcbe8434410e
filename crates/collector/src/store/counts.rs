//! What the documents of `gatelog_rollups` say: the reading side of `rollups`.

use mongodb::bson::{DateTime, Document, RawBsonRef, RawDocument, doc};

use super::rollups::COLLECTOR;
use super::{Store, StoreError};
use crate::rollup::{Family, Histogram, Period, Value};

/// What is counted of a dimension in a period, by one collector: one part of a value.
#[derive(Clone, Debug)]
pub struct Count<'a> {
    /// The kind of count.
    pub family: Family,
    /// The minute or hour.
    pub period: Period,
    /// The counts. Their histogram is empty if it was not asked for.
    pub value: Value,
    dimension: &'a RawDocument,
}

impl<'a> Count<'a> {
    /// Reads a document; `None` if it is something else, or untimed.
    pub fn read(document: &'a RawDocument) -> Option<Self> {
        let period = period_of(document)?;
        let family = document.get_str("_id").ok()?.split(':').nth(1)?;
        let number = |key: &str| whole(document.get(key).ok().flatten());
        Some(Self {
            family: Family::parse(family)?,
            period,
            value: Value {
                records: number("records"),
                requests: number("requests"),
                errors: number("errors"),
                sum_us: number("sum_us"),
                max_us: number("max_us"),
                histogram: document.get_document("histogram").map(histogram).unwrap_or_default(),
            },
            dimension: document.get_document("dimension").ok()?,
        })
    }

    /// The value of a key of its dimension; `None` where the name was left out.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.dimension.get_str(key).ok()
    }
}

/// The minute or hour that a document counts; `None` if it is something else, or untimed.
pub fn period_of(document: &RawDocument) -> Option<Period> {
    let (resolution, _) = document.get_str("_id").ok()?.split_once(':')?;
    Period::containing(resolution, document.get_datetime("start").ok()?.timestamp_millis())
}

fn histogram(document: &RawDocument) -> Histogram {
    let mut histogram =
        Histogram { zero: whole(document.get("zero").ok().flatten()), ..Histogram::default() };
    let array = |key: &str| document.get_array(key).ok();
    let (Some(buckets), Some(counts)) = (array("buckets"), array("counts")) else {
        return histogram;
    };
    for (bucket, count) in buckets.into_iter().zip(counts) {
        let (Ok(bucket), Ok(count)) = (bucket, count) else { continue };
        let bucket = bucket.as_i32().and_then(|bucket| i16::try_from(bucket).ok());
        if let Some(bucket) = bucket {
            histogram.add_to(bucket, whole(Some(count)));
        }
    }
    histogram
}

fn whole(value: Option<RawBsonRef<'_>>) -> u64 {
    let value = value.and_then(|value| value.as_i64().or(value.as_i32().map(i64::from)));
    value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0)
}

/// What a collector says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorState {
    /// Its spool file's id.
    pub file: String,
    /// When it last said so, in ms since 1970.
    pub at: i64,
    /// Records that wait in its spool.
    pub waiting: u64,
    /// From when on it may still write values.
    pub held: Option<i64>,
    /// What it accepted before this is in the values of the database; `None` if that is not known.
    pub counted_to: Option<i64>,
    /// Whether it has ended, with nothing left to count.
    pub stopped: bool,
}

/// A collector that stores without counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncounting {
    /// Where it runs, for people.
    pub collector: String,
    /// When it began, in ms since 1970.
    pub since: i64,
    /// Its last sign of life, in ms since 1970.
    pub at: i64,
}

impl Store {
    /// The collectors of the last 90 days that do not count what they store.
    ///
    /// # Errors
    ///
    /// The database refuses; the call may be retried.
    pub async fn uncounting(&self) -> Result<Vec<Uncounting>, StoreError> {
        let signs = self.signs().await?.into_iter().filter(|sign| !sign.counts);
        Ok(signs
            .map(|sign| Uncounting { collector: sign.name, since: sign.since, at: sign.at })
            .collect())
    }
}

impl CollectorState {
    /// Reads a document.
    pub fn read(document: &RawDocument) -> Option<Self> {
        let id = document.get_str("_id").ok()?;
        let date = |key: &str| document.get_datetime(key).ok().map(DateTime::timestamp_millis);
        Some(Self {
            file: id.strip_prefix(COLLECTOR)?.to_owned(),
            at: date("at")?,
            waiting: whole(document.get("waiting").ok().flatten()),
            held: date("held"),
            counted_to: date("counted_to"),
            stopped: document.get_bool("stopped").unwrap_or_default(),
        })
    }
}

/// The documents whose ids begin like this: a text that ends with `:`.
pub fn starting_with(prefix: &str) -> Document {
    // `;` comes after `:`, with which every prefix ends.
    let end = format!("{};", prefix.strip_suffix(':').unwrap_or(prefix));
    doc! { "_id": { "$gte": prefix, "$lt": end } }
}

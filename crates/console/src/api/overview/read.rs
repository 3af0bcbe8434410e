//! Reads rollups, newest first, within bounds.

use std::time::Duration;

use gatelog_collector::rollup::{MINUTES_KEPT, Period};
use gatelog_collector::store::counts::{
    CollectorState, Count, Uncounting, period_of, starting_with,
};
use gatelog_collector::store::rollups::{COLLECTOR, RECOUNT};
use gatelog_collector::store::{ROLLUPS, Store, StoreError};
use mongodb::Collection;
use mongodb::bson::{DateTime, RawDocument, RawDocumentBuf, doc};
use mongodb::error::{Error, ErrorKind};
use tokio::time::Instant;

use super::merge::Merged;
use super::period::Looked;
use super::scope::Visible;

/// Maximum documents that are read: about 600 bytes each.
const DOCUMENTS: usize = 400_000;
/// Documents in memory at once.
const AT_ONCE: u32 = 1_000;
/// Maximum documents of one minute or hour that are kept until all of it was read, about 30 MB. If there are
/// more, and the bound is reached among them, a part of them is counted.
const OF_PERIOD: usize = 50_000;
/// Maximum collectors and hours being counted again that are looked at.
const STATES: usize = 10_000;
/// `MaxTimeMSExpired`
const TOO_SLOW: i32 = 50;

/// Why not everything was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bound on documents.
    Documents,
    /// The time was over.
    Time,
}

/// What was read.
pub(super) struct Read {
    pub(super) merged: Merged,
    /// Everything from here on was read, in ms since 1970.
    pub(super) reached: i64,
    pub(super) stop: Option<Stop>,
}

/// Reads what is visible of both periods, until the deadline.
pub(super) async fn counts(
    store: &Store,
    visible: &Visible,
    looked: Looked,
    deadline: Instant,
) -> Result<Read, StoreError> {
    let within = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let collection = store.database().collection::<RawDocumentBuf>(ROLLUPS);
    let filter = visible.filter(looked);
    let merged = Merged::new(looked, visible.series, visible.tables);
    let mut reading = Reading { merged, period: None, unfinished: Vec::new() };
    store
        .run(async move {
            let mut documents = 0_usize;
            let end = async {
                let find = collection.find(filter).sort(doc! { "expires_at": -1 });
                let mut cursor = find.batch_size(AT_ONCE).max_time(within).await?;
                while cursor.advance().await? {
                    if documents >= DOCUMENTS {
                        return Ok(Some(Stop::Documents));
                    }
                    documents = documents.saturating_add(1);
                    reading.see(cursor.current());
                    if Instant::now() >= deadline {
                        return Ok(Some(Stop::Time));
                    }
                }
                Ok::<_, Error>(None)
            };
            let stop = match end.await {
                Err(error) if is_too_slow(&error) => Some(Stop::Time),
                end => end?,
            };
            Ok(reading.end(stop, looked))
        })
        .await
}

/// Adds up documents, newest first: those of a minute or hour once all of them are there.
struct Reading {
    merged: Merged,
    /// The last minute or hour, and its documents.
    period: Option<Period>,
    unfinished: Vec<RawDocumentBuf>,
}

impl Reading {
    fn see(&mut self, document: &RawDocument) {
        let Some(period) = period_of(document) else { return };
        if self.period != Some(period) || self.unfinished.len() >= OF_PERIOD {
            self.finish();
            self.period = Some(period);
        }
        self.unfinished.push(document.to_owned());
    }

    fn finish(&mut self) {
        for document in self.unfinished.drain(..) {
            if let Some(count) = Count::read(&document) {
                self.merged.add(&count);
            }
        }
    }

    /// Of the last minute or hour some may be missing if it was stopped: everything behind it was read.
    fn end(mut self, stop: Option<Stop>, looked: Looked) -> Read {
        let reached = if stop.is_some() {
            self.period.and_then(Period::end).unwrap_or(i64::MAX)
        } else {
            self.finish();
            looked.before
        };
        Read { merged: self.merged, reached, stop }
    }
}

fn is_too_slow(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Command(answer) if answer.code == TOO_SLOW)
}

/// What says whether the counts are complete.
#[derive(Debug, Default)]
pub(super) struct States {
    pub(super) collectors: Vec<CollectorState>,
    /// Hours that are being counted again, in ms since 1970.
    pub(super) recounts: Vec<i64>,
    /// The first hour that has counts, and keeps them longer than minutes are kept; or the one in which the
    /// period before begins, if it has counts.
    pub(super) first: Option<i64>,
    /// Collectors that store without counting.
    pub(super) uncounting: Vec<Uncounting>,
    /// Whether organizations were counted without their names, where that matters.
    pub(super) unnamed: bool,
}

/// Reads it.
pub(super) async fn states(
    store: &Store,
    visible: &Visible,
    looked: Looked,
    now: i64,
    within: Duration,
) -> Result<States, StoreError> {
    let unnamed = visible.unnamed(looked);
    let collection = store.database().collection::<RawDocumentBuf>(ROLLUPS);
    let uncounting = store.uncounting().await?;
    store
        .run(async move {
            let mut states = States { uncounting, ..States::default() };
            for prefix in [COLLECTOR, RECOUNT] {
                let mut own = starting_with(prefix);
                // All of them have it, and no counts: the index on it is short.
                own.insert("at", doc! { "$gte": DateTime::from_millis(0) });
                let find = collection.find(own).max_time(within);
                let mut cursor = find.limit(i64::try_from(STATES).unwrap_or(0)).await?;
                while cursor.advance().await? {
                    let document = cursor.current();
                    states.collectors.extend(CollectorState::read(document));
                    let hour = document.get_str("_id").ok().and_then(|id| id.strip_prefix(RECOUNT));
                    let hour = hour.and_then(Period::parse).and_then(Period::start);
                    states.recounts.extend(hour);
                }
            }
            states.first = first_hour(&collection, looked, now, within).await?;
            if let Some(filter) = unnamed {
                let find = collection.find_one(filter).projection(doc! { "_id": 1 });
                match find.max_time(within).await {
                    Ok(found) => states.unnamed = found.is_some(),
                    // Nobody knows.
                    Err(error) if is_too_slow(&error) => states.unnamed = true,
                    Err(error) => return Err(error),
                }
            }
            Ok(states)
        })
        .await
}

async fn first_hour(
    collection: &Collection<RawDocumentBuf>,
    looked: Looked,
    now: i64,
    within: Duration,
) -> Result<Option<i64>, Error> {
    let hour = Period::containing("hour", looked.before);
    let hour = hour.map_or(i64::MIN, |hour| hour.expiry(looked.before));
    let minutes = i64::try_from(MINUTES_KEPT.as_millis()).unwrap_or(i64::MAX);
    // With counts in the first one, still earlier ones do not matter. Before the second expire minutes, which are many.
    for (comparison, at) in [("$eq", hour), ("$gte", now.saturating_add(minutes))] {
        let mut hours = starting_with("hour:");
        hours.insert("expires_at", doc! { comparison: DateTime::from_millis(at) });
        let find = collection.find_one(hours).sort(doc! { "expires_at": 1 });
        let keys = doc! { "_id": 1, "start": 1, "dimension": 1 };
        let first = find.projection(keys).max_time(within).await?;
        if let Some(start) = first.and_then(|first| Count::read(&first)?.period.start()) {
            return Ok(Some(start));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use gatelog_collector::rollup::Family;
    use serde_json::Value;

    use super::super::super::span::{Span, time};
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_minute_or_hour_of_which_some_may_be_missing_is_in_no_number() {
        let span = Span { since: time(0), until: time(48 * HOUR) };
        let looked = Looked::of(span, 100 * 24 * HOUR);
        let document = |hour: i64, family: &str| {
            let document = doc! {
                "_id": format!("hour:{family}:x:"), "start": DateTime::from_millis(hour * HOUR),
                "dimension": { "logger": "a", "route": "b", "kind": "c", "status": "2xx" },
                "records": 1_i64, "requests": 1_000_000_i64,
            };
            RawDocumentBuf::try_from(&document).unwrap()
        };
        let read = |stop| {
            let merged = Merged::new(looked, Family::Route, &Family::ALL);
            let mut reading = Reading { merged, period: None, unfinished: Vec::new() };
            for (hour, family) in [(9, "route"), (9, "fingerprint"), (9, "route"), (8, "route")] {
                reading.see(&document(hour, family));
            }
            let read = reading.end(stop, looked);
            let shown: Value = read.merged.shown(read.reached, false).into();
            (read.reached, shown["totals"]["count"].clone())
        };
        assert_eq!(read(None), (looked.before, 3.into()));
        for stop in [Stop::Time, Stop::Documents] {
            assert_eq!(read(Some(stop)), (9 * HOUR, 2.into()), "{stop:?}");
        }
        let merged = Merged::new(looked, Family::Route, &[]);
        let nothing = Reading { merged, period: None, unfinished: Vec::new() };
        assert_eq!(nothing.end(Some(Stop::Time), looked).reached, i64::MAX);
    }
}

//! Counts stored records again, and puts the result in the place of what collectors have counted.
//!
//! An hour is replaced in three steps: its parts are read and its records counted; the parts are
//! deleted, each only if it has not changed; the new values are written under an id of their own.
//! Killed in between, the hour has no values until it is counted again: never too many. A document
//! `recount:<hour>` marks it meanwhile.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use gatelog_record::{Level, Uuid};
use mongodb::bson::{DateTime, doc};

use super::{Dimension, Facts, Names, Observation, Period, Value};
use crate::clock::now_millis;
use crate::spool::RollupRow;
use crate::store::recount::Part;
use crate::store::rollups::RECOUNT;
use crate::store::{LogCollection, Store, StoreError, rollups};

/// Records that took longer are searched in all that is stored, the others from this long before.
const LONG_MS: i64 = 3_600_000;

/// Maximum records of that kind: they are in memory.
const LONG_MAX: usize = 200_000;

/// No record is counted in an hour that is longer ago.
pub(crate) const LATEST_MS: i64 = 35 * 86_400_000;

/// A collector that has said nothing for this long is not running.
const SILENT_MS: i64 = 120_000;

/// Values in one update.
const AT_ONCE: usize = 256;

/// Why an hour was not counted again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RecountError {
    Store(StoreError),
    /// Collectors may still change what would be replaced.
    Busy(String),
    /// Too many records took longer than an hour.
    TooManyLong,
}

impl std::fmt::Display for RecountError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RecountError::Store(error) => error.fmt(f),
            RecountError::Busy(text) => f.write_str(text),
            RecountError::TooManyLong => write!(
                f,
                "more than {LONG_MAX} records took longer than an hour: count a shorter span"
            ),
        }
    }
}

impl From<StoreError> for RecountError {
    fn from(error: StoreError) -> Self {
        RecountError::Store(error)
    }
}

/// What counting one hour again has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recounted {
    pub(crate) hour: Period,
    /// Records counted in the hour before.
    pub(crate) before: u64,
    /// Records that are stored.
    pub(crate) after: u64,
}

/// Counts some hours again.
pub(crate) struct Recount {
    store: Store,
    /// The id of the new values.
    id: Uuid,
    /// Records that took long, by the hour of their end.
    long: BTreeMap<Period, Vec<Observation>>,
}

impl Recount {
    /// Prepares counting from the first hour to before the last one.
    pub(crate) async fn new(store: Store, from: i64, to: i64) -> Result<Self, RecountError> {
        let mut recount = Self { store, id: Uuid::new_v4(), long: BTreeMap::new() };
        let span = (from.saturating_sub(LATEST_MS), to);
        let (now, mut found) = (now_millis(), 0_usize);
        #[expect(clippy::cast_precision_loss, reason = "an hour")]
        let longer = LONG_MS as f64;
        for level in Level::ALL {
            let long = &mut recount.long;
            let see = |facts: &Facts<'_>| {
                let observation = Observation::of(facts, now).filter(|_| found < LONG_MAX);
                if let Some(observation) = observation {
                    found = found.saturating_add(1);
                    long.entry(observation.measure.slot.whole()).or_default().push(observation);
                }
            };
            recount.store.each_record(LogCollection::of(level), span, Some(longer), see).await?;
        }
        if found < LONG_MAX { Ok(recount) } else { Err(RecountError::TooManyLong) }
    }

    /// Checks that no collector may still write values of the time before `to`, in ms since 1970.
    pub(crate) async fn undisturbed(store: &Store, to: i64) -> Result<(), RecountError> {
        let now = now_millis();
        for state in store.collector_states().await? {
            let silent = now.saturating_sub(state.at) > SILENT_MS;
            let holds = state.held.is_some_and(|held| held < to);
            let reason = match (holds, silent) {
                (true, false) => "still has values of that time: try again in a few minutes",
                (true, true) => "is not running, and has values of that time: start it",
                (false, true) if state.waiting > 0 => {
                    "is not running, and records wait in it: start it"
                }
                _ => continue,
            };
            let file = state.file;
            return Err(RecountError::Busy(format!(
                "the collector with the spool file {file} {reason}, or use --force if its disk is lost"
            )));
        }
        Ok(())
    }

    /// Counts one hour, and replaces its values unless `dry`.
    pub(crate) async fn hour(&self, hour: Period, dry: bool) -> Result<Recounted, RecountError> {
        let parts = self.store.rollup_parts(hour).await?;
        let values = self.count(hour).await?;
        let recounted = Recounted { hour, before: of_hour(&parts), after: sum(hour, &values) };
        if dry {
            return Ok(recounted);
        }
        let marker = format!("{RECOUNT}{hour}");
        let now = now_millis();
        let expires = DateTime::from_millis(now.saturating_add(LATEST_MS));
        let set = doc! { "at": DateTime::from_millis(now), "expires_at": expires };
        let begin = doc! { "q": { "_id": marker.as_str() }, "u": { "$set": set }, "upsert": true };
        self.store.update_rollups(vec![begin]).await?;
        self.store.remove_parts(&parts).await?;
        let mut updates = Vec::new();
        for ((period, dimension), value) in &values {
            let (period, dimension) = (*period, dimension.clone());
            let row = RollupRow { period, dimension, part: 0, packed: Vec::new() };
            let document = rollups::encode(&row, value, now);
            updates.push(rollups::replacing(&rollups::id(self.id, &row), document));
        }
        for some in updates.chunks(AT_ONCE) {
            let refused = self.store.update_rollups(some.to_vec()).await?;
            if let Some((_, answer)) = refused.into_iter().next() {
                return Err(StoreError::Server(answer).into());
            }
        }
        self.store.end_recount(&marker).await?;
        Ok(recounted)
    }

    /// Whether only this recount's values are there.
    pub(crate) async fn is_alone(&self, hour: Period) -> Result<bool, RecountError> {
        let own = format!(":{}:", self.id.hyphenated());
        Ok(self.store.rollup_parts(hour).await?.iter().all(|part| part.id.contains(&own)))
    }

    async fn count(
        &self,
        hour: Period,
    ) -> Result<BTreeMap<(Period, Dimension), Value>, RecountError> {
        let (start, end) = (hour.start().unwrap_or(0), hour.end().unwrap_or(0));
        let now = now_millis();
        let mut counting = Counting { hour, names: Names::default(), values: BTreeMap::new() };
        for observation in self.long.get(&hour).into_iter().flatten() {
            counting.add(observation);
        }
        #[expect(clippy::cast_precision_loss, reason = "an hour")]
        let longer = LONG_MS as f64;
        for level in Level::ALL {
            let span = (start.saturating_sub(LONG_MS), end);
            let see = |facts: &Facts<'_>| {
                if facts.took_ms.is_some_and(|took| took > longer) {
                    return;
                }
                if let Some(observation) = Observation::of(facts, now) {
                    counting.add(&observation);
                }
            };
            self.store.each_record(LogCollection::of(level), span, None, see).await?;
        }
        Ok(counting.values)
    }
}

struct Counting {
    hour: Period,
    names: Names,
    values: BTreeMap<(Period, Dimension), Value>,
}

impl Counting {
    fn add(&mut self, observation: &Observation) {
        if observation.measure.slot.whole() != self.hour {
            return;
        }
        let counted = observation.value();
        for dimension in &observation.dimensions {
            let admitted =
                self.names.admit(self.hour, dimension, || Ok::<_, Infallible>(Vec::new()));
            let Ok(dimension) = admitted;
            for period in observation.measure.slot.minute().into_iter().chain([self.hour]) {
                let value = self.values.entry((period, dimension.clone())).or_default();
                value.merge(&counted);
            }
        }
    }
}

/// Records of an hour: every record is in one of two families.
fn of_hour(parts: &[Part]) -> u64 {
    let whole = parts
        .iter()
        .filter(|part| part.id.starts_with("hour:route:") || part.id.starts_with("hour:service:"));
    whole.fold(0, |sum, part| sum.saturating_add(u64::try_from(part.records).unwrap_or(0)))
}

fn sum(hour: Period, values: &BTreeMap<(Period, Dimension), Value>) -> u64 {
    let whole = values.iter().filter(|((period, dimension), _)| {
        *period == hour && matches!(dimension.family.as_str(), "route" | "service")
    });
    whole.fold(0, |sum, (_, value)| sum.saturating_add(value.records))
}

/// How long collectors take to write what they have counted, with some reserve.
pub(crate) const SETTLE: Duration = Duration::from_secs(40);

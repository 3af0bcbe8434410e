//! How long records are kept: a period for every collection, optionally overridden per
//! organization.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use gatelog_record::units::parse_duration;
use gatelog_record::{Decoded, Level, Timestamp};
use mongodb::bson::DateTime;
use serde_json::Value;

use crate::store::LogCollection;

/// The longest period, in seconds: the maximum of `expireAfterSeconds` (68 years).
const LONGEST: u32 = i32::MAX.unsigned_abs();

/// A period in whole seconds, from 1 to 2147483647.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(u32);

impl Period {
    const fn days(days: u32) -> Self {
        Self(days.saturating_mul(86_400))
    }

    /// A period as reported by the database, which may be 0.
    pub(super) const fn from_seconds(seconds: u32) -> Self {
        Self(seconds)
    }

    /// The period in seconds.
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Period {
    /// In the largest unit that divides it evenly: `30d`, `36h`, `90s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds if seconds % 86_400 == 0 => write!(f, "{}d", seconds / 86_400),
            seconds if seconds % 3_600 == 0 => write!(f, "{}h", seconds / 3_600),
            seconds => write!(f, "{seconds}s"),
        }
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!(
                "\"{}\" is not a period: must be whole seconds, as a number and a unit, d, h, m or s, \
                 from 1s to {}d",
                text.escape_debug(),
                LONGEST / 86_400
            )
        };
        let duration = parse_duration(text).map_err(|_| wrong())?;
        match u32::try_from(duration.as_secs()) {
            Ok(seconds @ 1..=LONGEST) if duration.subsec_nanos() == 0 => Ok(Self(seconds)),
            _ => Err(wrong()),
        }
    }
}

/// How long records are kept, counted from their own timestamp.
///
/// Written as `info=30d,error=90d,acme/info=7d,acme/*=1d`: entries separated by commas, each with a
/// collection's short name (`debug info warning error critical audit trace`, `*` for all) and a
/// period, optionally prefixed with the organization it applies to and a slash. An entry for one
/// collection takes precedence over one for `*`, regardless of order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    everyone: BTreeMap<LogCollection, Period>,
    organizations: BTreeMap<String, BTreeMap<LogCollection, Period>>,
}

impl Default for Retention {
    /// 7, 30, 60, 90 and 120 days by level, 365 days of audit trail, 30 days of flows.
    fn default() -> Self {
        let everyone = LogCollection::ALL.map(|collection| (collection, default_of(collection)));
        Self { everyone: everyone.into(), organizations: BTreeMap::new() }
    }
}

const fn default_of(collection: LogCollection) -> Period {
    Period::days(match collection {
        LogCollection::Debug => 7,
        LogCollection::Info | LogCollection::Trace => 30,
        LogCollection::Warning => 60,
        LogCollection::Error => 90,
        LogCollection::Critical => 120,
        LogCollection::Audit => 365,
    })
}

impl Retention {
    /// The collection's own period.
    pub fn of(&self, collection: LogCollection) -> Period {
        self.everyone.get(&collection).copied().unwrap_or(default_of(collection))
    }

    /// The shortest period that any record of a level has, and its collection.
    pub fn shortest(&self) -> (LogCollection, Period) {
        let levels = Level::ALL.map(LogCollection::of);
        let of = |collection: LogCollection| {
            let period = self.own(collection).chain([self.of(collection)]).min();
            (period.unwrap_or(self.of(collection)), collection)
        };
        let shortest = levels.map(of).into_iter().min();
        shortest.map_or((LogCollection::Debug, default_of(LogCollection::Debug)), |(period, of)| {
            (of, period)
        })
    }

    /// The longest period that any record has.
    pub fn longest(&self) -> Period {
        let own = self.organizations.values().flat_map(BTreeMap::values).copied();
        let all = LogCollection::ALL.map(|collection| self.of(collection));
        own.chain(all).max().unwrap_or(default_of(LogCollection::Audit))
    }

    /// Whether any organization has its own period there.
    pub(super) fn has_own(&self, collection: LogCollection) -> bool {
        self.own(collection).next().is_some()
    }

    /// Whether any organization keeps its records there for longer than the others.
    pub(super) fn has_longer(&self, collection: LogCollection) -> bool {
        self.own(collection).any(|own| own > self.of(collection))
    }

    fn own(&self, collection: LogCollection) -> impl Iterator<Item = Period> {
        self.organizations.values().filter_map(move |own| own.get(&collection)).copied()
    }

    /// When a record of an organization with its own period expires; at the latest at the end of
    /// the last date that has a four-digit year.
    pub(in crate::store) fn expires_at(
        &self,
        record: &Decoded,
        collection: LogCollection,
    ) -> Option<DateTime> {
        // Most deployments have none: skip the lookup.
        if self.organizations.is_empty() {
            return None;
        }
        let organization =
            record.body.get("context")?.get("organization_id").and_then(Value::as_str)?;
        let own = self.organizations.get(organization)?.get(&collection)?;
        Some(DateTime::from_millis(after(record.timestamp, *own)))
    }
}

/// Not every server can read a later date: it would refuse the whole call.
fn after(timestamp: Timestamp, period: Period) -> i64 {
    let millis = timestamp.unix_millis().saturating_add(i64::from(period.0).saturating_mul(1_000));
    millis.min(Timestamp::LAST.unix_millis())
}

/// Every invalid entry, and why it is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseRetentionError(Vec<String>);

impl fmt::Display for ParseRetentionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for ParseRetentionError {}

impl FromStr for Retention {
    type Err = ParseRetentionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut retention = Self::default();
        let mut faults = Vec::new();
        let (mut all, mut single) = (Vec::new(), Vec::new());
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match parse_entry(entry) {
                Ok(entry) if entry.collection.is_none() => all.push(entry),
                Ok(entry) => single.push(entry),
                Err(fault) => faults.push(format!("\"{}\": {fault}", entry.escape_debug())),
            }
        }
        for entry in all.into_iter().chain(single) {
            let periods = match entry.organization {
                None => &mut retention.everyone,
                Some(name) => retention.organizations.entry(name.to_owned()).or_default(),
            };
            match entry.collection {
                Some(collection) => {
                    periods.insert(collection, entry.period);
                }
                None => periods.extend(LogCollection::ALL.map(|one| (one, entry.period))),
            }
        }
        if faults.is_empty() { Ok(retention) } else { Err(ParseRetentionError(faults)) }
    }
}

struct Entry<'a> {
    organization: Option<&'a str>,
    /// `None` for all.
    collection: Option<LogCollection>,
    period: Period,
}

fn parse_entry(entry: &str) -> Result<Entry<'_>, String> {
    let (place, period) = entry
        .rsplit_once('=')
        .ok_or_else(|| "must be a name, \"=\" and a period, for example info=30d".to_owned())?;
    let (organization, name) = match place.trim().rsplit_once('/') {
        Some(("", _)) => return Err("no organization before \"/\"".into()),
        Some((organization, name)) => (Some(organization), name),
        None => (None, place.trim()),
    };
    let collection = LogCollection::ALL.into_iter().find(|one| one.short_name() == name);
    if collection.is_none() && name != "*" {
        return Err(format!(
            "\"{}\" names no collection: must be debug, info, warning, error, critical, audit, \
             trace or *",
            name.escape_debug()
        ));
    }
    Ok(Entry { organization, collection, period: period.trim().parse()? })
}

#[cfg(test)]
mod tests {
    use gatelog_record::{DecodeLimits, Uuid, decode_record};

    use super::*;

    fn days(text: &str, collection: LogCollection) -> u32 {
        text.parse::<Retention>().unwrap().of(collection).seconds() / 86_400
    }

    #[test]
    fn without_a_word_every_collection_has_its_documented_period() {
        let found = LogCollection::ALL.map(|collection| days("", collection));
        assert_eq!(found, [7, 30, 60, 90, 120, 365, 30]);
        assert_eq!("".parse(), Ok(Retention::default()));
    }

    #[test]
    fn one_collection_goes_before_all_wherever_it_stands() {
        assert_eq!(days("info=1d, *=9d", LogCollection::Info), 1);
        assert_eq!(days("info=1d, *=9d", LogCollection::Audit), 9);
    }

    #[test]
    fn periods_are_read_and_written_in_any_unit() {
        for (text, seconds, written) in [
            ("30d", 2_592_000, "30d"),
            ("36h", 129_600, "36h"),
            ("48h", 172_800, "2d"),
            ("1m", 60, "60s"),
            ("1.5d", 129_600, "36h"),
            ("30 d", 2_592_000, "30d"),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!((period.seconds(), period.to_string().as_str()), (seconds, written));
        }
        for text in ["", "30", "d", "0d", "-1d", "1.5s", "1w", "25000d", "99999999999s", "1d1"] {
            let error = text.parse::<Period>().unwrap_err();
            assert!(error.contains("is not a period: must be whole seconds"), "{error}");
        }
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let error =
            "info, warn=3d, error=x, /info=3d".parse::<Retention>().unwrap_err().to_string();
        for part in
            ["\"info\": must be", "\"warn\" names no", "\"x\" is not a period", "no organization"]
        {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn an_organization_s_records_carry_their_own_date() {
        let retention: Retention = "a/b/info=1d,a/b/*=400d".parse().unwrap();
        assert!(
            retention.has_longer(LogCollection::Audit) && retention.has_own(LogCollection::Info)
        );
        assert!(!retention.has_longer(LogCollection::Info));
        let line = br#"{"timestamp":"1970-01-01T00:00:01Z","level":"INFO","message":"m",
                        "context":{"organization_id":"a/b"}}"#;
        let mut record = decode_record(line, &DecodeLimits::default(), Uuid::nil()).unwrap();
        let millis = |record: &Decoded| {
            retention.expires_at(record, LogCollection::Info).map(DateTime::timestamp_millis)
        };
        assert_eq!(millis(&record), Some(86_401_000));
        record.body["context"]["organization_id"] = "other".into();
        assert_eq!(millis(&record), None);
    }

    #[test]
    fn no_record_expires_after_the_last_date_of_four_digits() {
        let longest = Period::from_seconds(LONGEST);
        let last = Timestamp::LAST.unix_millis();
        assert_eq!(after(Timestamp::LAST, Period::from_seconds(1)), last);
        assert_eq!(after(Timestamp::LAST, longest), last);
        let whole = i64::from(LONGEST) * 1_000;
        assert_eq!(after(Timestamp::FIRST, longest), Timestamp::FIRST.unix_millis() + whole);
    }
}

//! Waiting until every collector heeds a tombstone.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::accounting::sharing::{ALIVE, COLLECTION, GONE_AFTER};
use crate::store::tombstones::Sign;
use crate::store::{Store, StoreError};

/// How often the collectors' signs are read.
const EVERY: Duration = Duration::from_secs(1);
/// What clocks may differ by within a collector's silence, in ms.
const MARGIN_MS: i64 = 10_000;

/// What keeps a collector from being counted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// It runs, but has not confirmed.
    Unconfirmed { name: String, collector: String },
    /// It gives no sign; until so many seconds from now an insert of its may be under way.
    Silent { name: String, collector: String, seconds: i64 },
    /// It shares its accounts, but has never said that it knows tombstones.
    Unknowing { collector: String },
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Waiting::Unconfirmed { name, collector } => write!(
                f,
                "{name} ({collector}) has not confirmed: an insert or its spool's disk hangs; see its \
                 log, or restart it"
            ),
            Waiting::Silent { name, collector, seconds } => write!(
                f,
                "{name} ({collector}) gives no sign of life; unless it does, it counts as ended in \
                 {seconds} s"
            ),
            Waiting::Unknowing { collector } => write!(
                f,
                "{collector} does not say which tombstones it knows: it is of an earlier version, or \
                 may not update gatelog_erased; upgrade it, grant it, or stop it and wait {} minutes",
                GONE_AFTER.as_secs() / 60
            ),
        }
    }
}

/// The collectors, once none is waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heeding {
    /// How many have confirmed.
    pub(crate) confirmed: usize,
    /// Those that are not running: each reads the tombstones before it inserts anything.
    pub(crate) absent: Vec<String>,
    /// Dead letters that they deleted.
    pub(crate) letters: i64,
}

/// Why not all collectors heed the tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WaitError {
    /// The database refuses.
    Store(StoreError),
    /// These were still waited for when the time was over.
    Left(Vec<Waiting>),
}

impl From<StoreError> for WaitError {
    fn from(error: StoreError) -> Self {
        WaitError::Store(error)
    }
}

/// Waits until no collector inserts by earlier tombstones than those of a revision. `tell` is called
/// for each one that is waited for, once.
pub(crate) async fn heed(
    store: &Store,
    revision: i64,
    patience: Duration,
    mut tell: impl FnMut(&Waiting),
) -> Result<Heeding, WaitError> {
    let began = Instant::now();
    let mut told = HashSet::new();
    loop {
        let (_, now) = store.step_revision(0).await?;
        let signs = store.signs().await?;
        let accounts = store.signs_of_accounting(COLLECTION, ALIVE).await?;
        let (heeding, waiting) = look(&signs, &accounts, revision, now);
        if waiting.is_empty() {
            return Ok(heeding);
        }
        if began.elapsed() >= patience {
            return Err(WaitError::Left(waiting));
        }
        // The first confirm within a round of theirs; a silent one is told at once.
        for one in waiting.iter().filter(|one| {
            !matches!(one, Waiting::Unconfirmed { .. }) || began.elapsed() > Duration::from_secs(15)
        }) {
            let (Waiting::Unconfirmed { collector, .. }
            | Waiting::Silent { collector, .. }
            | Waiting::Unknowing { collector }) = one;
            if told.insert(collector.clone()) {
                tell(one);
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Who heeds the revision, and who is waited for.
fn look(
    signs: &[Sign],
    accounts: &[(String, i64)],
    revision: i64,
    now: i64,
) -> (Heeding, Vec<Waiting>) {
    let (mut heeding, mut waiting) = (Heeding::default(), Vec::new());
    for sign in signs {
        let (name, collector) = (sign.name.clone(), sign.collector.clone());
        let silence = now.saturating_sub(sign.at);
        let ended = sign.silent_ms.saturating_add(MARGIN_MS);
        if sign.known >= revision {
            heeding.letters = heeding.letters.saturating_add(sign.letters);
        }
        if sign.stopped || silence > ended {
            heeding.absent.push(format!("{name} ({collector})"));
        } else if sign.known >= revision {
            heeding.confirmed = heeding.confirmed.saturating_add(1);
        } else if silence > MARGIN_MS {
            let seconds = ended.saturating_sub(silence) / 1_000;
            waiting.push(Waiting::Silent { name, collector, seconds });
        } else {
            waiting.push(Waiting::Unconfirmed { name, collector });
        }
    }
    let knowing: HashSet<_> = signs.iter().map(|sign| sign.collector.as_str()).collect();
    let gone = i64::try_from(GONE_AFTER.as_millis()).unwrap_or(i64::MAX);
    for (collector, at) in accounts {
        if !knowing.contains(collector.as_str()) && now.saturating_sub(*at) <= gone {
            waiting.push(Waiting::Unknowing { collector: collector.clone() });
        }
    }
    (heeding, waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000_000;

    fn sign(collector: &str, known: i64, silence: i64) -> Sign {
        Sign {
            counts: true,
            since: 0,
            collector: collector.to_owned(),
            name: format!("host:{collector}"),
            known,
            silent_ms: 90_000,
            stopped: false,
            letters: 1,
            at: NOW - silence,
        }
    }

    #[test]
    fn a_collector_is_waited_for_until_it_confirms_or_can_no_longer_insert() {
        let signs = [
            sign("confirmed", 7, 4_000),
            sign("later", 8, 4_000),
            sign("reading", 6, 4_000),
            sign("killed", 6, 60_000),
            sign("gone", -1, 100_001),
            Sign { stopped: true, ..sign("stopped", 6, 1_000) },
        ];
        let (heeding, waiting) = look(&signs, &[], 7, NOW);
        assert_eq!((heeding.confirmed, heeding.letters), (2, 2));
        assert_eq!(heeding.absent, ["host:gone (gone)", "host:stopped (stopped)"]);
        let (name, collector) = ("host:reading".into(), "reading".into());
        let reading = Waiting::Unconfirmed { name, collector };
        let (name, collector) = ("host:killed".into(), "killed".into());
        assert_eq!(waiting, [reading, Waiting::Silent { name, collector, seconds: 40 }]);
    }

    #[test]
    fn one_that_confirmed_and_was_killed_since_is_not_waited_for() {
        let (heeding, waiting) = look(&[sign("one", 7, 50_000)], &[], 7, NOW);
        assert_eq!((heeding.confirmed, waiting.len()), (1, 0));
    }

    /// It would insert what is being erased.
    #[test]
    fn a_collector_of_an_earlier_version_is_named_until_it_is_long_gone() {
        let accounts = [("one".into(), NOW), ("old".into(), NOW - 60_000)];
        let (_, waiting) = look(&[sign("one", 7, 0)], &accounts, 7, NOW);
        assert_eq!(waiting, [Waiting::Unknowing { collector: "old".into() }]);
        assert!(waiting[0].to_string().contains("earlier version"), "{}", waiting[0]);
        let (_, waiting) = look(&[], &[("old".into(), NOW - 601_000)], 7, NOW);
        assert!(waiting.is_empty());
    }
}

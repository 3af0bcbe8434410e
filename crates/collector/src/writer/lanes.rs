//! Tracks which collections accept documents. One that does not is *shut*: it only gets an
//! occasional attempt, its documents are parked, and the other collections continue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::outage::{self, Outage};
use crate::store::{Condition, LogCollection, Reception, StoreError};

/// How long a server condition may last until it is attributed to one collection, if others accept
/// documents meanwhile or the server responds otherwise: longer than an election, a restart, or two
/// calls that hang.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is known about each collection.
pub(super) struct Lanes {
    known: Mutex<BTreeMap<LogCollection, Lane>>,
    /// For the commands shown to administrators.
    database: String,
    outage: Outage,
}

#[derive(Default)]
struct Lane {
    /// When it last accepted a document that it did not have.
    stored: Option<Instant>,
    /// Since when its documents have not been accepted.
    failing: Option<Instant>,
    /// Whether the server responded to anything else in that time.
    answers: bool,
    shut: Option<Shut>,
}

struct Shut {
    since: Instant,
    /// Until this has passed, MongoDB does not count as up.
    refused: outage::Writer,
}

/// What to do about a collection whose documents the server does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// Retry.
    Wait,
    /// Ping the server: if it responds, call [`Lanes::answers`].
    Ask,
    /// The collection was shut.
    Shut,
}

impl Lanes {
    pub(super) fn new(database: &str, outage: Outage) -> Self {
        Self { known: Mutex::default(), database: database.to_owned(), outage }
    }

    /// The collections that are shut.
    pub(super) fn shut(&self) -> BTreeSet<LogCollection> {
        let lanes = self.lock();
        lanes.iter().filter(|(_, lane)| lane.shut.is_some()).map(|(name, _)| *name).collect()
    }

    pub(super) fn is_shut(&self, collection: LogCollection) -> bool {
        self.lock().get(&collection).is_some_and(|lane| lane.shut.is_some())
    }

    /// When the collection last accepted a document that it did not have.
    pub(super) fn stored(&self, collection: LogCollection) -> Option<Instant> {
        self.lock().get(&collection)?.stored
    }

    /// Records how a collection responded to its part of an insert.
    pub(super) fn heed(&self, reception: &Reception, now: Instant) -> Advice {
        let mut lanes = self.lock();
        let lane = lanes.entry(reception.collection).or_default();
        if reception.stored {
            lane.stored = Some(now);
        }
        if reception.taken {
            (lane.failing, lane.answers) = (None, false);
            if let Some(mut shut) = lane.shut.take() {
                shut.refused.passed();
                tell_open(reception.collection, now.saturating_duration_since(shut.since));
            }
            return Advice::Wait;
        }
        match &reception.condition {
            None => Advice::Wait,
            Some(Condition::Collection(error)) => {
                self.shut_one(lane, reception.collection, error, now);
                Advice::Shut
            }
            Some(Condition::Server(error)) => {
                let since = *lane.failing.get_or_insert(now);
                if now.saturating_duration_since(since) < PATIENCE {
                    return Advice::Wait;
                }
                let answers = lane.answers;
                let others = lanes.iter().any(|(name, lane)| {
                    *name != reception.collection && lane.stored.is_some_and(|at| at > since)
                });
                if !answers && !others {
                    return Advice::Ask;
                }
                let lane = lanes.entry(reception.collection).or_default();
                self.shut_one(lane, reception.collection, error, now);
                Advice::Shut
            }
        }
    }

    /// The server responded to a ping. If a collection fails once more, the collection itself is
    /// the cause.
    pub(super) fn answers(&self) {
        for lane in self.lock().values_mut().filter(|lane| lane.failing.is_some()) {
            lane.answers = true;
        }
    }

    fn shut_one(
        &self,
        lane: &mut Lane,
        collection: LogCollection,
        error: &StoreError,
        now: Instant,
    ) {
        if lane.shut.is_none() {
            let mut refused = self.outage.writer();
            refused.shut();
            lane.shut = Some(Shut { since: now, refused });
            let remedy = remedy(&self.database, collection, error);
            tracing::warn!(collection = collection.as_str(), %error, kind = error.kind(), remedy,
                "a collection accepts no documents: its records are parked, the others continue");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LogCollection, Lane>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell_open(collection: LogCollection, shut: Duration) {
    tracing::info!(
        collection = collection.as_str(),
        seconds = shut.as_secs(),
        "the collection accepts documents again: its parked records follow"
    );
}

/// What an administrator can do about it, as a `mongosh` command.
fn remedy(database: &str, collection: LogCollection, error: &StoreError) -> String {
    const NOT_ON_VIEW: i32 = 166;
    let name = collection.as_str();
    let db = format!("db.getSiblingDB(\"{database}\")");
    match error {
        StoreError::Denied(_) => format!(
            "give the collector's role the actions insert and find: {db}.grantPrivilegesToRole(\
             \"ROLE\", [{{resource: {{db: \"{database}\", collection: \"{name}\"}}, \
             actions: [\"insert\", \"find\"]}}])"
        ),
        StoreError::Server(answer) if answer.code == NOT_ON_VIEW => {
            format!("a view with the collection's name exists: {db}.{name}.drop() makes room")
        }
        _ => format!("see what {db}.{name}.insertOne({{}}) and {db}.{name}.stats() answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::store::Answer;

    const INFO: LogCollection = LogCollection::Info;
    const TRACE: LogCollection = LogCollection::Trace;

    fn lanes() -> Lanes {
        Lanes::new("logs", Outage::new(Metrics::new()))
    }

    fn server() -> Condition {
        Condition::Server(StoreError::Timeout { after: Duration::from_secs(1) })
    }

    fn denied() -> Condition {
        let answer = Answer { code: 13, name: "Unauthorized".into(), message: "no".into() };
        Condition::Collection(StoreError::Denied(answer))
    }

    fn failed(collection: LogCollection, condition: impl Into<Option<Condition>>) -> Reception {
        let condition = condition.into();
        Reception { collection, stored: false, taken: false, condition }
    }

    fn took(collection: LogCollection) -> Reception {
        Reception { collection, stored: true, taken: true, condition: None }
    }

    #[test]
    fn a_collection_s_own_condition_shuts_it_until_it_takes_a_document() {
        let (lanes, now) = (lanes(), Instant::now());
        assert_eq!(lanes.heed(&failed(INFO, denied()), now), Advice::Shut);
        assert_eq!(lanes.shut(), [INFO].into());
        // A record that is itself at fault says nothing about the collection.
        lanes.heed(&failed(INFO, None), now);
        assert!(lanes.is_shut(INFO) && !lanes.is_shut(TRACE));
        lanes.heed(&took(INFO), now);
        assert!(lanes.shut().is_empty());
    }

    #[test]
    fn a_server_that_is_away_shuts_no_collection() {
        let (lanes, start) = (lanes(), Instant::now());
        for minutes in 0..600 {
            let now = start + Duration::from_mins(minutes);
            for collection in [INFO, TRACE] {
                assert_ne!(lanes.heed(&failed(collection, server()), now), Advice::Shut);
            }
        }
        assert!(lanes.shut().is_empty());
    }

    #[test]
    fn a_condition_of_the_server_is_the_collection_s_when_others_take_documents_meanwhile() {
        let (lanes, start) = (lanes(), Instant::now());
        assert_eq!(lanes.heed(&failed(INFO, server()), start), Advice::Wait);
        lanes.heed(&took(TRACE), start + Duration::from_secs(1));
        assert_eq!(lanes.heed(&failed(INFO, server()), start + PATIENCE), Advice::Shut);
        assert_eq!(lanes.shut(), [INFO].into());
    }

    #[test]
    fn a_condition_of_the_server_is_the_collection_s_when_the_server_answers_otherwise() {
        let (lanes, start) = (lanes(), Instant::now());
        assert_eq!(lanes.heed(&failed(INFO, server()), start), Advice::Wait);
        assert_eq!(lanes.heed(&failed(INFO, server()), start + PATIENCE), Advice::Ask);
        lanes.answers();
        // It may have recovered by then: only one more failure shows that the collection is the
        // cause.
        assert!(lanes.shut().is_empty());
        assert_eq!(lanes.heed(&failed(INFO, server()), start + PATIENCE), Advice::Shut);
        // An answer from before a success is no reason to shut it later.
        lanes.heed(&took(INFO), start + PATIENCE);
        let later = start + PATIENCE * 2;
        assert_eq!(lanes.heed(&failed(INFO, server()), later), Advice::Wait);
        assert_eq!(lanes.heed(&failed(INFO, server()), later + PATIENCE), Advice::Ask);
    }

    #[test]
    fn the_right_or_the_command_that_helps_is_named() {
        let Condition::Collection(error) = denied() else { panic!() };
        let text = remedy("logs", INFO, &error);
        assert!(text.contains("grantPrivilegesToRole") && text.contains("info_logs"), "{text}");
        let answer = Answer { code: 166, name: String::new(), message: String::new() };
        let text = remedy("logs", INFO, &StoreError::Server(answer));
        assert!(text.contains("info_logs.drop()"), "{text}");
    }
}

//! The database while serving: found, watched, and its collections brought to what they should be.

use std::collections::HashMap;
use std::time::Duration;

use crate::outage::Outage;
use crate::store::{Action, Change, LogCollection, Store, StoreOptions};

/// How often MongoDB is asked for a sign of life, and how soon again after it gave none.
const PING_EVERY: Duration = Duration::from_secs(10);
/// How soon a collection is looked at again whose indexes could not be set: the call failed.
const RECONCILE_FAILED: Duration = Duration::from_secs(10);
/// The same, where somebody must make room or grant a right first.
const RECONCILE_BLOCKED: Duration = Duration::from_secs(30);

/// Connects, however often it takes: the servers' names may not be known yet.
pub(super) async fn connect(options: &StoreOptions, outage: &Outage) -> Store {
    loop {
        match Store::connect(options).await {
            Ok(store) => return store,
            Err(error) => outage.unreachable(&error),
        }
        tokio::time::sleep(PING_EVERY).await;
    }
}

/// Keeps what is known true when there is nothing to write, and tells at the start when nobody
/// answers.
pub(super) async fn watch(store: Store, outage: Outage) {
    loop {
        match store.ping().await {
            Ok(()) => outage.reached(),
            Err(error) => outage.unreachable(&error),
        }
        tokio::time::sleep(PING_EVERY).await;
    }
}

/// Brings indexes and retention to what they should be, collection by collection, and tells what
/// it did. What stands in the way is told once, and looked at again until it is gone.
pub(super) async fn reconcile(store: Store) {
    let mut told: HashMap<LogCollection, Vec<Change>> = HashMap::new();
    let mut open = LogCollection::ALL.to_vec();
    while !open.is_empty() {
        let (mut left, mut pause) = (Vec::new(), RECONCILE_BLOCKED);
        for collection in std::mem::take(&mut open) {
            let changes = store.reconcile_collection(collection).await;
            let before = told.remove(&collection).unwrap_or_default();
            for change in changes.iter().filter(|change| !before.contains(change)) {
                match &change.action {
                    // The writing side tells of a database that is away.
                    Action::Failed(error) if error.is_away() => tracing::debug!("{change}"),
                    _ if change.is_open() => tracing::warn!("{change}"),
                    _ => tracing::info!("{change}"),
                }
            }
            if changes.iter().any(Change::is_open) {
                left.push(collection);
            }
            if changes.iter().any(|change| matches!(change.action, Action::Failed(_))) {
                pause = RECONCILE_FAILED;
            }
            told.insert(collection, changes.into_iter().filter(Change::is_open).collect());
        }
        open = left;
        if !open.is_empty() {
            tokio::time::sleep(pause).await;
        }
    }
}

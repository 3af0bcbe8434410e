//! The accounts that all collectors share, for a program that is none of them.

use std::collections::HashMap;
use std::time::Duration;

use mongodb::bson::{DateTime, Document, doc};

use super::sharing::{ALIVE, COLLECTION, GONE_AFTER, decode};
use super::{Ledger, Peers};
use crate::store::{Store, StoreError};

/// Maximum documents in memory at once: at 16 KiB each, at most 2 MiB.
const PAGE: i64 = 128;
/// Maximum pages: a collector reads as many in one round.
const PAGES: usize = 128;
/// Maximum time that the server searches for one page.
const PAGE_TIME: Duration = Duration::from_secs(5);

/// The accounts of all collectors, as each last shared its own, and whether that is all of them:
/// there are more than [`Peers`] holds, or than are read at once.
///
/// # Errors
///
/// The database cannot be read.
pub async fn read(store: &Store) -> Result<(Peers, bool), StoreError> {
    let (peers, nobodys) = (Peers::default(), Ledger::default());
    let mut signs = HashMap::new();
    let mut evicted = 0_usize;
    let mut last = String::new();
    let mut complete = false;
    for _ in 0..PAGES {
        let page = page(store, last.clone()).await?;
        complete = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        for document in page {
            let Ok(id) = document.get_str("_id") else { continue };
            id.clone_into(&mut last);
            if let (Some(collector), Ok(at)) =
                (id.strip_prefix(ALIVE), document.get_datetime("pushed"))
            {
                signs.insert(collector.to_owned(), *at);
            } else if let Some((collector, key, account)) = decode(&document) {
                evicted += peers.put(&collector, &key, &account, &nobodys);
            }
        }
        if complete {
            break;
        }
    }
    peers.set_gone(|collector| is_gone(&signs, collector));
    Ok((peers, complete && evicted == 0))
}

/// Documents in the order of their ids, each of which is a text.
async fn page(store: &Store, after: String) -> Result<Vec<Document>, StoreError> {
    let collection = store.database().collection::<Document>(COLLECTION);
    store
        .run(async move {
            let search = collection.find(doc! { "_id": { "$gt": after } });
            let search = search.sort(doc! { "_id": 1 }).limit(PAGE).max_time(PAGE_TIME);
            let mut cursor = search.await?;
            let mut documents = Vec::new();
            while cursor.advance().await? {
                documents.push(cursor.deserialize_current()?);
            }
            Ok(documents)
        })
        .await
}

/// Whether a collector has been silent for long, by the newest sign of life of any.
fn is_gone(signs: &HashMap<String, DateTime>, collector: &str) -> bool {
    let newest = signs.values().map(|at| at.timestamp_millis()).max().unwrap_or(i64::MIN);
    let gone_after = i64::try_from(GONE_AFTER.as_millis()).unwrap_or(i64::MAX);
    let since = newest.saturating_sub(gone_after);
    signs.get(collector).is_none_or(|at| at.timestamp_millis() < since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_gone_once_another_has_outlived_it_by_long() {
        let at = |minutes: i64| DateTime::from_millis(minutes * 60_000);
        let signs = HashMap::from([("a".to_owned(), at(0)), ("b".to_owned(), at(9))]);
        assert!(!is_gone(&signs, "a") && !is_gone(&signs, "b") && is_gone(&signs, "c"));
        let signs = HashMap::from([("a".to_owned(), at(0)), ("b".to_owned(), at(11))]);
        assert!(is_gone(&signs, "a") && !is_gone(&signs, "b"));
    }
}

//! Collects a flow's records: those with its correlation id, those that have one of its trace ids in place
//! of a correlation id, and those of applications that name only one of its requests.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use mongodb::bson::{Document, RawBsonRef, RawDocumentBuf};

use super::{Entry, MOST};
use crate::store::{Found, Store, StoreError};

/// Maximum request ids and trace ids that are followed, each: those of the earliest records.
const FOLLOWED: usize = 256;

/// Request ids that are looked for at once: there are servers that compare each document that one of them
/// has with all of them.
const AT_ONCE: usize = 32;

/// Maximum flows of one request id. Unless clients choose request ids, a request is in one.
const FLOWS: usize = 16;

/// Maximum bytes of a flow's documents: about 600 each for a gateway's.
const BYTES: usize = 16 << 20;

/// Maximum time of a search by request id, which without an index reads the whole collection.
pub const SEARCH_TIME: Duration = Duration::from_secs(5);

/// MongoDB's `MaxTimeMSExpired`.
const MAX_TIME_EXPIRED: i32 = 50;

/// A flow.
#[derive(Debug)]
pub struct Flow {
    /// Its correlation id, or what was asked for if that is not certain.
    pub id: String,
    /// The request that was asked for, if it was one.
    pub request: Option<String>,
    /// Its records, in no order.
    pub entries: Vec<Entry>,
    /// Their compact documents, in the same order.
    pub documents: Vec<RawDocumentBuf>,
    /// Whether there are more, later ones.
    pub more: bool,
    /// Whether the search for what names only a request was given up.
    pub unsearched: bool,
}

/// Finds the flow with this correlation id, or else the flow of the request with this id. Only
/// documents that match `within` are read; an empty filter is all of them.
///
/// # Errors
///
/// The database cannot be queried.
pub async fn gather(
    store: &Store,
    id: &str,
    within: &Document,
) -> Result<Option<Flow>, StoreError> {
    let mut gathered = Gathered::default();
    gathered.add(store.flow(&[id], within, MOST).await?, |_| true);
    let is_request = gathered.entries.is_empty();
    if !gathered.entries.iter().any(Entry::is_gateways) {
        // A request's id, or what applications say about a trace whose flow has another id.
        let mut requests = gathered.distinct(|entry| entry.request_id.as_deref());
        requests.insert(id.to_owned());
        let found = store.requests(&borrowed(&requests), within, MOST, SEARCH_TIME).await;
        match found {
            Err(error) if is_request || !gave_up(&error) => return Err(error),
            Err(_) => gathered.unsearched = true,
            Ok(found) => gathered.add(found, |_| true),
        }
    }
    if gathered.entries.is_empty() {
        return Ok(None);
    }
    let flows = gathered.distinct(|entry| {
        let correlation_id = entry.correlation_id.as_deref();
        correlation_id.filter(|own| entry.is_gateways() && *own != id)
    });
    let flows: BTreeSet<String> = flows.into_iter().take(FLOWS).collect();
    if !flows.is_empty() {
        gathered.add(store.flow(&borrowed(&flows), within, MOST).await?, |_| true);
    }
    gathered.follow(store, within).await?;
    let only = flows.iter().next().filter(|_| is_request && flows.len() == 1);
    Ok(Some(Flow {
        id: only.cloned().unwrap_or_else(|| id.to_owned()),
        request: is_request.then(|| id.to_owned()),
        entries: gathered.entries,
        documents: gathered.documents,
        more: gathered.more,
        unsearched: gathered.unsearched,
    }))
}

/// Whether the server, or the wait for it, ran into the bound of the search.
fn gave_up(error: &StoreError) -> bool {
    match error {
        StoreError::Timeout { .. } => true,
        StoreError::Server(answer) => answer.code == MAX_TIME_EXPIRED,
        _ => false,
    }
}

#[derive(Default)]
struct Gathered {
    entries: Vec<Entry>,
    documents: Vec<RawDocumentBuf>,
    /// Of the documents.
    bytes: usize,
    /// Their `_id`s.
    ids: HashSet<Vec<u8>>,
    more: bool,
    unsearched: bool,
}

impl Gathered {
    /// Adds what is new and `wanted`.
    fn add(&mut self, found: Found, wanted: impl Fn(&Entry) -> bool) {
        self.more |= found.more;
        for document in found.documents {
            let entry = Entry::read(&document);
            if !wanted(&entry) || !self.ids.insert(id_of(&document)) {
                continue;
            }
            self.bytes = self.bytes.saturating_add(document.as_bytes().len());
            if self.entries.len() >= MOST || self.bytes > BYTES {
                self.more = true;
                return;
            }
            self.entries.push(entry);
            self.documents.push(document);
        }
    }

    /// Adds records without a correlation id of their own, by the traces and the requests of the others.
    async fn follow(&mut self, store: &Store, within: &Document) -> Result<(), StoreError> {
        let traces = self.distinct(|entry| {
            let trace_id = entry.trace_id.as_deref();
            trace_id.filter(|trace| entry.correlation_id.as_deref() != Some(*trace))
        });
        if !traces.is_empty() {
            self.add(store.flow(&borrowed(&traces), within, MOST).await?, |_| true);
        }
        let requests = self.distinct(|entry| entry.request_id.as_deref());
        let begun = Instant::now();
        for some in borrowed(&requests).chunks(AT_ONCE) {
            let left = SEARCH_TIME.saturating_sub(begun.elapsed());
            self.unsearched |= left.is_zero();
            if self.unsearched {
                break;
            }
            match store.requests(some, within, MOST, left).await {
                Err(error) if !gave_up(&error) => return Err(error),
                Err(_) => self.unsearched = true,
                Ok(found) => self.add(found, Entry::is_unlinked),
            }
        }
        Ok(())
    }

    fn distinct<'a>(&'a self, id: impl Fn(&'a Entry) -> Option<&'a str>) -> BTreeSet<String> {
        let mut distinct = BTreeSet::new();
        for id in self.entries.iter().filter_map(id) {
            if distinct.len() >= FOLLOWED {
                break;
            }
            distinct.insert(id.to_owned());
        }
        distinct
    }
}

fn id_of(document: &RawDocumentBuf) -> Vec<u8> {
    let id = document.get("_id").ok().flatten().and_then(RawBsonRef::as_binary);
    id.map(|id| id.bytes.to_vec()).unwrap_or_default()
}

fn borrowed(ids: &BTreeSet<String>) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

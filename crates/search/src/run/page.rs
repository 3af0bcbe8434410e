//! One page: window after window, until it is full, the time is over, or everything was searched.

use std::sync::Arc;

use gatelog_record::Timestamp;
use mongodb::bson::Document;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::axis::Axis;
use super::merge::{Records, merged};
use super::plan::{OfLevel, Plan};
use super::slice::Source;
use super::{End, Found, Pace, Page, Reach, Search, SearchError, Searcher, Step, collection_of};
use crate::key::Key;
use crate::limits::{PAGE_BYTES, PAGE_RECORDS};

pub(super) async fn page(
    searcher: &Searcher,
    search: &Search,
    step: Step,
    learned: &mut Pace,
) -> Result<Page, SearchError> {
    let most = step.most.clamp(1, PAGE_RECORDS);
    let since = Axis::Date.floor(search.since);
    let indexes = searcher.indexes().await?;
    let mut plan = Plan::new(&search.selection, &indexes, search.reach);
    let mut only_flows = false;
    // What is older has expired there, and is only in the collections of the levels.
    let flows_from = indexes.flows_from().unwrap_or(since);
    let mut bytes = 0_usize;
    let mut page =
        Page { records: Vec::new(), reached: search.before, end: End::Complete, only_flows };
    while page.reached > Key::first(since) {
        if plan.flows.is_some() && page.reached <= Key::first(flows_from) {
            plan = Plan::new(&search.selection, &indexes, Reach::Everything);
        }
        only_flows |= plan.flows.is_some();
        let is_first = step.first && page.reached == search.before;
        let begins_by = if is_first { step.deadline } else { step.enough.min(step.deadline) };
        let Some(_turn) = searcher.turn(begins_by).await? else {
            page.end = End::OutOfTime;
            break;
        };
        let begun = Instant::now();
        let end = page.reached;
        let since = if plan.flows.is_some() { since.max(flows_from) } else { since };
        let left = most.saturating_sub(page.records.len());
        let from = learned.begin(end.at, since, left);
        let until = begun.checked_add(learned.patience()).unwrap_or(begun).min(step.deadline);
        let wanted = Wanted { since: from, end, most: left, deadline: until, keys: step.keys };
        match searcher.window(&plan, wanted).await {
            Ok(found) => {
                let (down_to, count) = (found.down_to.at, found.records.len());
                let whole = found.down_to <= Key::first(from);
                learned.took(begun.elapsed(), (down_to, end.at), whole, count);
                page.reached = found.down_to;
                let sizes = found.records.iter().map(|found| found.document.as_bytes().len());
                bytes = sizes.fold(bytes, usize::saturating_add);
                page.records.extend(found.records);
            }
            Err(error) if error.is_too_slow() => {
                if !learned.shrink() {
                    page.end = End::OutOfTime;
                    break;
                }
            }
            Err(error) => return Err(error),
        }
        if page.records.len() >= most || bytes > PAGE_BYTES {
            page.end = End::Full;
            break;
        }
    }
    if page.reached <= Key::first(since) {
        page.end = End::Complete;
    }
    Ok(Page { only_flows, ..page })
}

/// What is wanted of one window.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) since: Timestamp,
    pub(super) end: Key,
    pub(super) most: usize,
    pub(super) deadline: Instant,
    /// The keys that are read of each document; all if there are none.
    pub(super) keys: &'static [&'static str],
}

impl Wanted {
    /// What is read of each document; all of it if this is empty.
    pub(super) fn projection(self) -> Document {
        let place = (!self.keys.is_empty()).then_some("timestamp");
        self.keys.iter().copied().chain(place).map(|key| (key.to_owned(), 1.into())).collect()
    }
}

impl Searcher {
    /// The turn of one window; `None` if it does not come by then.
    async fn turn(&self, by: Instant) -> Result<Option<OwnedSemaphorePermit>, SearchError> {
        if by <= Instant::now() {
            return Ok(None);
        }
        match timeout_at(by, Arc::clone(&self.windows).acquire_owned()).await {
            Ok(turn) => Ok(Some(turn.map_err(|_| SearchError::Stopped)?)),
            Err(_) => Ok(None),
        }
    }

    /// The newest records of one window from all sources, at the same time.
    async fn window(&self, plan: &Plan, wanted: Wanted) -> Result<Records, SearchError> {
        let mut sources = JoinSet::new();
        for level in plan.levels.iter().cloned() {
            let searcher = self.clone();
            sources.spawn(async move { searcher.level(level, wanted).await });
        }
        if let Some(flows) = plan.flows.clone() {
            let searcher = self.clone();
            sources.spawn(async move { searcher.flows(&flows, wanted).await });
        }
        let mut all = Vec::new();
        while let Some(found) = sources.join_next().await {
            all.push(found.map_err(|_| SearchError::Stopped)??);
        }
        Ok(merged(all, wanted.most, Key::first(wanted.since)))
    }

    async fn level(&self, of: OfLevel, wanted: Wanted) -> Result<Records, SearchError> {
        let OfLevel { level, axis, pin, conditions } = of;
        let collection = collection_of(level);
        let source = Source { collection, axis, pin, conditions, projection: wanted.projection() };
        let Wanted { since, end, most, deadline, .. } = wanted;
        let slice = self.slice(&source, since, end, most, deadline).await?;
        let found = |(key, document)| Found { key, level, document };
        Ok(Records {
            records: slice.documents.into_iter().map(found).collect(),
            down_to: slice.down_to,
        })
    }
}

//! One page: window after window, until it is full, the time is over, or everything was searched.

use std::time::Duration;

use gatelog_record::Timestamp;
use mongodb::bson::Document;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::axis::Axis;
use super::merge::{Records, merged};
use super::plan::{OfLevel, Plan};
use super::slice::Source;
use super::windows::Windows;
use super::{End, Found, Page, Reach, Search, SearchError, Searcher, collection_of};
use crate::key::Key;
use crate::limits::{PAGE_BYTES, PAGE_RECORDS, WINDOW_TIME};

pub(super) async fn page(
    searcher: &Searcher,
    search: &Search,
    most: usize,
    within: Duration,
) -> Result<Page, SearchError> {
    let most = most.clamp(1, PAGE_RECORDS);
    let started = Instant::now();
    let deadline = started.checked_add(within).unwrap_or(started);
    let since = Axis::Date.floor(search.since);
    let indexes = searcher.indexes().await?;
    let mut plan = Plan::new(&search.selection, &indexes, search.reach);
    let mut only_flows = false;
    // What is older has expired there, and is only in the collections of the levels.
    let flows_from = indexes.flows_from().unwrap_or(since);
    let mut windows = Windows::new();
    let mut bytes = 0_usize;
    let mut page =
        Page { records: Vec::new(), reached: search.before, end: End::Complete, only_flows };
    while page.reached > Key::first(since) {
        if plan.flows.is_some() && page.reached <= Key::first(flows_from) {
            plan = Plan::new(&search.selection, &indexes, Reach::Everything);
        }
        only_flows |= plan.flows.is_some();
        let begun = Instant::now();
        if begun >= deadline {
            page.end = End::OutOfTime;
            break;
        }
        let end = page.reached;
        let since = if plan.flows.is_some() { since.max(flows_from) } else { since };
        let left = most.saturating_sub(page.records.len());
        let from = windows.begin(end.at, since, left);
        let until = begun.checked_add(WINDOW_TIME).unwrap_or(begun).min(deadline);
        match searcher.window(&plan, from, end, left, until).await {
            Ok(found) => {
                let (down_to, count) = (found.down_to.at, found.records.len());
                windows.took(begun.elapsed(), down_to, end.at, count);
                page.reached = found.down_to;
                let sizes = found.records.iter().map(|found| found.document.as_bytes().len());
                bytes = sizes.fold(bytes, usize::saturating_add);
                page.records.extend(found.records);
            }
            Err(error) if error.is_too_slow() => {
                if !windows.shrink() {
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

impl Searcher {
    /// The newest records of one window from all sources, at the same time.
    async fn window(
        &self,
        plan: &Plan,
        since: Timestamp,
        end: Key,
        most: usize,
        deadline: Instant,
    ) -> Result<Records, SearchError> {
        let mut sources = JoinSet::new();
        for level in plan.levels.iter().cloned() {
            let searcher = self.clone();
            sources.spawn(async move { searcher.level(level, since, end, most, deadline).await });
        }
        if let Some(flows) = plan.flows.clone() {
            let searcher = self.clone();
            sources.spawn(async move { searcher.flows(&flows, since, end, most, deadline).await });
        }
        let mut all = Vec::new();
        while let Some(found) = sources.join_next().await {
            all.push(found.map_err(|_| SearchError::Stopped)??);
        }
        Ok(merged(all, most, Key::first(since)))
    }

    async fn level(
        &self,
        of: OfLevel,
        since: Timestamp,
        end: Key,
        most: usize,
        deadline: Instant,
    ) -> Result<Records, SearchError> {
        let OfLevel { level, axis, pin, conditions } = of;
        let collection = collection_of(level);
        let source = Source { collection, axis, pin, conditions, projection: Document::new() };
        let slice = self.slice(&source, since, end, most, deadline).await?;
        let found = |(key, document)| Found { key, level, document };
        Ok(Records {
            records: slice.documents.into_iter().map(found).collect(),
            down_to: slice.down_to,
        })
    }
}

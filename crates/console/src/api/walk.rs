//! Reads a search's records a few at a time, so that their bytes stay bounded however large each is.

use std::time::Duration;

use gatelog_search::limits::PAGE_RECORDS;
use gatelog_search::{End, Found, Key, Search, SearchError, Searcher};
use tokio::time::Instant;

/// About how many bytes of documents are in memory at once.
const STEP_BYTES: usize = 2 << 20;
/// What a document is taken for until one was seen: a large one.
const DOCUMENT_BYTES: usize = 32 << 10;
/// What a document is taken for at least.
const DOCUMENT_BYTES_MIN: usize = 512;

/// How much longer than its time a step is waited for.
const GRACE: Duration = Duration::from_secs(2);

/// A search on its way back in time.
pub(crate) struct Walk {
    searcher: Searcher,
    search: Search,
    /// The mean size of the documents of the last step.
    mean: usize,
    only_flows: bool,
    end: Option<End>,
}

impl Walk {
    pub(crate) fn new(searcher: Searcher, search: Search) -> Self {
        Self { searcher, search, mean: DOCUMENT_BYTES, only_flows: false, end: None }
    }

    /// The next records, at most `most`, found before the deadline; none, if it has ended.
    ///
    /// # Errors
    ///
    /// The database cannot be asked.
    pub(crate) async fn step(
        &mut self,
        most: usize,
        deadline: Instant,
    ) -> Result<Vec<Found>, SearchError> {
        let within = deadline.saturating_duration_since(Instant::now());
        if self.end.is_some() {
            return Ok(Vec::new());
        }
        if within.is_zero() {
            self.end = Some(End::OutOfTime);
            return Ok(Vec::new());
        }
        let fit = STEP_BYTES.checked_div(self.mean).unwrap_or(1).clamp(1, PAGE_RECORDS);
        let within = within.max(Duration::from_millis(1));
        let limit = within.saturating_add(GRACE);
        let page = self.searcher.page(&self.search, most.clamp(1, fit), within);
        // The database may hang; what was asked of it is given up, not cancelled.
        let page = tokio::time::timeout(limit, page).await;
        let page = page.map_err(|_| SearchError::Timeout { after: limit })??;
        self.search.before = page.reached;
        self.only_flows |= page.only_flows;
        self.end = (page.end != End::Full).then_some(page.end);
        let bytes = page.records.iter().map(|found| found.document.as_bytes().len());
        let bytes = bytes.fold(0, usize::saturating_add);
        if let Some(mean) = bytes.checked_div(page.records.len()) {
            self.mean = mean.max(DOCUMENT_BYTES_MIN);
        }
        Ok(page.records)
    }

    /// Why it ended, if it has.
    pub(crate) fn end(&self) -> Option<End> {
        self.end
    }

    /// Goes on with more time.
    pub(crate) fn resume(&mut self) {
        if self.end == Some(End::OutOfTime) {
            self.end = None;
        }
    }

    /// Down to where everything was found.
    pub(crate) fn reached(&self) -> Key {
        self.search.before
    }

    /// Whether records that belong to no flow were passed over.
    pub(crate) fn only_flows(&self) -> bool {
        self.only_flows
    }
}

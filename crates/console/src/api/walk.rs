//! Reads a search's records a few at a time, so that their bytes stay bounded however large each is.

use std::time::Duration;

use gatelog_search::limits::PAGE_RECORDS;
use gatelog_search::{End, Found, Key, Pace, Search, SearchError, Searcher, Step};
use tokio::time::Instant;

/// About how many bytes of documents are in memory at once.
const STEP_BYTES: usize = 2 << 20;
/// What a document is taken for until one was seen: a large one.
const DOCUMENT_BYTES: usize = 32 << 10;
/// What a part of one is taken for.
const PART_BYTES: usize = 1 << 10;
/// What a document is taken for at least.
const DOCUMENT_BYTES_MIN: usize = 512;

/// How much longer than its time a step is waited for.
const GRACE: Duration = Duration::from_secs(2);

/// How long a walk may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    /// What was found by then is enough, if the walk has got on.
    pub(crate) enough: Instant,
    /// Nothing is searched after this.
    pub(crate) deadline: Instant,
}

/// A search on its way back in time.
pub(crate) struct Walk {
    searcher: Searcher,
    search: Search,
    /// Where it began.
    begun: Key,
    pace: Pace,
    /// The keys that are read of each document; all if there are none.
    keys: &'static [&'static str],
    /// The mean size of the documents of the last step.
    mean: usize,
    only_flows: bool,
    end: Option<End>,
}

impl Walk {
    pub(crate) fn new(searcher: Searcher, search: Search) -> Self {
        let begun = search.before;
        let (pace, mean) = (Pace::new(), DOCUMENT_BYTES);
        Self { searcher, search, begun, pace, keys: &[], mean, only_flows: false, end: None }
    }

    /// A walk that goes on from another one's end.
    pub(crate) fn at_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// A walk that reads no more than these keys of each document.
    pub(crate) fn reading(self, keys: &'static [&'static str]) -> Self {
        Self { keys, mean: PART_BYTES, ..self }
    }

    /// The next records, at most `most`, found within this time; none, if it has ended.
    ///
    /// # Errors
    ///
    /// The database cannot be asked.
    pub(crate) async fn step(
        &mut self,
        most: usize,
        time: Time,
    ) -> Result<Vec<Found>, SearchError> {
        if self.end.is_some() {
            return Ok(Vec::new());
        }
        let fit = STEP_BYTES.checked_div(self.mean).unwrap_or(1).clamp(1, PAGE_RECORDS);
        let step = Step {
            most: most.clamp(1, fit),
            enough: time.enough,
            deadline: time.deadline,
            first: !self.got_on(),
            keys: self.keys,
        };
        let limit = time.deadline.saturating_duration_since(Instant::now()).saturating_add(GRACE);
        let page = self.searcher.step(&self.search, step, &mut self.pace);
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

    /// Goes on with more time, from where it is.
    pub(crate) fn resume(&mut self) {
        self.begun = self.search.before;
        if self.end == Some(End::OutOfTime) {
            self.end = None;
        }
    }

    /// Down to where everything was found.
    pub(crate) fn reached(&self) -> Key {
        self.search.before
    }

    /// How much time it reads next.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Whether it has got further than where it began.
    pub(crate) fn got_on(&self) -> bool {
        self.search.before < self.begun
    }

    /// Whether records that belong to no flow were passed over.
    pub(crate) fn only_flows(&self) -> bool {
        self.only_flows
    }
}

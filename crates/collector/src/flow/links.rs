//! What records say about one another: spans and requests.

use std::collections::HashMap;

use super::Entry;

/// A span: an id is unique only within its trace.
type Key<'e> = (Option<&'e str>, &'e str);

fn key<'e>(entry: &'e Entry, span: Option<&'e String>) -> Option<Key<'e>> {
    Some((entry.trace_id.as_deref(), span?))
}

/// The spans of a flow.
pub(super) struct Spans<'e> {
    entries: &'e [Entry],
    /// The record of each span: the gateway's exchange, else the longest with a duration, else the
    /// earliest that was made in it.
    records: HashMap<Key<'e>, usize>,
    /// The span that caused each one, from any of its records: most loggers write only their own span.
    causes: HashMap<Key<'e>, Key<'e>>,
}

impl<'e> Spans<'e> {
    pub(super) fn of(entries: &'e [Entry]) -> Self {
        let (mut records, mut causes) = (HashMap::new(), HashMap::new());
        for (position, entry) in entries.iter().enumerate() {
            let Some(own) = key(entry, entry.span_id.as_ref()) else { continue };
            if let Some(cause) = key(entry, entry.parent_span_id.as_ref()) {
                causes.entry(own).or_insert(cause);
            }
            let found = records.entry(own).or_insert(position);
            if entries.get(*found).is_none_or(|found| rank(entry) > rank(found)) {
                *found = position;
            }
        }
        Self { entries, records, causes }
    }

    /// The record of the span that this entry was made in, if that is another one with a duration.
    pub(super) fn around(&self, position: usize, entry: &Entry) -> Option<usize> {
        let found = *self.records.get(&key(entry, entry.span_id.as_ref())?)?;
        let spans_time = self.entries.get(found)?.took.is_some();
        (found != position && spans_time && !entry.is_exchange()).then_some(found)
    }

    /// The record of the span that caused this entry.
    pub(super) fn cause(&self, entry: &Entry) -> Option<usize> {
        let told = key(entry, entry.parent_span_id.as_ref());
        let learned = || self.causes.get(&key(entry, entry.span_id.as_ref())?).copied();
        self.records.get(&told.or_else(learned)?).copied()
    }
}

/// Which of two records of a span stands for it: the greater one.
fn rank(entry: &Entry) -> (bool, i64) {
    let took = if entry.took.is_some() { entry.end().saturating_sub(entry.at) } else { -1 };
    (entry.is_exchange(), took)
}

/// The exchanges of each request, in order of time: an internal redirect makes two of one.
pub(super) struct Requests<'e> {
    entries: &'e [Entry],
    exchanges: HashMap<&'e str, Vec<usize>>,
}

impl<'e> Requests<'e> {
    /// `entries` are ordered by time.
    pub(super) fn of(entries: &'e [Entry]) -> Self {
        let mut exchanges = HashMap::<_, Vec<_>>::new();
        for (position, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.is_exchange())
        {
            if let Some(request) = entry.request_id.as_deref() {
                exchanges.entry(request).or_default().push(position);
            }
        }
        Self { entries, exchanges }
    }

    /// The latest exchange of this entry's request that had begun, or the first: clocks differ.
    pub(super) fn parent_of(&self, entry: &Entry) -> Option<usize> {
        let request = entry.request_id.as_deref().filter(|_| !entry.is_exchange())?;
        let exchanges = self.exchanges.get(request)?;
        let had_begun = |position: &usize| {
            self.entries.get(*position).is_some_and(|exchange| exchange.at <= entry.at)
        };
        let begun = exchanges.partition_point(had_begun);
        exchanges.get(begun.saturating_sub(1)).copied()
    }
}

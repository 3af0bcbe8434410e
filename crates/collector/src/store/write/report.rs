//! The result of an insert, by record and by collection.

use super::attempt::Condition;
use super::fate::{Fate, Refusal};
use crate::store::{LogCollection, StoreError};

/// The outcome for each record, by its position in the input. Every position is in exactly one
/// list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InsertReport {
    /// All their documents are in the database, at least one of them because of this call.
    pub stored: Vec<usize>,
    /// All their documents were already there.
    pub duplicate: Vec<usize>,
    /// Of all records, those whose document in their level's collection is there because of their
    /// row: inserted by this call, or by an earlier one. Empty if the rows have no marks.
    pub own: Vec<usize>,
    /// A tombstone covers them: nothing of them was sent.
    pub erased: Vec<usize>,
    /// The database will never accept at least one of their documents.
    pub refused: Vec<(usize, Refusal)>,
    /// A document was refused individually, with an error that may or may not be its own fault: to
    /// be retried a few times, after others.
    pub suspected: Vec<(usize, LogCollection, Refusal)>,
    /// A document's collection accepts nothing at the moment: to be retried when it does.
    pub blocked: Vec<(usize, LogCollection)>,
    /// To be retried: it is not known whether they are stored.
    pub retry: Vec<usize>,
    /// Why some must be retried: the first cause encountered.
    pub failure: Option<StoreError>,
}

impl InsertReport {
    /// All that was sent must be tried again.
    pub(crate) fn doubt(&mut self) {
        self.retry.append(&mut self.stored);
        self.retry.append(&mut self.duplicate);
        self.retry.extend(self.refused.drain(..).map(|(position, _)| position));
        self.retry.extend(self.suspected.drain(..).map(|(position, ..)| position));
        self.retry.extend(self.blocked.drain(..).map(|(position, _)| position));
        self.retry.sort_unstable();
    }

    /// What is erased must be tried again, as its documents could not be deleted.
    pub(crate) fn not_deleted(&mut self, error: StoreError) {
        self.retry.append(&mut self.erased);
        self.retry.sort_unstable();
        self.failure.get_or_insert(error);
    }
}

/// What one collection's part of an insert says about the collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reception {
    pub(crate) collection: LogCollection,
    /// Whether it accepted a document that was not there before.
    pub(crate) stored: bool,
    /// Whether it accepted a document, or reported that it already has it.
    pub(crate) taken: bool,
    /// Why it did not accept everything.
    pub(crate) condition: Option<Condition>,
}

/// Builds the report from each record's fate and each collection's response.
pub(super) fn report(fates: Vec<Option<Fate>>, receptions: &[Reception]) -> InsertReport {
    let failure = receptions.iter().find_map(|reception| match &reception.condition {
        Some(Condition::Server(error) | Condition::Collection(error)) => Some(error.clone()),
        None => None,
    });
    let mut report = InsertReport { failure, ..InsertReport::default() };
    for (position, fate) in fates.into_iter().enumerate() {
        match fate {
            Some(Fate::Stored) => report.stored.push(position),
            Some(Fate::Duplicate { .. }) => report.duplicate.push(position),
            Some(Fate::Erased) => report.erased.push(position),
            Some(Fate::Refused(refusal)) => report.refused.push((position, refusal)),
            Some(Fate::Suspected(collection, refusal)) => {
                report.suspected.push((position, collection, refusal));
            }
            Some(Fate::Blocked(collection)) => report.blocked.push((position, collection)),
            Some(Fate::Unsure) | None => report.retry.push(position),
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_stands_in_exactly_one_list() {
        let refusal = Refusal { kind: "validator", reason: String::new() };
        let fates = vec![
            Some(Fate::Unsure),
            Some(Fate::Stored),
            Some(Fate::Refused(refusal.clone())),
            Some(Fate::Duplicate { own: false }),
            None,
            Some(Fate::Suspected(LogCollection::Trace, refusal.clone())),
            Some(Fate::Blocked(LogCollection::Audit)),
            Some(Fate::Erased),
        ];
        let expected = InsertReport {
            stored: vec![1],
            duplicate: vec![3],
            own: vec![],
            erased: vec![7],
            refused: vec![(2, refusal.clone())],
            suspected: vec![(5, LogCollection::Trace, refusal)],
            blocked: vec![(6, LogCollection::Audit)],
            retry: vec![0, 4],
            failure: None,
        };
        assert_eq!(report(fates, &[]), expected);
    }
}

//! What became of one document, and of a record by its documents.

use crate::store::LogCollection;

/// Why a document was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind that dead letters are filed by.
    pub kind: &'static str,
    /// The reason, in the server's own words where it gave any. They may quote the record.
    pub reason: String,
}

/// What became of one document. Of a record's documents, the later in this order decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was there before.
    Duplicate,
    Stored,
    /// The database will never take it.
    Refused(Refusal),
    /// Refused where it stood alone, with an error that may be its own fault or not.
    Suspected(LogCollection, Refusal),
    /// Its collection takes nothing at the moment.
    Blocked(LogCollection),
    /// The server could not be asked, or not all of it is known.
    Unsure,
}

impl Fate {
    const fn rank(&self) -> u8 {
        match self {
            Fate::Duplicate => 0,
            Fate::Stored => 1,
            Fate::Refused(_) => 2,
            Fate::Suspected(..) => 3,
            Fate::Blocked(_) => 4,
            Fate::Unsure => 5,
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_record_s_documents_the_gravest_fate_decides() {
        let refusal = || Refusal { kind: "validator", reason: String::new() };
        let ascending = [
            Fate::Duplicate,
            Fate::Stored,
            Fate::Refused(refusal()),
            Fate::Suspected(LogCollection::Info, refusal()),
            Fate::Blocked(LogCollection::Info),
            Fate::Unsure,
        ];
        for (index, less) in ascending.iter().enumerate() {
            for more in ascending.iter().skip(index) {
                assert_eq!(&less.clone().and(more.clone()), more);
                assert_eq!(&more.clone().and(less.clone()), more);
            }
        }
    }
}

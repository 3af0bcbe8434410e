//! The fate of one document, and of a record based on its documents.

use crate::store::LogCollection;

/// Why a document was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind under which dead letters are filed.
    pub kind: &'static str,
    /// The reason, in the server's own words if it sent any. They may quote the record.
    pub reason: String,
}

/// The fate of one document. Among a record's documents, the later in this order decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// A tombstone covers its record: it was not sent.
    Erased,
    /// It was already there; `own`: inserted by the same row, in an earlier call.
    Duplicate {
        own: bool,
    },
    Stored,
    /// The database will never accept it.
    Refused(Refusal),
    /// Refused individually, with an error that may or may not be its own fault.
    Suspected(LogCollection, Refusal),
    /// Its collection accepts nothing at the moment.
    Blocked(LogCollection),
    /// The server could not be reached, or the outcome is not fully known.
    Unsure,
}

impl Fate {
    const fn rank(&self) -> u8 {
        match self {
            Fate::Erased => 0,
            Fate::Duplicate { .. } => 1,
            Fate::Stored => 2,
            Fate::Refused(_) => 3,
            Fate::Suspected(..) => 4,
            Fate::Blocked(_) => 5,
            Fate::Unsure => 6,
        }
    }

    /// Whether the document is in the database because of its row.
    pub(super) const fn is_own(&self) -> bool {
        matches!(self, Fate::Stored | Fate::Duplicate { own: true })
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
            Fate::Duplicate { own: true },
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

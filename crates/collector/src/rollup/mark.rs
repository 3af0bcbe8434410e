//! The mark of a spool row on the documents that it inserted.

use gatelog_record::Uuid;
use sha2::{Digest, Sha256};

/// The mark of a row: 64 bits of a hash over the spool file's id and the row's number. What is
/// parked of a row has the row's mark.
///
/// It answers one question: did this row insert the document that is already there? A wrong answer
/// needs two rows with the same mark that hold the same record: a chance of 2⁻⁶⁴ for each of a
/// record's deliveries.
pub fn mark(file: Uuid, row: i64) -> i64 {
    let hash = Sha256::new().chain_update(file.as_bytes()).chain_update(row.to_be_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    let (first, _) = hash.split_first_chunk().unwrap_or((&[0; 8], &[]));
    i64::from_be_bytes(*first)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_of_every_file_has_a_mark_of_its_own() {
        let files = [1, 2].map(Uuid::from_u128);
        let marks = files.iter().flat_map(|file| (1..1_000).map(|row| mark(*file, row)));
        assert_eq!(marks.collect::<BTreeSet<_>>().len(), 1_998);
        // It must not change between versions: documents would seem to be another row's.
        assert_eq!(mark(Uuid::from_u128(7), 3), 8_210_375_801_390_866_653);
    }
}

//! What the jobs of one transaction do to the file, and to what is kept in memory of it.

use rusqlite::Transaction;

use super::database::{self, Parked, Taken, Waiting};
use super::error::SpoolError;
use super::letters::{self, DeadLetter, LetterCount};
use super::{Append, Settled, SettledRow};
use crate::accounting::{Account, Edit, Intervals, Ledger, Seqs, Totals};

/// One transaction's effect on what is kept in memory; thrown away when it fails.
pub(super) struct Change<'a> {
    pub(super) edit: Edit,
    /// Batches that wait whole.
    pub(super) waiting: Waiting,
    pub(super) parked: Parked,
    pub(super) letters: LetterCount,
    pub(super) ledger: &'a Ledger,
    pub(super) now: i64,
}

impl Change<'_> {
    pub(super) fn append(
        &mut self,
        tx: &Transaction<'_>,
        append: &Append,
    ) -> Result<(), SpoolError> {
        if append.records > 0 {
            let (seqs, body) = (&append.seqs, &append.body);
            self.waiting.add(database::insert_row(tx, None, self.now, append.records, seqs, body)?);
        }
        if let Some((key, totals)) = &append.totals {
            let totals = Totals { at: self.now, ..totals.clone() };
            self.edit.account(self.ledger, key, self.now).totals.advance(&totals);
        }
        self.each(&append.seqs, |account, seqs| account.accepted.union(seqs));
        self.bury(tx, &append.letters, &append.quarantined)
    }

    pub(super) fn settle(
        &mut self,
        tx: &Transaction<'_>,
        settled: &Settled,
        generation: u64,
    ) -> Result<(), SpoolError> {
        self.each(&settled.stored, |account, seqs| account.stored.union(seqs));
        // Rows of a file that was moved aside: the new file's are read and settled anew.
        if settled.generation == generation {
            for row in &settled.rows {
                self.settle_row(tx, row)?;
            }
        }
        Ok(())
    }

    /// What becomes of a row's records is written only with the row's deletion: never twice, and
    /// never for a row that is still there.
    fn settle_row(&mut self, tx: &Transaction<'_>, row: &SettledRow) -> Result<(), SpoolError> {
        let Some(taken) = self.take(tx, row.id, row.parked.as_deref())? else { return Ok(()) };
        for rest in row.rests.iter().filter(|rest| rest.records > 0) {
            // Only a damaged file holds a batch and what was parked of it.
            self.take(tx, row.id, Some(&rest.collection))?;
            let counted = database::insert_parked(tx, row.id, taken.received, rest)?;
            self.parked.entry(rest.collection.clone()).or_default().add(counted);
        }
        self.bury(tx, &row.letters, &row.quarantined)
    }

    /// Deletes a row; none when it is not there.
    fn take(
        &mut self,
        tx: &Transaction<'_>,
        batch: i64,
        parked: Option<&str>,
    ) -> Result<Option<Taken>, SpoolError> {
        let taken = database::take_row(tx, batch, parked)?;
        if let Some(Taken { counted, .. }) = taken {
            match parked {
                None => self.waiting.remove(counted),
                Some(collection) => {
                    self.parked.entry(collection.to_owned()).or_default().remove(counted);
                }
            }
        }
        Ok(taken)
    }

    /// Finds what has waited for the longest, now that all is changed.
    pub(super) fn find_oldest(&mut self, tx: &Transaction<'_>) -> Result<(), SpoolError> {
        self.waiting.oldest = database::oldest(tx)?;
        self.parked.retain(|_, waiting| waiting.rows > 0);
        for (collection, waiting) in &mut self.parked {
            waiting.oldest = database::oldest_parked(tx, collection)?;
        }
        Ok(())
    }

    fn bury(
        &mut self,
        tx: &Transaction<'_>,
        letters: &[DeadLetter],
        seqs: &Seqs,
    ) -> Result<(), SpoolError> {
        for letter in letters {
            letters::insert(tx, self.now, letter)?;
            self.letters.add(letter);
        }
        self.each(seqs, |account, seqs| {
            account.accepted.union(seqs);
            account.quarantined.union(seqs);
        });
        Ok(())
    }

    fn each(&mut self, seqs: &Seqs, change: impl Fn(&mut Account, &Intervals)) {
        for (key, seqs) in seqs.iter() {
            change(self.edit.account(self.ledger, key, self.now), seqs);
        }
    }

    pub(super) fn write_accounts(&mut self, tx: &Transaction<'_>) -> Result<(), SpoolError> {
        for (key, account) in self.edit.changed() {
            database::write_account(tx, key, account)?;
        }
        for key in self.edit.forgotten() {
            database::delete_account(tx, key)?;
        }
        Ok(())
    }
}

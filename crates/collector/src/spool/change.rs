//! What the jobs of one transaction do to the file, and to what is kept in memory of it.

use rusqlite::Transaction;

use super::database::{self, Waiting};
use super::error::SpoolError;
use super::letters::{self, DeadLetter, LetterCount};
use super::{Append, Settled};
use crate::accounting::{Account, Edit, Intervals, Ledger, Seqs, Totals};

/// One transaction's effect on what is kept in memory; thrown away when it fails.
pub(super) struct Change<'a> {
    pub(super) edit: Edit,
    pub(super) waiting: Waiting,
    pub(super) letters: LetterCount,
    pub(super) written: usize,
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
            database::insert_row(tx, None, self.now, append.records, &append.seqs, &append.body)?;
            self.waiting.add(append.records, append.body.len());
            self.written = self.written.saturating_add(append.body.len());
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
        // Rows of a file that was moved aside: the new file's are read and settled anew.
        if settled.generation == generation {
            for row in &settled.rows {
                if database::delete_row(tx, row.id)? {
                    self.waiting.remove(row.records, row.bytes);
                }
            }
        }
        self.each(&settled.stored, |account, seqs| account.stored.union(seqs));
        self.bury(tx, &settled.letters, &settled.quarantined)
    }

    fn bury(
        &mut self,
        tx: &Transaction<'_>,
        letters: &[DeadLetter],
        seqs: &Seqs,
    ) -> Result<(), SpoolError> {
        for letter in letters {
            let bytes = letters::insert(tx, self.now, letter)?;
            self.letters.add(bytes);
            self.written = self.written.saturating_add(bytes);
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

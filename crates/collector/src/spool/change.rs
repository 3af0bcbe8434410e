//! How the jobs of one transaction change the file, and the in-memory state that mirrors it.

use rusqlite::Transaction;

use super::accounts;
use super::batch::{Append, Rest, Settled, SettledRow};
use super::database::{self, Taken};
use super::error::SpoolError;
use super::letters::{self, DeadLetter, LetterCount};
use super::rollups::{self, RollupCount, RollupRow};
use super::rows::{self, Source};
use super::waiting::{Parked, Waiting};
use crate::accounting::{Account, Edit, Ledger, Seqs, Told, Totals, Unnumbered};
use crate::rollup::{Names, Tally};

/// One transaction's effect on the in-memory state; discarded if it fails.
pub(super) struct Change<'a> {
    pub(super) edit: Edit,
    /// Waiting whole batches.
    pub(super) waiting: Waiting,
    pub(super) parked: Parked,
    pub(super) letters: LetterCount,
    pub(super) unnumbered: Unnumbered,
    /// What the settled rows have counted.
    pub(super) tally: Tally,
    pub(super) rollups: RollupCount,
    pub(super) ledger: &'a Ledger,
    pub(super) now: i64,
}

impl Change<'_> {
    pub(super) fn append(
        &mut self,
        tx: &Transaction<'_>,
        append: &Append,
    ) -> Result<(), SpoolError> {
        self.unnumbered.add(append.unnumbered);
        self.each(&append.seqs, |account, (start, end)| account.numbers.accept(start..=end));
        if append.records > 0 {
            let (seqs, body) = (&append.seqs, &append.body);
            self.waiting.add(database::insert_row(tx, None, self.now, append.records, seqs, body)?);
        }
        if let Some((key, totals)) = &append.totals {
            let totals = Totals { at: self.now, ..totals.clone() };
            self.edit.change(self.ledger, key, self.now, |account| account.totals.advance(&totals));
        }
        // A line that is not a record may carry any number: one that no header has reported and no
        // record has reached does not count.
        self.each(&append.quarantined, |account, (start, end)| {
            account.numbers.refuse(start..=end.min(account.assigned()));
        });
        self.bury(tx, &append.letters)
    }

    pub(super) fn settle(
        &mut self,
        tx: &Transaction<'_>,
        settled: &Settled,
        generation: u64,
    ) -> Result<(), SpoolError> {
        let told = [
            (&settled.stored, Told::New),
            (&settled.again, Told::Again),
            (&settled.elsewhere, Told::Elsewhere),
        ];
        for (seqs, told) in told {
            self.tell(seqs, told);
        }
        // Rows of a file that was moved aside: those in the new file are read and settled again.
        if settled.generation == generation {
            for row in &settled.rows {
                self.settle_row(tx, row, settled)?;
            }
        }
        Ok(())
    }

    /// The fate of a row's records is written only together with the row's deletion: never twice,
    /// and never for a row that still exists.
    fn settle_row(
        &mut self,
        tx: &Transaction<'_>,
        row: &SettledRow,
        settled: &Settled,
    ) -> Result<(), SpoolError> {
        let Some(taken) = self.take(tx, row.id, row.parked.as_deref())? else { return Ok(()) };
        for rest in row.rests.iter().filter(|rest| rest.records > 0) {
            self.park(tx, row.id, taken.received, rest)?;
        }
        // All that is known about a damaged row is that it held these numbers: they are missing, so
        // that a replay recovers them. The same goes for numbers without a reported outcome.
        let mut lost = taken.seqs;
        if !row.damaged {
            self.tally.merge(&row.tally);
            self.tell(&row.quarantined, Told::Refused);
            let rests = row.rests.iter().map(|rest| &rest.seqs);
            let told = [&settled.stored, &settled.again, &settled.elsewhere, &row.quarantined];
            told.into_iter().chain(rests).for_each(|seqs| lost.subtract(seqs));
        }
        self.each(&lost, |account, (start, end)| {
            // It is known that they were made, whatever becomes of them.
            account.totals.assigned = account.assigned();
            account.numbers.lose(start..=end);
        });
        self.bury(tx, &row.letters)
    }

    /// Parks a rest, merged with what is already parked of the same batch for the same collection:
    /// from another of its rows, or in a file that was damaged.
    fn park(
        &mut self,
        tx: &Transaction<'_>,
        batch: i64,
        received: i64,
        rest: &Rest,
    ) -> Result<(), SpoolError> {
        let before = rows::get(tx, Source::Parked(&rest.collection), batch)?;
        let merged = before.as_ref().map(|before| Rest {
            collection: rest.collection.clone(),
            records: before.records.saturating_add(rest.records),
            seqs: {
                let mut seqs = before.seqs.clone();
                seqs.merge(&rest.seqs);
                seqs
            },
            body: [before.body.as_slice(), &rest.body].concat(),
        });
        let intact = before.as_ref().is_none_or(|before| before.intact);
        self.take(tx, batch, Some(&rest.collection))?;
        let rest = merged.as_ref().unwrap_or(rest);
        let counted = database::insert_parked(tx, batch, received, rest, intact)?;
        self.parked.entry(rest.collection.clone()).or_default().add(counted);
        Ok(())
    }

    /// Deletes a row; `None` if it does not exist.
    fn take(
        &mut self,
        tx: &Transaction<'_>,
        batch: i64,
        parked: Option<&str>,
    ) -> Result<Option<Taken>, SpoolError> {
        let taken = database::take_row(tx, batch, parked)?;
        if let Some(Taken { counted, .. }) = &taken {
            match parked {
                None => self.waiting.remove(*counted),
                Some(collection) => {
                    self.parked.entry(collection.to_owned()).or_default().remove(*counted);
                }
            }
        }
        Ok(taken)
    }

    /// Finds the oldest waiting row, once all changes are made.
    pub(super) fn find_oldest(&mut self, tx: &Transaction<'_>) -> Result<(), SpoolError> {
        self.waiting.oldest = database::oldest(tx)?;
        self.parked.retain(|_, waiting| waiting.rows > 0);
        for (collection, waiting) in &mut self.parked {
            waiting.oldest = database::oldest_parked(tx, collection)?;
        }
        Ok(())
    }

    fn bury(&mut self, tx: &Transaction<'_>, letters: &[DeadLetter]) -> Result<(), SpoolError> {
        for letter in letters {
            letters::insert(tx, self.now, letter)?;
            self.letters.add(letter);
        }
        Ok(())
    }

    fn tell(&mut self, seqs: &Seqs, told: Told) {
        self.each(seqs, |account, (start, end)| account.numbers.settle(start..=end, told));
    }

    fn each(&mut self, seqs: &Seqs, change: impl Fn(&mut Account, (u64, u64))) {
        for (key, seqs) in seqs.iter() {
            self.edit.change(self.ledger, key, self.now, |account| {
                seqs.spans().for_each(|span| change(account, span));
            });
        }
    }

    /// Deletes rollups that the database has, unless they are of a file that was moved aside.
    pub(super) fn put_away(
        &mut self,
        tx: &Transaction<'_>,
        rows: &[RollupRow],
        same_file: bool,
    ) -> Result<(), SpoolError> {
        if same_file {
            rollups::put_away(tx, rows, &mut self.rollups)?;
        }
        Ok(())
    }

    /// Adds what the settled rows have counted; returns how many values were deleted to keep the
    /// bounds.
    pub(super) fn write_rollups(
        &mut self,
        tx: &Transaction<'_>,
        names: &mut Names,
    ) -> Result<u64, SpoolError> {
        if self.tally.is_empty() {
            return Ok(0);
        }
        rollups::add(tx, names, &self.tally, &mut self.rollups)?;
        rollups::trim(tx, &mut self.rollups, rollups::ROWS_MAX, rollups::BYTES_MAX)
    }

    pub(super) fn write_accounts(&self, tx: &Transaction<'_>) -> Result<(), SpoolError> {
        accounts::write_all(tx, self.edit.changed(), self.edit.forgotten())
    }
}

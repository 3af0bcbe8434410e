//! The sequence numbers of one boot's records, and where each record is.
//!
//! Above the [`floor`](Numbers::floor) every number is tracked individually. Up to it only counts
//! are kept, plus the numbers that can still change: those in transit and those in the dead
//! letters. The floor may pass numbers that never arrived. All states share one floor, so stored,
//! in-transit and refused records are always counted over the same numbers.
//!
//! **Bound**: [`MAX_RUNS`] runs. Above it the lowest final runs are folded into counts, which loses
//! only the list of what is absent there; if that is not enough, the lowest runs in transit are
//! folded too.
//!
//! For a late number up to the floor, this module cannot know whether it was counted before. The
//! database can: only what it had not stored before counts.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use crate::varint::{self, Reader};

/// Maximum runs of numbers of one boot: about 16 KiB packed. A filter's records form one run; with
/// several collectors each batch forms one until all of them are stored.
pub const MAX_RUNS: usize = 4_096;

/// The largest valid sequence number.
pub const MAX_NUMBER: u64 = gatelog_record::limits::SEQ_MAX;

/// Where a record is. If two are reported for one number, the later in this order applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In transit, up to the floor, and possibly counted before.
    Late,
    /// In transit to the database.
    Spooled,
    /// In the dead letters.
    Quarantined,
    /// In the database, which had it before this collector sent it: another collector counts it.
    Elsewhere,
    /// In the database.
    Stored,
}

impl Place {
    const ALL: [Place; 5] =
        [Place::Late, Place::Spooled, Place::Quarantined, Place::Elsewhere, Place::Stored];

    /// Whether it may still change: such numbers are tracked individually.
    fn changes(self) -> bool {
        self < Place::Elsewhere
    }
}

/// What the database reported about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was new.
    New,
    /// It was already there, and this collector may have sent it before.
    Again,
    /// It was already there, and this collector had not sent it before.
    Elsewhere,
    /// It was refused permanently.
    Refused,
}

impl Told {
    fn place(self) -> Place {
        match self {
            Told::New | Told::Again => Place::Stored,
            Told::Elsewhere => Place::Elsewhere,
            Told::Refused => Place::Quarantined,
        }
    }
}

/// A range of numbers in one place, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first.
    pub start: u64,
    /// The last.
    pub end: u64,
    /// Where they are.
    pub place: Place,
}

impl Run {
    fn len(&self) -> u64 {
        self.end.saturating_sub(self.start).saturating_add(1)
    }
}

/// Counts by place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In the database.
    pub stored: u64,
    /// In the database, counted by another collector.
    pub elsewhere: u64,
    /// In the dead letters.
    pub quarantined: u64,
    /// In transit.
    pub spooled: u64,
    /// In transit, and possibly counted before.
    pub late: u64,
}

impl Counts {
    fn of(&mut self, place: Place) -> &mut u64 {
        match place {
            Place::Late => &mut self.late,
            Place::Spooled => &mut self.spooled,
            Place::Quarantined => &mut self.quarantined,
            Place::Elsewhere => &mut self.elsewhere,
            Place::Stored => &mut self.stored,
        }
    }

    fn add(&mut self, place: Place, count: u64) {
        let sum = self.of(place);
        *sum = sum.saturating_add(count);
    }

    fn add_all(&mut self, other: &Self) {
        let mut other = *other;
        for place in Place::ALL {
            let count = *other.of(place);
            self.add(place, count);
        }
    }
}

/// The numbers of one boot's records, by place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    floor: u64,
    /// Counts of the numbers up to the floor that are in no run.
    below: Counts,
    /// Ascending and disjoint; adjacent numbers in one place form one run.
    runs: Vec<Run>,
}

impl Numbers {
    /// Up to this number only counts are kept.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// The counts up to the floor, excluding what is in a run.
    pub fn below(&self) -> &Counts {
        &self.below
    }

    /// The individually tracked numbers, in ascending order.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The largest number seen, 0 if none.
    pub fn max(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.end).max(self.floor)
    }

    /// Whether no number was ever seen.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.floor == 0
    }

    /// Whether some records in transit are known only as a count.
    pub fn is_counting(&self) -> bool {
        self.below.spooled > 0 || self.below.late > 0
    }

    /// Whether any records are in transit.
    pub fn has_spooled(&self) -> bool {
        self.is_counting() || self.runs.iter().any(|run| run.place <= Place::Spooled)
    }

    /// Whether the number is known to be in transit, in the database, or in the dead letters, as
    /// far as it is tracked individually.
    pub fn contains(&self, number: u64) -> bool {
        self.at(number).is_some_and(|run| run.place > Place::Late)
    }

    /// Records that were made durable here.
    pub fn accept(&mut self, range: RangeInclusive<u64>) {
        for (range, above) in self.split(range) {
            let place = if above { Place::Spooled } else { Place::Late };
            self.raise(range, place);
        }
    }

    /// Records what the database reported.
    pub fn settle(&mut self, range: RangeInclusive<u64>, told: Told) {
        for (range, above) in self.split(range) {
            if above {
                self.raise(range, told.place());
            } else {
                self.settle_below(&range, told);
            }
        }
    }

    /// Lines with these numbers were refused on arrival. Up to the floor they may have been counted
    /// before, so they are not counted.
    pub fn refuse(&mut self, range: RangeInclusive<u64>) {
        for (range, above) in self.split(range) {
            if above {
                self.raise(range, Place::Quarantined);
            }
        }
    }

    /// Splits a range into the parts up to the floor and above it.
    fn split(
        &self,
        range: RangeInclusive<u64>,
    ) -> impl Iterator<Item = (RangeInclusive<u64>, bool)> + use<> {
        let (start, end) = ((*range.start()).max(1), (*range.end()).min(MAX_NUMBER));
        let (floor, next) = (self.floor, self.floor.saturating_add(1));
        let parts = [(start..=end.min(floor), false), (start.max(next)..=end, true)];
        parts.into_iter().filter(|(part, _)| !part.is_empty())
    }

    fn settle_below(&mut self, range: &RangeInclusive<u64>, told: Told) {
        let place = told.place();
        let mut next = *range.start();
        for run in self.take(range) {
            self.settle_unknown(run.start.saturating_sub(next), told);
            next = run.end.saturating_add(1);
            match run.place {
                // What was refused before is tracked individually, so this is the first refusal.
                Place::Late if told == Told::Refused => {
                    self.raise(run.start..=run.end, Place::Quarantined);
                }
                Place::Late if told == Told::New => self.below.add(Place::Stored, run.len()),
                Place::Late => {}
                known if known.max(place).changes() => {
                    self.raise(run.start..=run.end, known.max(place));
                }
                known => self.below.add(known.max(place), run.len()),
            }
        }
        self.settle_unknown(range.end().saturating_add(1).saturating_sub(next), told);
    }

    /// Settles numbers up to the floor that are not tracked individually: in transit, settled
    /// before, or never seen.
    fn settle_unknown(&mut self, count: u64, told: Told) {
        let waited = count.min(self.below.spooled);
        match told {
            Told::New => {
                // Some of what is reported again may still await its count.
                let late = count.min(self.below.late);
                self.below.late = self.below.late.saturating_sub(late);
                let others = count.saturating_sub(late);
                self.below.spooled = self.below.spooled.saturating_sub(others);
                self.below.add(Place::Stored, count);
            }
            Told::Again | Told::Refused => {
                self.below.spooled = self.below.spooled.saturating_sub(waited);
                self.below.add(told.place(), waited);
            }
            // Which one of them it was is unknown; leftovers are removed when the spool is empty.
            Told::Elsewhere => {}
        }
    }

    /// Keeps only these numbers of what is in transit: the others are lost.
    pub fn keep_spooled(&mut self, kept: impl Iterator<Item = (u64, u64)>) {
        let (mut still, mut unknown) = (Vec::<Run>::new(), 0_u64);
        for (start, end) in kept {
            still.extend(
                self.within(&(start..=end)).iter().filter(|run| run.place <= Place::Spooled),
            );
            let below = start.max(1)..=end.min(self.floor);
            let known = self.within(&below).iter().map(Run::len).fold(0, u64::saturating_add);
            let all = below.end().saturating_add(1).saturating_sub(*below.start());
            unknown = unknown.saturating_add(all.saturating_sub(known));
        }
        self.runs.retain(|run| run.place > Place::Spooled);
        for run in still {
            self.raise(run.start..=run.end, run.place);
        }
        self.below.spooled = self.below.spooled.min(unknown);
        self.below.late = self.below.late.min(unknown);
    }

    /// These numbers are no longer in transit, nor known to be anywhere else: they are missing
    /// again. Anything reported about them since then stays.
    pub fn lose(&mut self, range: RangeInclusive<u64>) {
        for (range, above) in self.split(range) {
            let (mut known, start) = (0_u64, *range.start());
            for run in self.take(&range) {
                known = known.saturating_add(run.len());
                if run.place > Place::Spooled {
                    self.raise(run.start..=run.end, run.place);
                }
            }
            if !above {
                let all = range.end().saturating_add(1).saturating_sub(start);
                let unknown = all.saturating_sub(known);
                self.below.spooled = self.below.spooled.saturating_sub(unknown);
            }
        }
    }

    /// Forgets what is in transit: its collector is gone.
    pub fn drop_spooled(&mut self) {
        self.keep_spooled(std::iter::empty());
    }

    /// Folds until at most `runs` runs are left; returns whether it folded any.
    pub fn fold(&mut self, runs: usize) -> bool {
        let excess = self.runs.len().saturating_sub(runs);
        if excess == 0 {
            return false;
        }
        let finals = self.runs.iter().filter(|run| !run.place.changes());
        let count = finals.clone().count().min(excess);
        let last = finals.map(|run| run.end).nth(count.wrapping_sub(1));
        self.floor = self.floor.max(last.unwrap_or(0));
        let (floor, below) = (self.floor, &mut self.below);
        self.runs.retain(|run| {
            let stays = run.start > floor || run.place.changes();
            if !stays {
                below.add(run.place, run.len());
            }
            stays
        });
        let excess = self.runs.len().saturating_sub(runs);
        for run in self.runs.drain(..excess) {
            self.floor = self.floor.max(run.end);
            self.below.add(run.place, run.len());
        }
        true
    }

    /// Enforces the bound, leaving room for what comes next.
    pub fn bound(&mut self, runs: usize) {
        if self.runs.len() > runs {
            self.fold(runs / 2);
        }
    }

    /// Adopts counts of numbers up to a floor, in addition to what is tracked individually.
    pub fn assume(&mut self, floor: u64, stored: u64, quarantined: u64) {
        self.floor = self.floor.max(floor);
        self.below.add(Place::Stored, stored);
        self.below.add(Place::Quarantined, quarantined);
        let (floor, below) = (self.floor, &mut self.below);
        self.runs.retain(|run| {
            let counted = run.end <= floor && !run.place.changes();
            if counted {
                below.add(run.place, run.len());
            }
            !counted
        });
    }

    /// Adds another collector's numbers of the same boot. Each collector counts only what it sent
    /// itself, so the counts add up.
    pub fn unite(&mut self, other: &Self) {
        self.floor = self.floor.max(other.floor);
        self.below.add_all(&other.below);
        for run in &other.runs {
            self.raise(run.start..=run.end, run.place);
        }
    }

    /// How many numbers are in each place. `shared`: whether another collector's account is
    /// included, which then counts what is elsewhere.
    pub fn counts(&self, shared: bool) -> Counts {
        let mut counts = self.below;
        if shared {
            counts.elsewhere = 0;
        }
        for run in &self.runs {
            match run.place {
                Place::Elsewhere if shared && run.end <= self.floor => {}
                Place::Elsewhere if shared && run.start <= self.floor => {
                    counts.add(run.place, run.end.saturating_sub(self.floor));
                }
                place => counts.add(place, run.len()),
            }
        }
        counts
    }

    /// How many numbers up to the floor have a known place.
    pub fn counts_up_to_floor(&self, shared: bool) -> u64 {
        let Counts { stored, elsewhere, quarantined, spooled, late: _ } = self.below;
        let counted = [stored, if shared { 0 } else { elsewhere }, quarantined, spooled];
        let runs = self.within(&(1..=self.floor));
        let known = runs.iter().filter(|run| match run.place {
            Place::Late => false,
            Place::Elsewhere => !shared,
            Place::Spooled | Place::Quarantined | Place::Stored => true,
        });
        let known = known.map(Run::len).chain(counted);
        known.fold(0, u64::saturating_add)
    }

    /// Whether this collector was the first to store any of them.
    pub fn has_stored(&self) -> bool {
        self.below.stored > 0 || self.runs.iter().any(|run| run.place == Place::Stored)
    }

    /// Whether the database had any of them before this collector sent it.
    pub fn has_elsewhere(&self) -> bool {
        self.below.elsewhere > 0 || self.runs.iter().any(|run| run.place == Place::Elsewhere)
    }

    /// The numbers above the floor and up to `last` that are in no run, in ascending order.
    pub fn absent(&self, last: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut next = self.floor.saturating_add(1);
        let ends = self.runs.iter().map(|run| (run.start, run.end));
        ends.chain([(last.saturating_add(1), u64::MAX)]).filter_map(move |(start, end)| {
            let gap =
                (next < start && next <= last).then(|| (next, start.saturating_sub(1).min(last)));
            next = next.max(end.saturating_add(1));
            gap
        })
    }

    fn index(&self, number: u64) -> usize {
        self.runs.partition_point(|run| run.end < number)
    }

    fn at(&self, number: u64) -> Option<&Run> {
        self.runs.get(self.index(number)).filter(|run| run.start <= number)
    }

    /// The parts of runs that lie within the range.
    fn within(&self, range: &RangeInclusive<u64>) -> Vec<Run> {
        let (start, end) = (*range.start(), *range.end());
        let runs = self.runs.get(self.index(start)..).unwrap_or_default();
        let touched = runs.iter().take_while(|run| run.start <= end);
        touched
            .map(|run| Run { start: run.start.max(start), end: run.end.min(end), ..*run })
            .collect()
    }

    /// Removes what lies within the range.
    fn take(&mut self, range: &RangeInclusive<u64>) -> Vec<Run> {
        let taken = self.within(range);
        self.replace(range, &[]);
        taken
    }

    /// Moves the numbers of the range to a place, except those that are already further along.
    fn raise(&mut self, range: RangeInclusive<u64>, place: Place) {
        let mut new: Vec<Run> = Vec::new();
        let mut next = *range.start();
        for run in self.within(&range) {
            if next < run.start {
                push(&mut new, Run { start: next, end: run.start.saturating_sub(1), place });
            }
            next = run.end.saturating_add(1);
            push(&mut new, Run { place: run.place.max(place), ..run });
        }
        if next <= *range.end() {
            push(&mut new, Run { start: next, end: *range.end(), place });
        }
        self.replace(&range, &new);
    }

    /// Replaces everything within the range with `new`, which lies within it.
    fn replace(&mut self, range: &RangeInclusive<u64>, new: &[Run]) {
        let (start, end) = (*range.start(), *range.end());
        // Extended by one on each side, to merge adjacent runs.
        let from = self.index(start.saturating_sub(1));
        let to = self.runs.partition_point(|run| run.start <= end.saturating_add(1)).max(from);
        let old = self.runs.get(from..to).unwrap_or_default();
        let mut merged = Vec::with_capacity(new.len().saturating_add(2));
        if let Some(first) = old.first().filter(|run| run.start < start) {
            push(&mut merged, Run { end: first.end.min(start.saturating_sub(1)), ..*first });
        }
        for run in new {
            push(&mut merged, *run);
        }
        if let Some(last) = old.last().filter(|run| run.end > end) {
            push(&mut merged, Run { start: last.start.max(end.saturating_add(1)), ..*last });
        }
        self.runs.splice(from..to, merged);
    }

    /// Appends the packed form, which `decode` reads.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Counts { stored, elsewhere, quarantined, spooled, late } = self.below;
        for value in [self.floor, stored, elsewhere, quarantined, spooled, late] {
            varint::write(value, out);
        }
        let mut last = 0_u64;
        for run in &self.runs {
            varint::write(run.start.saturating_sub(last), out);
            let place = Place::ALL.iter().position(|place| *place == run.place).unwrap_or(0);
            let length = run.len().saturating_sub(1).saturating_mul(8);
            varint::write(length | u64::try_from(place).unwrap_or(0), out);
            last = run.end;
        }
    }

    /// Reads the packed form to its end; `None` if it is malformed.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let mut numbers = Self { floor: reader.number()?, ..Self::default() };
        for place in Place::ALL.into_iter().rev() {
            *numbers.below.of(place) = reader.number()?;
        }
        let mut last = 0_u64;
        while !reader.is_empty() {
            let start = last.checked_add(reader.number()?)?;
            let word = reader.number()?;
            let place = *Place::ALL.get(usize::try_from(word & 7).ok()?)?;
            let end = start.checked_add(word / 8)?;
            if end > MAX_NUMBER || start <= last {
                return None;
            }
            numbers.runs.push(Run { start, end, place });
            last = end;
        }
        Some(numbers)
    }
}

/// Appends a run, merging it with the last one if they are contiguous.
fn push(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last)
            if last.place == run.place
                && last.end.saturating_add(1).cmp(&run.start) == Ordering::Equal =>
        {
            last.end = run.end;
        }
        _ => runs.push(run),
    }
}

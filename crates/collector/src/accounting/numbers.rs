//! The numbers of one boot's records, and where each of them is.
//!
//! Above the [`floor`](Numbers::floor) every number is known by itself. Up to it only counts are
//! kept, and the numbers that still change: those on their way and those in the dead letters. The
//! floor may pass numbers that never arrived, and there is one for all states, so what is stored,
//! on its way and refused is always counted over the same numbers.
//!
//! **Bound**: [`MAX_RUNS`] runs. Above it the lowest final runs are folded into counts, which loses
//! nothing but the list of what is absent there; where that is not enough, the lowest runs of
//! what is on its way are folded too.
//!
//! For a late number up to the floor, this module cannot know whether it was counted before.
//! The database can: only what it had not stored before counts.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use super::varint::{self, Reader};

/// Most runs of numbers of one boot: about 16 KiB packed. A filter's records make one run; with
/// several collectors each batch makes one until all of them are stored.
pub const MAX_RUNS: usize = 4_096;

/// The largest number that is taken for one.
pub const MAX_NUMBER: u64 = gatelog_record::limits::SEQ_MAX;

/// Where a record is. If two are reported for one number, the later in this order applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In transit, up to the floor, and perhaps counted before.
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

    /// Whether it may still change: such numbers stay known by themselves.
    fn changes(self) -> bool {
        self < Place::Elsewhere
    }
}

/// What the database reported about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was new.
    New,
    /// It was there, and this collector may have sent it before.
    Again,
    /// It was there, and this collector had not sent it before.
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

/// Some numbers in one place, both ends included.
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
    /// On their way.
    pub spooled: u64,
    /// On their way, and perhaps counted before.
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
    /// Of numbers up to the floor that are in no run.
    below: Counts,
    /// Ascending and disjoint; neighbours in one place are one run.
    runs: Vec<Run>,
}

impl Numbers {
    /// Up to this number only counts are kept.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// What is counted up to the floor, without what is in a run.
    pub fn below(&self) -> &Counts {
        &self.below
    }

    /// What is known by itself, lowest first.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The largest number seen, 0 when there is none.
    pub fn max(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.end).max(self.floor)
    }

    /// Whether no number was ever seen.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.floor == 0
    }

    /// Whether some are on their way of which only the count is known.
    pub fn is_counting(&self) -> bool {
        self.below.spooled > 0 || self.below.late > 0
    }

    /// Whether some are on their way.
    pub fn has_spooled(&self) -> bool {
        self.is_counting() || self.runs.iter().any(|run| run.place <= Place::Spooled)
    }

    /// Whether the number is on its way, in the database, or in the dead letters, as far as it is
    /// known by itself.
    pub fn contains(&self, number: u64) -> bool {
        self.at(number).is_some_and(|run| run.place > Place::Late)
    }

    /// Records were made durable here.
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

    /// Lines with these numbers were refused on arrival. Up to the floor they may have been
    /// counted before, and are not.
    pub fn refuse(&mut self, range: RangeInclusive<u64>) {
        for (range, above) in self.split(range) {
            if above {
                self.raise(range, Place::Quarantined);
            }
        }
    }

    /// The parts of a range up to the floor and above it.
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
                // What was refused before stays known by itself: this is the first refusal.
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

    /// Of numbers up to the floor that are not known by themselves: on their way, settled before,
    /// or never seen.
    fn settle_unknown(&mut self, count: u64, told: Told) {
        let waited = count.min(self.below.spooled);
        match told {
            Told::New => {
                // Some of what is told again may wait for its count still.
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
            // Which one of them it was is not known; what is left over goes when the spool is empty.
            Told::Elsewhere => {}
        }
    }

    /// Of what is on its way, keeps these numbers only: the others are lost.
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

    /// These are not on their way any more, and nowhere else that is known: they are missing again.
    /// What was reported about them since then stays.
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

    /// Forgets what is on its way: its collector is gone.
    pub fn drop_spooled(&mut self) {
        self.keep_spooled(std::iter::empty());
    }

    /// Folds until at most `runs` are left; returns whether it folded any.
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

    /// Keeps the bound, leaving room for what comes next.
    pub fn bound(&mut self, runs: usize) {
        if self.runs.len() > runs {
            self.fold(runs / 2);
        }
    }

    /// Takes over counts of numbers up to a floor, beside what is known by itself.
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

    /// Adds what another collector has of the same boot. Each of them counts only what it sent
    /// itself, so counts add up.
    pub fn unite(&mut self, other: &Self) {
        self.floor = self.floor.max(other.floor);
        self.below.add_all(&other.below);
        for run in &other.runs {
            self.raise(run.start..=run.end, run.place);
        }
    }

    /// How many numbers are where. `shared`: whether another collector is in it too, which then
    /// counts what is elsewhere.
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

    /// How many numbers up to the floor are somewhere.
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

    /// Whether this collector was the first to store one of them.
    pub fn has_stored(&self) -> bool {
        self.below.stored > 0 || self.runs.iter().any(|run| run.place == Place::Stored)
    }

    /// Whether the database had one of them before this collector sent it.
    pub fn has_elsewhere(&self) -> bool {
        self.below.elsewhere > 0 || self.runs.iter().any(|run| run.place == Place::Elsewhere)
    }

    /// The numbers above the floor and up to `last` that are in no run, lowest first.
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

    /// Moves the numbers of the range to a place, those that are not further on already.
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

    /// Puts `new`, which lies within the range, in place of all that does.
    fn replace(&mut self, range: &RangeInclusive<u64>, new: &[Run]) {
        let (start, end) = (*range.start(), *range.end());
        // Grown by one on each side, to take up neighbours that touch.
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

    /// Appends the packed form, read back by `decode`.
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

    /// Reads the packed form, to the end; none when it is not that.
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

/// Appends a run; one that goes on where the last one ends becomes part of it.
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

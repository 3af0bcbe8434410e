//! What the collector knows about one boot of one gateway, and the resulting statement.
//!
//! The identity, for every boot at any time:
//!
//! ```text
//! assigned = stored + spooled + quarantined + dropped + queued + unknown + missing
//! ```
//!
//! `stored`, `spooled` and `quarantined` are counted record by record. The rest of `assigned` is
//! first explained by the sender's own totals, `dropped` and then `queued`, and then by an evicted
//! account (`unknown`); whatever they do not explain is `missing`. A replay of the journal may
//! bring records that the sender had counted as dropped: then the totals explain more than is left,
//! and the overlap is reported as `recovered` instead of making `missing` negative.

use std::collections::BTreeMap;

use gatelog_record::{BatchHeader, Uuid};

use super::numbers::{MAX_NUMBER, MAX_RUNS, Numbers, Place};
use crate::varint::{self, Reader};

/// Maximum missing ranges listed in one statement; their number is always reported.
pub const GAPS_LISTED: usize = 100;

/// Anything absent may have been in an evicted account.
pub(super) const ALL_EVICTED: u64 = u64::MAX;

/// Version of the packed form.
const PACKED: u8 = 1;

/// One boot of one gateway's filter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BootKey {
    /// The gateway's node id, else its host name.
    pub gateway: String,
    /// A UUID generated when the filter was configured.
    pub boot: Uuid,
}

/// The sender's own totals, from the newest batch header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records assigned a number so far.
    pub assigned: u64,
    /// Records queued in the sender.
    pub queued: u64,
    /// Requests left out by sampling. Older filters assign them a number and count them in
    /// `dropped`.
    pub sampled: u64,
    /// Records dropped by the sender, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// When the header arrived, in milliseconds since the epoch.
    pub at: i64,
}

impl Totals {
    /// The totals from a header that arrived at `at`.
    pub fn of(header: &BatchHeader, at: i64) -> Self {
        let dropped = header.dropped.iter();
        Self {
            assigned: header.assigned.min(MAX_NUMBER),
            queued: header.queued,
            sampled: header.sampled,
            dropped: dropped.map(|(reason, count)| (reason.to_owned(), count)).collect(),
            at,
        }
    }

    /// Replaces these totals with newer ones: those that have assigned or sampled out more, or else
    /// those that arrived later.
    pub fn advance(&mut self, other: &Self) {
        let order = |totals: &Self| (totals.assigned, totals.sampled, totals.at);
        if order(other) >= order(self) {
            *self = other.clone();
        }
    }
}

/// An open gap: when it began, and whether it was reported in the audit trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// When records went missing, in milliseconds since the epoch; `None` if none are missing.
    pub since: Option<i64>,
    /// The `id` of the audit entry that opened it.
    pub entry: Option<Uuid>,
    /// How many reported gaps of this boot have closed.
    pub closed: u64,
}

/// What the collector knows about one boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The sender's own totals.
    pub totals: Totals,
    /// Where each of its records is.
    pub numbers: Numbers,
    /// Maximum number of records that may have been in an evicted account: those absent when the
    /// first header arrived after the eviction. `ALL_EVICTED` until then.
    pub evicted: u64,
    /// Whether this merges the accounts of several collectors.
    pub shared: bool,
    /// When it last changed, in milliseconds since the epoch.
    pub touched: i64,
    /// The gap that is currently open, if any.
    pub gap: Gap,
}

/// The terms of the identity for one boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// Records assigned; at least the largest sequence number seen.
    pub assigned: u64,
    /// Records in MongoDB.
    pub stored: u64,
    /// Records on the collector's disk, not yet in MongoDB.
    pub spooled: u64,
    /// Records in the dead letters.
    pub quarantined: u64,
    /// Records that the sender dropped and that did not arrive any other way.
    pub dropped: u64,
    /// Records counted as dropped that a replay delivered after all.
    pub recovered: u64,
    /// Records queued in the sender.
    pub queued: u64,
    /// Records from an evicted account: it is no longer known whether they arrived.
    pub unknown: u64,
    /// Records that are not accounted for.
    pub missing: u64,
}

impl Statement {
    /// The terms by name.
    pub fn terms(&self) -> [(&'static str, u64); 9] {
        [
            ("assigned", self.assigned),
            ("stored", self.stored),
            ("spooled", self.spooled),
            ("quarantined", self.quarantined),
            ("dropped", self.dropped),
            ("recovered", self.recovered),
            ("queued", self.queued),
            ("unknown", self.unknown),
            ("missing", self.missing),
        ]
    }

    /// Adds another boot's statement.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.assigned, other.assigned),
            (&mut self.stored, other.stored),
            (&mut self.spooled, other.spooled),
            (&mut self.quarantined, other.quarantined),
            (&mut self.dropped, other.dropped),
            (&mut self.recovered, other.recovered),
            (&mut self.queued, other.queued),
            (&mut self.unknown, other.unknown),
            (&mut self.missing, other.missing),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

impl Account {
    /// Merges what another collector knows about the same boot.
    pub fn unite(&mut self, other: &Self) {
        // What is elsewhere for one collector is counted by the other.
        let (own, theirs) = (&self.numbers, &other.numbers);
        self.shared |= other.shared
            || own.has_stored() && (theirs.has_stored() || theirs.has_elsewhere())
            || theirs.has_stored() && own.has_elsewhere();
        self.totals.advance(&other.totals);
        self.numbers.unite(&other.numbers);
        self.evicted = self.evicted.max(other.evicted);
        self.touched = self.touched.max(other.touched);
    }

    /// Enforces the bound of one account.
    pub fn bound(&mut self) {
        self.numbers.bound(MAX_RUNS);
    }

    /// Records assigned; at least the largest sequence number seen.
    pub fn assigned(&self) -> u64 {
        self.totals.assigned.max(self.numbers.max())
    }

    /// The terms of the identity; their sum is always `assigned`.
    ///
    /// A sender last heard from before `silent_before` (milliseconds since the epoch) is considered
    /// gone, and the records it had queued are considered missing: only its journal still has them.
    pub fn statement(&self, silent_before: i64) -> Statement {
        let assigned = self.assigned();
        let counts = self.numbers.counts(self.shared);
        let mut left = assigned;
        let mut explain = |count: u64| {
            let part = count.min(left);
            left = left.saturating_sub(part);
            part
        };
        let stored = explain(counts.stored.saturating_add(counts.elsewhere));
        let quarantined = explain(counts.quarantined);
        let spooled = explain(counts.spooled.saturating_add(counts.late));
        let arrived = stored.saturating_add(quarantined).saturating_add(spooled);
        let told = self.totals.dropped.values().fold(0, |sum: u64, n| sum.saturating_add(*n));
        let dropped = explain(told);
        let silent = self.totals.at < silent_before;
        let queued = explain(if silent { 0 } else { self.totals.queued });
        let unknown = explain(self.evicted);
        Statement {
            assigned,
            stored,
            spooled,
            quarantined,
            dropped,
            // Only what did arrive: a header may claim any number of drops.
            recovered: told.saturating_sub(dropped).min(arrived),
            queued,
            unknown,
            missing: left,
        }
    }

    /// How many records have no known final state: neither stored nor refused. This includes
    /// records in transit, because the database may already have them.
    pub fn absent_count(&self) -> u64 {
        let counts = self.numbers.counts(self.shared);
        let terms = [counts.stored, counts.elsewhere, counts.quarantined];
        self.assigned().saturating_sub(terms.into_iter().fold(0, u64::saturating_add))
    }

    /// The ranges of sequence numbers above the floor, up to `assigned`, that have not arrived: the
    /// missing ones and those that the sender dropped or still holds. At most the first
    /// [`GAPS_LISTED`].
    pub fn absent(&self) -> Vec<(u64, u64)> {
        self.numbers.absent(self.assigned()).take(GAPS_LISTED).collect()
    }

    /// The records that need not be sent again, as ranges in ascending order.
    pub fn known(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let floor = self.numbers.floor();
        // Nothing is absent up to the floor: everything there is known.
        let counts = self.numbers.counts_up_to_floor(self.shared);
        let whole = counts >= floor && floor > 0;
        let mut known = whole.then_some((1, floor)).into_iter().chain(
            self.numbers
                .runs()
                .iter()
                .filter(move |run| run.place > Place::Late && !(whole && run.end <= floor))
                .map(|run| (run.start, run.end)),
        );
        let mut next = known.next();
        std::iter::from_fn(move || {
            let (start, mut end) = next.take()?;
            next = known.next();
            while let Some((from, to)) = next.filter(|(from, _)| *from <= end.saturating_add(1)) {
                let _ = from;
                end = end.max(to);
                next = known.next();
            }
            Some((start, end))
        })
    }

    /// The packed form, which [`unpack`](Self::unpack) reads.
    pub fn pack(&self) -> Vec<u8> {
        let mut out = vec![PACKED];
        let Totals { assigned, queued, sampled, dropped, at } = &self.totals;
        let moment = |at: i64| u64::try_from(at).unwrap_or(0);
        for value in [*assigned, *queued, *sampled, moment(*at), moment(self.touched), self.evicted]
        {
            varint::write(value, &mut out);
        }
        varint::write(u64::try_from(dropped.len()).unwrap_or(0), &mut out);
        for (reason, count) in dropped {
            varint::write_bytes(reason.as_bytes(), &mut out);
            varint::write(*count, &mut out);
        }
        varint::write(self.gap.since.map_or(0, |at| moment(at).saturating_add(1)), &mut out);
        varint::write_bytes(self.gap.entry.as_ref().map_or(&[], |id| id.as_bytes()), &mut out);
        varint::write(self.gap.closed, &mut out);
        self.numbers.encode(&mut out);
        out
    }

    /// Reads what [`pack`](Self::pack) wrote; returns `None` for anything else.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != [PACKED] {
            return None;
        }
        let moment = |value: u64| i64::try_from(value).ok();
        let [assigned, queued, sampled] = [reader.number()?, reader.number()?, reader.number()?];
        let (at, touched) = (moment(reader.number()?)?, moment(reader.number()?)?);
        let evicted = reader.number()?;
        let mut dropped = BTreeMap::new();
        for _ in 0..reader.number()? {
            let reason = str::from_utf8(reader.bytes()?).ok()?;
            dropped.insert(reason.to_owned(), reader.number()?);
        }
        let since = reader.number()?.checked_sub(1).and_then(moment);
        let entry = Uuid::from_slice(reader.bytes()?).ok();
        let gap = Gap { since, entry, closed: reader.number()? };
        let totals = Totals { assigned, queued, sampled, dropped, at };
        let numbers = Numbers::decode(&mut reader)?;
        Some(Self { totals, numbers, evicted, shared: false, touched, gap })
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbers::Told;
    use super::*;

    fn account(assigned: u64, queued: u64, dropped: u64) -> Account {
        let dropped = [("queue_full".to_owned(), dropped)].into();
        Account {
            totals: Totals { assigned, queued, dropped, at: 1, sampled: 0 },
            ..Account::default()
        }
    }

    fn adds_up(statement: &Statement) {
        let Statement { assigned, stored, spooled, quarantined, recovered: _, .. } = statement;
        let Statement { dropped, queued, unknown, missing, .. } = statement;
        let sum = stored + spooled + quarantined + dropped + queued + unknown + missing;
        assert_eq!(*assigned, sum);
    }

    #[test]
    fn every_record_has_one_place() {
        let mut account = account(100, 10, 5);
        account.numbers.accept(1..=80);
        account.numbers.settle(1..=60, Told::New);
        account.numbers.settle(61..=62, Told::Refused);
        let statement = account.statement(0);
        adds_up(&statement);
        assert_eq!(
            statement,
            Statement {
                assigned: 100,
                stored: 60,
                spooled: 18,
                quarantined: 2,
                dropped: 5,
                queued: 10,
                missing: 5,
                unknown: 0,
                recovered: 0
            }
        );
        assert_eq!(account.absent(), [(81, 100)]);
    }

    #[test]
    fn a_replay_of_dropped_records_is_recovery_not_a_negative_number() {
        let mut account = account(100, 0, 10);
        account.numbers.accept(1..=85);
        account.numbers.settle(1..=85, Told::New);
        assert_eq!((account.statement(0).missing, account.statement(0).recovered), (5, 0));
        account.numbers.accept(86..=100);
        account.numbers.settle(86..=100, Told::New);
        let statement = account.statement(0);
        adds_up(&statement);
        assert_eq!((statement.missing, statement.dropped, statement.recovered), (0, 0, 10));
    }

    #[test]
    fn no_more_is_recovered_than_arrived_whatever_a_header_claims_to_have_dropped() {
        let mut account = account(5, 0, u64::MAX);
        account.numbers.accept(1..=2);
        let statement = account.statement(0);
        assert_eq!((statement.spooled, statement.dropped, statement.recovered), (2, 3, 2));
    }

    #[test]
    fn a_batch_that_overtakes_another_does_not_count_it_twice() {
        // The later header still counts the earlier batch as queued; both have arrived.
        let mut account = account(20, 10, 0);
        account.numbers.accept(1..=20);
        adds_up(&account.statement(0));
        assert_eq!(account.statement(0).queued, 0);
    }

    #[test]
    fn a_dead_letter_that_was_stored_after_all_is_stored() {
        let mut account = account(3, 0, 0);
        account.numbers.accept(1..=3);
        account.numbers.settle(2..=2, Told::Refused);
        account.numbers.settle(1..=3, Told::New);
        adds_up(&account.statement(0));
        assert_eq!(account.statement(0).quarantined, 0);
    }

    #[test]
    fn what_a_silent_sender_had_queued_is_missing() {
        let mut account = account(10, 4, 0);
        account.numbers.accept(1..=6);
        assert_eq!((account.statement(0).queued, account.statement(0).missing), (4, 0));
        assert_eq!((account.statement(2).queued, account.statement(2).missing), (0, 4));
        adds_up(&account.statement(2));
    }

    #[test]
    fn older_totals_do_not_replace_newer_ones() {
        let mut totals = Totals { assigned: 10, at: 5, ..Totals::default() };
        totals.advance(&Totals { assigned: 9, at: 9, queued: 3, ..Totals::default() });
        assert_eq!((totals.assigned, totals.queued), (10, 0));
        totals.advance(&Totals { assigned: 10, at: 9, queued: 3, ..Totals::default() });
        assert_eq!(totals.queued, 3);
    }

    #[test]
    fn records_without_a_header_assign_at_least_their_number() {
        let mut account = Account::default();
        account.numbers.accept(5..=7);
        adds_up(&account.statement(0));
        assert_eq!((account.statement(0).assigned, account.statement(0).missing), (7, 4));
    }

    #[test]
    fn what_several_collectors_know_adds_up_to_one_statement() {
        let mut one = account(10, 0, 0);
        one.numbers.accept(1..=4);
        one.numbers.settle(1..=4, Told::New);
        let mut two = Account::default();
        two.numbers.accept(5..=10);
        two.numbers.settle(5..=9, Told::New);
        one.unite(&two);
        adds_up(&one.statement(0));
        let statement = one.statement(0);
        assert_eq!((statement.stored, statement.spooled, statement.missing), (9, 1, 0));
    }

    #[test]
    fn an_account_reads_back_from_its_packed_form() {
        let mut account = account(100, 3, 5);
        account.totals.sampled = 900;
        account.gap = Gap { since: Some(0), entry: Some(Uuid::from_u128(9)), closed: 2 };
        account.touched = 77;
        account.evicted = 4;
        account.numbers.accept(1..=20);
        account.numbers.settle(3..=5, Told::New);
        account.numbers.settle(9..=9, Told::Refused);
        account.numbers.settle(11..=12, Told::Elsewhere);
        account.numbers.fold(3);
        account.numbers.accept(4..=4);
        let packed = account.pack();
        assert_eq!(Account::unpack(&packed), Some(account));
        for end in 0..packed.len() {
            let _ = Account::unpack(&packed[..end]);
        }
        assert_eq!(Account::unpack(b""), None);
        assert_eq!(Account::unpack(b"\x02"), None);
    }

    #[test]
    fn what_an_evicted_account_had_is_unknown_and_not_missing() {
        let mut account = account(100, 0, 10);
        account.evicted = 60;
        account.numbers.accept(61..=90);
        adds_up(&account.statement(0));
        let statement = account.statement(0);
        assert_eq!((statement.unknown, statement.missing), (60, 0));
    }

    #[test]
    fn what_is_whole_up_to_the_floor_is_known() {
        let mut account = Account::default();
        for number in (1..=39).step_by(2) {
            account.numbers.accept(number..=number);
            account.numbers.settle(number..=number, Told::New);
        }
        account.numbers.fold(1);
        let floor = account.numbers.floor();
        assert_eq!((floor, account.known().collect::<Vec<_>>()), (37, vec![(39, 39)]));
        for number in (2..=38).step_by(2) {
            account.numbers.accept(number..=number);
            account.numbers.settle(number..=number, Told::New);
        }
        assert_eq!(account.known().collect::<Vec<_>>(), [(1, 39)]);
        assert_eq!(account.statement(0).stored, 39);
    }
}

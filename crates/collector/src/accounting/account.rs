//! What is known of one boot of one gateway, and the statement that it makes.
//!
//! The identity, for every boot at any time:
//!
//! ```text
//! assigned = stored + spooled + quarantined + dropped + queued + missing
//! ```
//!
//! `stored`, `spooled` and `quarantined` are exact: they are sizes of sets of sequence numbers.
//! What is left of `assigned` is first explained by the sender's own totals, `dropped` and then
//! `queued`; what they do not explain is `missing`. A replay of the journal may bring records
//! that the sender had counted as dropped: then the totals explain more than is left, and the
//! overlap is told as `recovered` instead of making `missing` negative.

use std::collections::BTreeMap;

use gatelog_record::{BatchHeader, Uuid};

use super::intervals::Intervals;

/// Most reasons for dropping that one boot's totals keep; a sender has four.
const DROP_REASONS: usize = 16;

/// Most missing ranges that one statement lists; their number is always told.
pub const GAPS_LISTED: usize = 100;

/// One life of one gateway's filter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BootKey {
    /// The gateway's node id, else its host name.
    pub gateway: String,
    /// A UUID drawn when the filter was configured.
    pub boot: Uuid,
}

/// The sender's own totals, from the newest batch header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records made so far.
    pub assigned: u64,
    /// Records waiting in the sender.
    pub queued: u64,
    /// Records let go, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// When the header arrived, in milliseconds since the epoch.
    pub at: i64,
}

impl Totals {
    /// The totals of a header that arrived at `at`.
    pub fn of(header: &BatchHeader, at: i64) -> Self {
        let dropped = header.dropped.iter().take(DROP_REASONS);
        Self {
            assigned: header.assigned,
            queued: header.queued,
            dropped: dropped.map(|(reason, count)| (reason.to_owned(), count)).collect(),
            at,
        }
    }

    /// As text: `[assigned, queued, at, {reason: count}]`. Read back by [`decode`](Self::decode).
    pub fn encode(&self) -> String {
        serde_json::json!([self.assigned, self.queued, self.at, self.dropped]).to_string()
    }

    /// Reads what [`encode`](Self::encode) wrote; of anything else, nothing.
    pub fn decode(text: &str) -> Self {
        type Parts = (u64, u64, i64, BTreeMap<String, u64>);
        let (assigned, queued, at, dropped): Parts = serde_json::from_str(text).unwrap_or_default();
        Self { assigned, queued, dropped, at }
    }

    /// Takes over newer totals: those that have assigned more, else those that came later.
    pub fn advance(&mut self, other: &Self) {
        if (other.assigned, other.at) >= (self.assigned, self.at) {
            *self = other.clone();
        }
    }
}

/// An open gap: since when, and whether it was told in the audit trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// Since when records are missing, in milliseconds since the epoch; none when none are.
    pub since: Option<i64>,
    /// The `id` of the audit entry that opened it.
    pub entry: Option<Uuid>,
}

/// What is known of one boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The sender's own totals.
    pub totals: Totals,
    /// Records that this collector made durable, in the spool or as a dead letter.
    pub accepted: Intervals,
    /// Records that MongoDB has.
    pub stored: Intervals,
    /// Records in the dead letters, or once there.
    pub quarantined: Intervals,
    /// When it last changed, in milliseconds since the epoch.
    pub touched: i64,
    /// The gap that is open, when one is.
    pub gap: Gap,
}

/// The identity's terms for one boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// Records made; at least the largest sequence number seen.
    pub assigned: u64,
    /// Records in MongoDB.
    pub stored: u64,
    /// Records on the collector's disk, on their way.
    pub spooled: u64,
    /// Records in the dead letters.
    pub quarantined: u64,
    /// Records that the sender let go and that did not arrive otherwise.
    pub dropped: u64,
    /// Records counted as dropped that arrived after all, by a replay.
    pub recovered: u64,
    /// Records waiting in the sender.
    pub queued: u64,
    /// Records that nobody accounts for.
    pub missing: u64,
}

impl Statement {
    /// The terms by name.
    pub fn terms(&self) -> [(&'static str, u64); 8] {
        [
            ("assigned", self.assigned),
            ("stored", self.stored),
            ("spooled", self.spooled),
            ("quarantined", self.quarantined),
            ("dropped", self.dropped),
            ("recovered", self.recovered),
            ("queued", self.queued),
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
            (&mut self.missing, other.missing),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

impl Account {
    /// Takes in what another collector knows of the same boot.
    pub fn union(&mut self, other: &Self) {
        self.totals.advance(&other.totals);
        self.accepted.union(&other.accepted);
        self.stored.union(&other.stored);
        self.quarantined.union(&other.quarantined);
        self.touched = self.touched.max(other.touched);
    }

    /// The terms of the identity; their sum is always `assigned`.
    ///
    /// A sender that was last heard of before `silent_before` (milliseconds since the epoch) is
    /// taken to be gone, and what it had queued to be missing: only its journal has it still.
    pub fn statement(&self, silent_before: i64) -> Statement {
        let assigned = self.totals.assigned.max(self.accepted.max()).max(self.stored.max());
        let stored = self.stored.len();
        let quarantined = self.quarantined.len_without(&self.stored);
        let mut settled = self.stored.clone();
        settled.union(&self.quarantined);
        let spooled = self.accepted.len_without(&settled);
        let mut left =
            assigned.saturating_sub(stored).saturating_sub(quarantined).saturating_sub(spooled);
        let mut explain = |count: u64| {
            let part = count.min(left);
            left = left.saturating_sub(part);
            part
        };
        let told = self.totals.dropped.values().fold(0, |sum: u64, n| sum.saturating_add(*n));
        let dropped = explain(told);
        let silent = self.totals.at < silent_before;
        let queued = explain(if silent { 0 } else { self.totals.queued });
        Statement {
            assigned,
            stored,
            spooled,
            quarantined,
            dropped,
            recovered: told.saturating_sub(dropped),
            queued,
            missing: left,
        }
    }

    /// The ranges of sequence numbers that have not arrived, up to `assigned`: the missing ones
    /// and those that the sender dropped or still has. The first [`GAPS_LISTED`] of them.
    pub fn absent(&self) -> Vec<(u64, u64)> {
        let seen = self.known();
        let last = self.totals.assigned.max(seen.max());
        seen.gaps(last).take(GAPS_LISTED).collect()
    }

    /// The records that need not be sent again.
    pub fn known(&self) -> Intervals {
        let mut known = self.accepted.clone();
        known.union(&self.stored);
        known.union(&self.quarantined);
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(assigned: u64, queued: u64, dropped: u64) -> Account {
        let dropped = [("queue_full".to_owned(), dropped)].into();
        Account { totals: Totals { assigned, queued, dropped, at: 1 }, ..Account::default() }
    }

    fn adds_up(statement: &Statement) {
        let Statement { assigned, stored, spooled, quarantined, dropped, queued, missing, .. } =
            statement;
        assert_eq!(*assigned, stored + spooled + quarantined + dropped + queued + missing);
    }

    #[test]
    fn every_record_has_one_place() {
        let mut account = account(100, 10, 5);
        account.accepted.insert(1..=80);
        account.stored.insert(1..=60);
        account.quarantined.insert(61..=62);
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
                recovered: 0
            }
        );
        assert_eq!(account.absent(), [(81, 100)]);
    }

    #[test]
    fn a_replay_of_dropped_records_is_recovery_not_a_negative_number() {
        let mut account = account(100, 0, 10);
        account.accepted.insert(1..=85);
        account.stored.insert(1..=85);
        assert_eq!((account.statement(0).missing, account.statement(0).recovered), (5, 0));
        account.accepted.insert(86..=100);
        account.stored.insert(86..=100);
        let statement = account.statement(0);
        adds_up(&statement);
        assert_eq!((statement.missing, statement.dropped, statement.recovered), (0, 0, 10));
    }

    #[test]
    fn a_batch_that_overtakes_another_does_not_count_it_twice() {
        // The later header still counts the earlier batch as queued; both have arrived.
        let mut account = account(20, 10, 0);
        account.accepted.insert(1..=20);
        adds_up(&account.statement(0));
        assert_eq!(account.statement(0).queued, 0);
    }

    #[test]
    fn a_dead_letter_that_was_stored_after_all_is_stored() {
        let mut account = account(3, 0, 0);
        account.accepted.insert(1..=3);
        account.quarantined.insert(2..=2);
        account.stored.insert(1..=3);
        adds_up(&account.statement(0));
        assert_eq!(account.statement(0).quarantined, 0);
    }

    #[test]
    fn what_a_silent_sender_had_queued_is_missing() {
        let mut account = account(10, 4, 0);
        account.accepted.insert(1..=6);
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
        account.accepted.insert(5..=7);
        adds_up(&account.statement(0));
        assert_eq!((account.statement(0).assigned, account.statement(0).missing), (7, 4));
    }

    #[test]
    fn what_several_collectors_know_adds_up_to_one_statement() {
        let mut one = account(10, 0, 0);
        one.accepted.insert(1..=4);
        one.stored.insert(1..=4);
        let mut two = Account::default();
        two.accepted.insert(5..=10);
        two.stored.insert(5..=9);
        one.union(&two);
        one.union(&two);
        adds_up(&one.statement(0));
        let statement = one.statement(0);
        assert_eq!((statement.stored, statement.spooled, statement.missing), (9, 1, 0));
    }
}

//! The accounts of all boots as stored on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::account::{ALL_EVICTED, Account, BootKey};

/// Maximum memory for all accounts of this collector, in bytes: enough for about 80,000 boots whose
/// records all arrived in order, or 10,000 with a thousand scattered ranges each. They take about
/// as much again on disk.
///
/// Reaching the bound never makes a record appear missing. First, ranges are folded into counts:
/// those of silent boots before others, and among them those whose records are all accounted for
/// first. Only if that is not enough are whole boots forgotten, in the same order, and counted.
pub const OWN_BYTES: usize = 12 << 20;

/// Maximum memory for the accounts of other collectors, in bytes.
pub const FOREIGN_BYTES: usize = 12 << 20;

/// A boot without news for this long counts as silent, in milliseconds.
pub(super) const SILENT_MILLIS: i64 = 10 * 60 * 1_000;

/// Approximate size of an account in addition to its packed form and its gateway's name, in bytes.
const ENTRY_BYTES: usize = 128;

/// Runs left in an account that was folded to enforce the bound.
const FOLDED_RUNS: usize = 8;

/// An account in its packed form. Cheap to clone.
pub type Packed = Arc<[u8]>;

/// Approximate size of a packed account in memory, in bytes.
pub(super) fn size(key: &BootKey, packed: &[u8]) -> usize {
    ENTRY_BYTES.saturating_add(key.gateway.len()).saturating_add(packed.len())
}

/// The bounds of a ledger.
#[derive(Clone, Copy, Debug)]
pub struct LedgerBounds {
    /// Maximum bytes of all accounts.
    pub bytes: usize,
    /// Runs left in a folded account.
    pub folded_runs: usize,
}

impl Default for LedgerBounds {
    fn default() -> Self {
        Self { bytes: OWN_BYTES, folded_runs: FOLDED_RUNS }
    }
}

/// The committed accounts.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    accounts: BTreeMap<Arc<BootKey>, Packed>,
    bytes: usize,
    /// Whether an account was ever forgotten: if so, a new one may have been known before.
    forgot: bool,
    /// Whether any account counts records in transit without knowing which ones they are.
    counting: bool,
}

/// Changes to a ledger that are not yet committed.
#[derive(Debug, Default)]
pub struct Edit {
    changed: BTreeMap<BootKey, Packed>,
    forgotten: Vec<BootKey>,
    counting: bool,
    emptied: bool,
}

impl Ledger {
    /// Builds a ledger from these accounts. `forgot`: whether one was ever forgotten.
    pub fn new(accounts: impl IntoIterator<Item = (BootKey, Account)>, forgot: bool) -> Self {
        let mut ledger = Self { forgot, ..Self::default() };
        for (key, account) in accounts {
            ledger.counting |= account.numbers.is_counting();
            ledger.put(key, account.pack().into());
        }
        ledger
    }

    /// One boot's account.
    pub fn get(&self, key: &BootKey) -> Option<Account> {
        self.accounts.get(key).and_then(|packed| Account::unpack(packed))
    }

    /// Whether the boot is known.
    pub fn contains(&self, key: &BootKey) -> bool {
        self.accounts.contains_key(key)
    }

    /// Up to `count` boots after the given one, in order, with their packed accounts.
    pub fn after(&self, key: Option<&BootKey>, count: usize) -> Vec<(Arc<BootKey>, Packed)> {
        let from = key.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let found = self.accounts.range::<BootKey, _>((from, std::ops::Bound::Unbounded));
        found.take(count).map(|(key, packed)| (Arc::clone(key), Arc::clone(packed))).collect()
    }

    /// How many boots there are.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there are no boots.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Approximate size of the accounts in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether an account was ever forgotten.
    pub fn forgot(&self) -> bool {
        self.forgot
    }

    /// Makes a committed edit visible.
    pub fn absorb(&mut self, edit: Edit) {
        self.forgot |= !edit.forgotten.is_empty();
        self.counting = (self.counting || edit.counting) && !edit.emptied;
        for (key, packed) in edit.changed {
            self.put(key, packed);
        }
        for key in edit.forgotten {
            if let Some(packed) = self.accounts.remove(&key) {
                self.bytes = self.bytes.saturating_sub(size(&key, &packed));
            }
        }
    }

    fn put(&mut self, key: BootKey, packed: Packed) {
        self.bytes = self.bytes.saturating_add(size(&key, &packed));
        let old = match self.accounts.get_mut(&key) {
            Some(place) => Some(std::mem::replace(place, packed)),
            None => {
                let key = Arc::new(key);
                self.accounts.insert(key, packed);
                return;
            }
        };
        if let Some(old) = old {
            self.bytes = self.bytes.saturating_sub(size(&key, &old));
        }
    }
}

impl Edit {
    /// The current account, including uncommitted changes.
    pub fn get(&self, ledger: &Ledger, key: &BootKey) -> Option<Account> {
        match self.changed.get(key) {
            Some(packed) => Account::unpack(packed),
            None => ledger.get(key),
        }
    }

    /// Changes an account, creating it if it does not exist.
    pub fn change(
        &mut self,
        ledger: &Ledger,
        key: &BootKey,
        now: i64,
        change: impl FnOnce(&mut Account),
    ) {
        let known = self.get(ledger, key);
        // A new account may be one that was forgotten: what came before is no longer known.
        let evicted = if ledger.forgot { ALL_EVICTED } else { 0 };
        let mut account = known.unwrap_or_else(|| Account { evicted, ..Account::default() });
        account.touched = now;
        change(&mut account);
        if account.evicted == ALL_EVICTED && account.totals.assigned > 0 {
            account.evicted = account.absent_count();
        }
        account.bound();
        self.put(key, &account);
    }

    fn put(&mut self, key: &BootKey, account: &Account) {
        self.counting |= account.numbers.is_counting();
        self.changed.insert(key.clone(), account.pack().into());
    }

    /// The spool has no rows left, so nothing is in transit. Where records in transit were only
    /// counted, a record that was in two rows may have left a count behind.
    pub fn emptied(&mut self, ledger: &Ledger) {
        if !self.counting && !ledger.counting {
            return;
        }
        self.emptied = true;
        let known: Vec<_> = ledger.accounts.keys().map(|key| (**key).clone()).collect();
        let new: Vec<_> = self.changed.keys().cloned().collect();
        for key in known.into_iter().chain(new) {
            let Some(mut account) = self.get(ledger, &key) else { continue };
            if account.numbers.has_spooled() {
                account.numbers.drop_spooled();
                self.put(&key, &account);
            }
        }
    }

    /// Enforces the bound; returns how many boots were forgotten.
    pub fn keep(&mut self, ledger: &Ledger, bounds: LedgerBounds, now: i64) -> usize {
        let mut bytes = self.bytes(ledger);
        if bytes <= bounds.bytes {
            return 0;
        }
        // Frees an eighth more than needed, so that this does not run again with every batch.
        let target = bounds.bytes.saturating_sub(bounds.bytes / 8);
        let ranked = self.ranked(ledger, now);
        for (_, key) in &ranked {
            if bytes <= target {
                return 0;
            }
            let Some(mut account) = self.get(ledger, key) else { continue };
            let before = account.pack().len();
            if account.numbers.fold(bounds.folded_runs) {
                bytes = bytes.saturating_sub(before.saturating_sub(account.pack().len()));
                self.put(key, &account);
            }
        }
        for (_, key) in ranked {
            if bytes <= target {
                break;
            }
            let Some(account) = self.get(ledger, &key) else { continue };
            bytes = bytes.saturating_sub(size(&key, &account.pack()));
            self.changed.remove(&*key);
            self.forgotten.push((*key).clone());
        }
        self.forgotten.len()
    }

    fn bytes(&self, ledger: &Ledger) -> usize {
        let mut bytes = ledger.bytes;
        for (key, packed) in &self.changed {
            let old = ledger.accounts.get(key).map_or(0, |old| size(key, old));
            bytes = bytes.saturating_add(size(key, packed)).saturating_sub(old);
        }
        bytes
    }

    /// All boots, in the order in which they are folded and forgotten: silent ones first, then
    /// those with nothing in transit or missing, then the least recently changed.
    fn ranked(&self, ledger: &Ledger, now: i64) -> Vec<((bool, bool, i64), Arc<BootKey>)> {
        let silent = now.saturating_sub(SILENT_MILLIS);
        let new = self.changed.keys().filter(|key| !ledger.contains(key));
        let keys = ledger.accounts.keys().cloned().chain(new.map(|key| Arc::new(key.clone())));
        let mut ranked: Vec<_> = keys
            .filter_map(|key| {
                let account = self.get(ledger, &key)?;
                let statement = account.statement(silent);
                let open = statement.missing > 0 || statement.queued > 0 || statement.spooled > 0;
                Some(((account.touched >= silent, open, account.touched), key))
            })
            .collect();
        ranked.sort_unstable();
        ranked
    }

    /// The accounts that changed.
    pub fn changed(&self) -> impl Iterator<Item = (&BootKey, &Packed)> {
        self.changed.iter()
    }

    /// The boots to forget.
    pub fn forgotten(&self) -> &[BootKey] {
        &self.forgotten
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.forgotten.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::Uuid;

    use super::super::numbers::Told;
    use super::*;

    fn key(number: u128) -> BootKey {
        BootKey { gateway: "edge".into(), boot: Uuid::from_u128(number) }
    }

    fn arrive(ledger: &mut Ledger, boot: u128, now: i64, numbers: impl IntoIterator<Item = u64>) {
        let mut edit = Edit::default();
        edit.change(ledger, &key(boot), now, |account| {
            for number in numbers {
                account.numbers.accept(number..=number);
                account.numbers.settle(number..=number, Told::New);
            }
            account.totals.assigned = account.numbers.max();
        });
        ledger.absorb(edit);
    }

    #[test]
    fn an_edit_is_seen_only_once_it_is_absorbed() {
        let mut ledger = Ledger::default();
        let mut edit = Edit::default();
        edit.change(&ledger, &key(1), 5, |account| account.numbers.accept(1..=3));
        edit.change(&ledger, &key(1), 6, |account| account.numbers.accept(4..=4));
        assert!(ledger.is_empty());
        ledger.absorb(edit);
        let account = ledger.get(&key(1)).unwrap();
        assert_eq!((account.statement(0).spooled, account.touched), (4, 6));
        assert!(ledger.bytes() > 0);
    }

    #[test]
    fn at_the_bound_ranges_are_folded_before_boots_are_forgotten() {
        let mut ledger = Ledger::default();
        for boot in 0..20 {
            arrive(&mut ledger, boot, 1_000, (1..=400).step_by(2));
        }
        let bounds = LedgerBounds { bytes: ledger.bytes() / 2, ..LedgerBounds::default() };
        let mut edit = Edit::default();
        assert_eq!(edit.keep(&ledger, bounds, 1_000), 0);
        ledger.absorb(edit);
        assert!(ledger.bytes() <= bounds.bytes && ledger.len() == 20);
        for boot in 0..20 {
            let statement = ledger.get(&key(boot)).unwrap().statement(0);
            assert_eq!((statement.stored, statement.missing), (200, 199));
        }
    }

    #[test]
    fn silent_boots_go_before_live_ones_and_closed_ones_before_open_ones() {
        let mut ledger = Ledger::default();
        let now = 10 * SILENT_MILLIS;
        arrive(&mut ledger, 1, now - 5, 1..=9);
        arrive(&mut ledger, 2, 10, [1, 3]);
        arrive(&mut ledger, 3, 20, 1..=9);
        arrive(&mut ledger, 4, now - 9, 1..=9);
        let mut bounds = LedgerBounds::default();
        for gone in [3, 2, 4] {
            bounds.bytes = ledger.bytes() - 1;
            let mut edit = Edit::default();
            assert_eq!(edit.keep(&ledger, bounds, now), 1);
            assert_eq!(edit.forgotten(), [key(gone)]);
            ledger.absorb(edit);
        }
        assert!(ledger.forgot());
    }

    #[test]
    fn a_boot_that_returns_after_it_was_forgotten_is_not_missing() {
        let mut ledger = Ledger::new([], true);
        arrive(&mut ledger, 7, 1, 500..=600);
        let statement = ledger.get(&key(7)).unwrap().statement(0);
        assert_eq!((statement.stored, statement.unknown, statement.missing), (101, 499, 0));
    }

    #[test]
    fn many_boots_with_scattered_numbers_keep_the_bound() {
        let bounds = LedgerBounds { bytes: OWN_BYTES / 50, ..LedgerBounds::default() };
        let (mut ledger, mut forgotten) = (Ledger::default(), 0);
        for round in 0..3_u64 {
            for boot in 0..200 {
                let mut edit = Edit::default();
                edit.change(&ledger, &key(boot), 1_000, |account| {
                    for number in 0..500_u64 {
                        let number = round * 1_500 + number * 3 + 1;
                        account.numbers.accept(number..=number);
                        account.numbers.settle(number..=number, Told::New);
                    }
                });
                forgotten += edit.keep(&ledger, bounds, 1_000);
                ledger.absorb(edit);
                assert!(ledger.bytes() <= bounds.bytes);
            }
        }
        assert_eq!((forgotten, ledger.len()), (0, 200));
        assert_eq!(ledger.get(&key(1)).unwrap().statement(0).stored, 1_500);
    }
}

//! The accounts of all boots, as they stand on disk.

use std::collections::HashMap;

use super::account::{Account, BootKey};

/// Most boots that a collector keeps. A gateway has one a worker and configuration: this is a
/// hundred gateways of twenty workers, reconfigured five times. Past it, the boot that was not
/// touched for the longest is forgotten, and counted.
pub const MAX_BOOTS: usize = 10_000;

/// The accounts as committed.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    accounts: HashMap<BootKey, Account>,
}

/// Changes to a ledger that are not committed yet.
#[derive(Debug, Default)]
pub struct Edit {
    changed: HashMap<BootKey, Account>,
    forgotten: Vec<BootKey>,
}

impl Ledger {
    /// A ledger of these accounts.
    pub fn new(accounts: HashMap<BootKey, Account>) -> Self {
        Self { accounts }
    }

    /// Every boot and its account.
    pub fn iter(&self) -> impl Iterator<Item = (&BootKey, &Account)> {
        self.accounts.iter()
    }

    /// One boot's account.
    pub fn get(&self, key: &BootKey) -> Option<&Account> {
        self.accounts.get(key)
    }

    /// How many boots there are.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Makes a committed edit visible.
    pub fn absorb(&mut self, edit: Edit) {
        self.accounts.extend(edit.changed);
        for key in edit.forgotten {
            self.accounts.remove(&key);
        }
    }
}

impl Edit {
    /// The account to change; a new one where there was none.
    pub fn account<'a>(&'a mut self, ledger: &Ledger, key: &BootKey, now: i64) -> &'a mut Account {
        if !self.changed.contains_key(key) {
            let account = ledger.get(key).cloned().unwrap_or_default();
            self.changed.insert(key.clone(), account);
        }
        let account = self.changed.entry(key.clone()).or_default();
        account.touched = now;
        account
    }

    /// Forgets the boots beyond `limit` that were touched least recently; says how many.
    pub fn evict(&mut self, ledger: &Ledger, limit: usize) -> usize {
        let new = self.changed.keys().filter(|key| ledger.get(key).is_none()).count();
        let excess = ledger.len().saturating_add(new).saturating_sub(limit);
        if excess == 0 {
            return 0;
        }
        let mut old: Vec<_> =
            ledger.iter().filter(|(key, _)| !self.changed.contains_key(key)).collect();
        old.sort_unstable_by_key(|(_, account)| account.touched);
        self.forgotten = old.into_iter().take(excess).map(|(key, _)| key.clone()).collect();
        self.forgotten.len()
    }

    /// The accounts that changed.
    pub fn changed(&self) -> impl Iterator<Item = (&BootKey, &Account)> {
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

    use super::*;

    fn key(number: u128) -> BootKey {
        BootKey { gateway: "edge".into(), boot: Uuid::from_u128(number) }
    }

    #[test]
    fn an_edit_is_seen_only_once_it_is_absorbed() {
        let mut ledger = Ledger::default();
        let mut edit = Edit::default();
        edit.account(&ledger, &key(1), 5).accepted.insert(1..=3);
        edit.account(&ledger, &key(1), 6).accepted.insert(4..=4);
        assert!(ledger.is_empty());
        ledger.absorb(edit);
        let account = ledger.get(&key(1)).unwrap();
        assert_eq!((account.accepted.len(), account.touched), (4, 6));
    }

    #[test]
    fn past_the_bound_the_boot_untouched_for_the_longest_is_forgotten() {
        let mut ledger = Ledger::default();
        for number in 0..3 {
            let mut edit = Edit::default();
            edit.account(&ledger, &key(number), i64::try_from(number).unwrap());
            assert_eq!(edit.evict(&ledger, 3), 0);
            ledger.absorb(edit);
        }
        let mut edit = Edit::default();
        edit.account(&ledger, &key(0), 10);
        edit.account(&ledger, &key(9), 11);
        assert_eq!(edit.evict(&ledger, 3), 1);
        ledger.absorb(edit);
        assert_eq!(ledger.len(), 3);
        assert!(ledger.get(&key(1)).is_none(), "touched least recently");
        assert!(ledger.get(&key(0)).is_some());
    }
}

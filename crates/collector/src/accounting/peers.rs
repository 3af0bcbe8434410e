//! What the other collectors that share the database know about the same boots.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use super::account::{Account, BootKey, Statement};
use super::ledger::{self, FOREIGN_BYTES, Ledger, Packed};

/// Boots merged at once: while others may change accounts, only a copy of this many references is
/// held.
const AT_ONCE: usize = 256;

/// Runs left in an account that was folded to enforce the bound.
const FOLDED_RUNS: usize = 8;

/// Maximum evicted boots remembered; beyond it, any boot may have been evicted.
const MAX_BLIND: usize = 65_536;

/// A number that identifies a boot in less memory than its name.
pub(super) fn fingerprint(key: &BootKey) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(key)
}

/// One collector's account of a boot.
#[derive(Clone, Debug)]
struct Foreign {
    collector: Arc<str>,
    packed: Packed,
    /// When it was read: the least recently renewed goes first.
    read: u64,
}

#[derive(Debug, Default)]
struct Inner {
    accounts: BTreeMap<Arc<BootKey>, Vec<Foreign>>,
    bytes: usize,
    reads: u64,
    /// Collectors that have been silent for a long time.
    gone: HashSet<Arc<str>>,
    names: BTreeSet<Arc<str>>,
    /// Boots whose account was evicted.
    blind: HashSet<u64>,
    all_blind: bool,
}

/// The other collectors' accounts. Cheap to clone.
///
/// **Bound**: [`FOREIGN_BYTES`]. When it is reached, ranges are folded into counts, the least
/// recently renewed first; then accounts are evicted, those of boots that this collector does not
/// know first. What an evicted account had is unknown, not missing.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    inner: Arc<RwLock<Inner>>,
}

impl Peers {
    /// Adds a collector's account of a boot; returns how many accounts were evicted to enforce the
    /// bound.
    pub fn put(&self, collector: &str, key: &BootKey, account: &Account, own: &Ledger) -> usize {
        self.put_within(collector, key, account, own, FOREIGN_BYTES)
    }

    fn put_within(
        &self,
        collector: &str,
        key: &BootKey,
        account: &Account,
        own: &Ledger,
        limit: usize,
    ) -> usize {
        let mut inner = self.write();
        inner.put(collector, key, account);
        if inner.bytes <= limit { 0 } else { inner.keep(own, limit.saturating_sub(limit / 8)) }
    }

    /// Sets the collectors that have been silent for a long time: what they only accepted no longer
    /// counts.
    pub fn set_gone(&self, gone: impl Fn(&str) -> bool) {
        let mut inner = self.write();
        inner.gone = inner.names.iter().filter(|name| gone(name)).cloned().collect();
    }

    /// Their approximate size in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// Up to `count` boots after the given one that this collector or another knows about, in
    /// order, each with the merged account.
    pub fn after(
        &self,
        ledger: impl FnOnce(Option<&BootKey>, usize) -> Vec<(Arc<BootKey>, Packed)>,
        key: Option<&BootKey>,
        count: usize,
    ) -> Vec<(Arc<BootKey>, Account)> {
        let own = ledger(key, count);
        let (others, gone) = self.read(key, count);
        let mut united: BTreeMap<Arc<BootKey>, Account> = BTreeMap::new();
        for (key, packed) in own {
            united.extend(Account::unpack(&packed).map(|account| (key, account)));
        }
        for (key, foreign, blind) in others {
            for Foreign { collector, packed, .. } in foreign {
                let Some(mut account) = Account::unpack(&packed) else { continue };
                if gone.contains(&collector) {
                    account.numbers.drop_spooled();
                }
                match united.get_mut(&key) {
                    Some(known) => known.unite(&account),
                    None => drop(united.insert(Arc::clone(&key), account)),
                }
            }
            if let Some(account) = united.get_mut(&key).filter(|_| blind) {
                account.evicted = account.assigned();
            }
        }
        united.into_iter().take(count).collect()
    }

    /// Calls `each` for every boot that this collector or another knows about, with the merged
    /// account. No lock is held during the calls.
    pub fn for_each(
        &self,
        ledger: impl Fn(Option<&BootKey>, usize) -> Vec<(Arc<BootKey>, Packed)>,
        mut each: impl FnMut(&BootKey, &Account),
    ) {
        let mut last: Option<Arc<BootKey>> = None;
        loop {
            let some = self.after(&ledger, last.as_deref(), AT_ONCE);
            for (key, account) in &some {
                each(key, account);
            }
            match some.last() {
                Some((key, _)) if some.len() == AT_ONCE => last = Some(Arc::clone(key)),
                _ => return,
            }
        }
    }

    /// How many boots are known, and the sum of their statements.
    pub fn sum(
        &self,
        ledger: impl Fn(Option<&BootKey>, usize) -> Vec<(Arc<BootKey>, Packed)>,
        silent_before: i64,
    ) -> (usize, Statement) {
        let (mut boots, mut sum) = (0_usize, Statement::default());
        self.for_each(ledger, |_, account| {
            boots += 1;
            sum.add(&account.statement(silent_before));
        });
        (boots, sum)
    }

    fn read(&self, key: Option<&BootKey>, count: usize) -> (Vec<Others>, HashSet<Arc<str>>) {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let from = key.map_or(Bound::Unbounded, Bound::Excluded);
        let found = inner.accounts.range::<BootKey, _>((from, Bound::Unbounded)).take(count);
        let others =
            found.map(|(key, foreign)| (Arc::clone(key), foreign.clone(), inner.is_blind(key)));
        (others.collect(), inner.gone.clone())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

type Others = (Arc<BootKey>, Vec<Foreign>, bool);

impl Inner {
    fn is_blind(&self, key: &BootKey) -> bool {
        self.all_blind || !self.blind.is_empty() && self.blind.contains(&fingerprint(key))
    }

    fn put(&mut self, collector: &str, key: &BootKey, account: &Account) {
        self.reads += 1;
        let known = self.names.get(collector).cloned();
        let collector = known.unwrap_or_else(|| Arc::from(collector));
        self.names.insert(Arc::clone(&collector));
        let packed: Packed = account.pack().into();
        self.bytes = self.bytes.saturating_add(ledger::size(key, &packed));
        let new = Foreign { collector, packed, read: self.reads };
        if !self.accounts.contains_key(key) {
            self.accounts.insert(Arc::new(key.clone()), Vec::new());
        }
        let Some(foreign) = self.accounts.get_mut(key) else { return };
        match foreign.iter_mut().find(|known| known.collector == new.collector) {
            Some(known) => {
                self.bytes = self.bytes.saturating_sub(ledger::size(key, &known.packed));
                *known = new;
            }
            None => foreign.push(new),
        }
    }

    fn keep(&mut self, own: &Ledger, target: usize) -> usize {
        let mut ranked: Vec<_> = self
            .accounts
            .iter()
            .map(|(key, foreign)| {
                let read = foreign.iter().map(|one| one.read).max().unwrap_or(0);
                ((own.contains(key), read), Arc::clone(key))
            })
            .collect();
        ranked.sort_unstable();
        for (_, key) in &ranked {
            if self.bytes <= target {
                return 0;
            }
            for one in self.accounts.get_mut(key).into_iter().flatten() {
                let Some(mut account) = Account::unpack(&one.packed) else { continue };
                if account.numbers.fold(FOLDED_RUNS) {
                    let packed: Packed = account.pack().into();
                    let freed = one.packed.len().saturating_sub(packed.len());
                    self.bytes = self.bytes.saturating_sub(freed);
                    one.packed = packed;
                }
            }
        }
        let mut evicted = 0_usize;
        for (_, key) in ranked {
            if self.bytes <= target {
                break;
            }
            let Some(foreign) = self.accounts.remove(&key) else { continue };
            for one in &foreign {
                self.bytes = self.bytes.saturating_sub(ledger::size(&key, &one.packed));
            }
            evicted = evicted.saturating_add(foreign.len());
            self.blind.insert(fingerprint(&key));
        }
        if self.blind.len() > MAX_BLIND {
            self.blind = HashSet::new();
            self.all_blind = true;
        }
        evicted
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::Uuid;

    use super::super::numbers::Told;
    use super::*;
    use crate::accounting::Edit;

    fn key(boot: u128) -> BootKey {
        BootKey { gateway: "edge".into(), boot: Uuid::from_u128(boot) }
    }

    fn other(from: u64, to: u64) -> Account {
        let mut other = Account::default();
        other.numbers.accept(from..=to);
        other.numbers.settle(from..=to, Told::New);
        other
    }

    fn sum(peers: &Peers, ledger: &Ledger) -> (usize, Statement) {
        peers.sum(|key, count| ledger.after(key, count), 0)
    }

    fn own() -> Ledger {
        let mut ledger = Ledger::default();
        let mut edit = Edit::default();
        edit.change(&ledger, &key(1), 1, |own| {
            own.totals.assigned = 10;
            own.numbers.accept(1..=5);
        });
        ledger.absorb(edit);
        ledger
    }

    #[test]
    fn what_is_known_here_and_elsewhere_is_united() {
        let (ledger, peers) = (own(), Peers::default());
        for boot in [1, 2] {
            peers.put("b", &key(boot), &other(5, 9), &ledger);
        }
        let (boots, sum) = sum(&peers, &ledger);
        assert_eq!(boots, 2);
        assert_eq!((sum.assigned, sum.stored, sum.spooled, sum.missing), (19, 10, 4, 5));
    }

    #[test]
    fn what_a_collector_that_is_gone_only_accepted_is_missing() {
        let (ledger, peers) = (own(), Peers::default());
        let mut account = other(6, 8);
        account.numbers.accept(9..=10);
        peers.put("b", &key(1), &account, &ledger);
        assert_eq!(sum(&peers, &ledger).1.missing, 0);
        peers.set_gone(|name| name == "b");
        assert_eq!(sum(&peers, &ledger).1.missing, 2);
    }

    #[test]
    fn at_the_bound_known_accounts_are_still_renewed_and_no_loss_is_invented() {
        let (ledger, peers) = (own(), Peers::default());
        let limit = 20_000;
        let mut evicted = 0;
        for boot in 1..=200 {
            let mut account = other(6, 7);
            for number in 5..200 {
                account.numbers.accept(number * 2..=number * 2);
            }
            evicted += peers.put_within("b", &key(boot), &account, &ledger, limit);
            assert!(peers.bytes() <= limit);
        }
        assert!(evicted > 0);
        evicted += peers.put_within("b", &key(1), &other(6, 10), &ledger, limit);
        let some = peers.after(|key, count| ledger.after(key, count), None, 1);
        let statement = some[0].1.statement(0);
        assert_eq!((statement.stored, statement.spooled, statement.missing), (5, 5, 0));
        // In the end our own boot's account was evicted: what it had is not missing.
        for boot in 2..=2_000 {
            evicted += peers.put_within("b", &key(boot), &other(1, 1), &ledger, limit / 4);
        }
        assert!(evicted > 1_000);
    }
}

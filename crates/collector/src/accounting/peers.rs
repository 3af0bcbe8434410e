//! What other collectors, which share the database, know of the same boots.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::account::{Account, BootKey, Statement};
use super::ledger::Ledger;

/// The other collectors' knowledge, united. Cheap to clone.
#[derive(Clone, Default)]
pub struct Peers {
    accounts: Arc<RwLock<HashMap<BootKey, Account>>>,
}

impl Peers {
    /// Takes over what was read from the database.
    pub fn replace(&self, accounts: HashMap<BootKey, Account>) {
        *self.accounts.write().unwrap_or_else(PoisonError::into_inner) = accounts;
    }

    /// Calls `each` for every boot that this collector or another knows of, with the account
    /// that unites what they know.
    pub fn for_each(&self, ledger: &Ledger, mut each: impl FnMut(&BootKey, &Account)) {
        let peers = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        for (key, own) in ledger.iter() {
            match peers.get(key) {
                None => each(key, own),
                Some(other) => {
                    let mut united = own.clone();
                    united.union(other);
                    each(key, &united);
                }
            }
        }
        for (key, account) in peers.iter().filter(|(key, _)| ledger.get(key).is_none()) {
            each(key, account);
        }
    }

    /// How many boots are known, and the sum of their statements.
    pub fn sum(&self, ledger: &Ledger, silent_before: i64) -> (usize, Statement) {
        let (mut boots, mut sum) = (0_usize, Statement::default());
        self.for_each(ledger, |_, account| {
            boots = boots.saturating_add(1);
            sum.add(&account.statement(silent_before));
        });
        (boots, sum)
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::Uuid;

    use super::*;
    use crate::accounting::Edit;

    #[test]
    fn what_is_known_here_and_elsewhere_is_united() {
        let key = |boot| BootKey { gateway: "edge".into(), boot: Uuid::from_u128(boot) };
        let mut ledger = Ledger::default();
        let mut edit = Edit::default();
        let own = edit.account(&ledger, &key(1), 1);
        own.totals.assigned = 10;
        own.accepted.insert(1..=5);
        ledger.absorb(edit);
        let mut other = Account::default();
        other.accepted.insert(5..=9);
        other.stored.insert(5..=9);
        let peers = Peers::default();
        peers.replace([(key(1), other.clone()), (key(2), other)].into());
        let (boots, sum) = peers.sum(&ledger, 0);
        assert_eq!(boots, 2);
        assert_eq!((sum.assigned, sum.stored, sum.spooled, sum.missing), (19, 10, 4, 5));
    }
}

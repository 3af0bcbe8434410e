//! Tests the accounting against a model that keeps every number.
//!
//! In each history, gateways make records (older filters also sample, which leaves holes in their
//! numbers), drop some, lose some, and send batches to several collectors, some of them twice
//! because the response was lost. The collectors store their rows in any order, find some damaged,
//! are killed between an insert and its settling, fold their accounts at any moment and forget
//! some. Journals are replayed. At the end everything is settled and the merged account agrees with
//! the model; after a full replay nothing is missing.

use std::collections::{BTreeMap, BTreeSet};

use gatelog_record::Uuid;
use proptest::prelude::*;

use super::account::{Account, BootKey, Statement, Totals};
use super::ledger::{Edit, Ledger, LedgerBounds};
use super::numbers::{Place, Told};

const BOOTS: usize = 2;
const COLLECTORS: usize = 3;
/// The database refuses every `POISON`-th record.
const POISON: u64 = 13;

#[derive(Clone, Debug)]
enum Step {
    /// A gateway makes records; an older filter leaves out every `sampled`-th one.
    Make { boot: usize, count: u64, sampled: u64 },
    /// It drops its oldest records, and counts them.
    Shed { boot: usize, count: usize },
    /// It loses its oldest records, without counting them.
    Lose { boot: usize, count: usize },
    /// It sends a batch. `lost`: the response does not arrive.
    Send { boot: usize, collector: usize, count: usize, lost: bool },
    /// A collector stores one of its rows.
    Settle { collector: usize, row: usize },
    /// It is killed between the insert and the settling.
    Kill { collector: usize, row: usize },
    /// It finds a row damaged.
    Damage { collector: usize, row: usize },
    /// It folds an account.
    Fold { collector: usize, boot: usize, runs: usize },
    /// It forgets accounts until they fit into this many bytes.
    Evict { collector: usize, bytes: usize },
    /// Part of a journal is replayed.
    Replay { boot: usize, collector: usize, from: u64, count: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (boot, collector, row) = (0..BOOTS, 0..COLLECTORS, 0_usize..8);
    prop_oneof![
        4 => (boot.clone(), 1_u64..30, 2_u64..5)
            .prop_map(|(boot, count, sampled)| Step::Make { boot, count, sampled }),
        1 => (boot.clone(), 1_usize..6).prop_map(|(boot, count)| Step::Shed { boot, count }),
        1 => (boot.clone(), 1_usize..4).prop_map(|(boot, count)| Step::Lose { boot, count }),
        6 => (boot.clone(), collector.clone(), 0_usize..12, prop::bool::weighted(0.2)).prop_map(
            |(boot, collector, count, lost)| Step::Send { boot, collector, count, lost }
        ),
        6 => (collector.clone(), row.clone())
            .prop_map(|(collector, row)| Step::Settle { collector, row }),
        1 => (collector.clone(), row.clone())
            .prop_map(|(collector, row)| Step::Kill { collector, row }),
        1 => (collector.clone(), row).prop_map(|(collector, row)| Step::Damage { collector, row }),
        3 => (collector.clone(), boot.clone(), 0_usize..6)
            .prop_map(|(collector, boot, runs)| Step::Fold { collector, boot, runs }),
        1 => (collector.clone(), 0_usize..600)
            .prop_map(|(collector, bytes)| Step::Evict { collector, bytes }),
        2 => (boot, collector, 1_u64..100, 1_u64..40).prop_map(
            |(boot, collector, from, count)| Step::Replay { boot, collector, from, count }
        ),
    ]
}

/// The parameters of a history.
#[derive(Clone, Copy, Debug)]
struct Kind {
    collectors: usize,
    /// Whether each boot runs an older filter.
    older: [bool; BOOTS],
    /// Whether folding reaches records in transit. If so, no record is refused: for one that two
    /// collectors have refused, nothing could tell which of them counts it.
    deep: bool,
    evict: bool,
}

fn kind() -> impl Strategy<Value = Kind> {
    let older = [any::<bool>(), any::<bool>()];
    (1..=COLLECTORS, older, any::<bool>(), prop::bool::weighted(0.2))
        .prop_map(|(collectors, older, deep, evict)| Kind { collectors, older, deep, evict })
}

#[derive(Debug, Default)]
struct Gateway {
    totals: Totals,
    queue: Vec<u64>,
    journal: BTreeSet<u64>,
    /// How many rows each record was ever in.
    rows: BTreeMap<u64, usize>,
    stored: BTreeSet<u64>,
    letters: BTreeSet<u64>,
}

#[derive(Clone, Debug)]
struct Row {
    boot: usize,
    numbers: Vec<u64>,
    /// Whether it may have been sent before.
    sent: bool,
}

#[derive(Debug, Default)]
struct Collector {
    ledger: Ledger,
    rows: Vec<Row>,
    /// What it shared about boots that it has since forgotten.
    shared: BTreeMap<BootKey, Account>,
}

struct World {
    kind: Kind,
    gateways: Vec<Gateway>,
    collectors: Vec<Collector>,
    now: i64,
}

fn key(boot: usize) -> BootKey {
    BootKey { gateway: "edge".into(), boot: Uuid::from_u128(boot as u128) }
}

impl Collector {
    fn change(&mut self, boot: usize, now: i64, change: impl FnOnce(&mut Account)) {
        let mut edit = Edit::default();
        edit.change(&self.ledger, &key(boot), now, change);
        self.ledger.absorb(edit);
    }

    fn row(&self, row: usize) -> Option<usize> {
        row.checked_rem(self.rows.len())
    }

    fn is_late(&self, boot: usize, number: u64) -> bool {
        let account = self.ledger.get(&key(boot)).unwrap_or_default();
        let mut runs = account.numbers.runs().iter();
        runs.any(|run| run.place == Place::Late && (run.start..=run.end).contains(&number))
    }
}

impl World {
    fn new(kind: Kind) -> Self {
        let gateways = (0..BOOTS).map(|_| Gateway::default()).collect();
        let collectors = (0..kind.collectors).map(|_| Collector::default()).collect();
        Self { kind, gateways, collectors, now: 1 }
    }

    fn step(&mut self, step: &Step) {
        self.now += 1;
        match *step {
            Step::Make { boot, count, sampled } => {
                for turn in 0..count {
                    self.make(boot, turn % sampled == 1);
                }
            }
            Step::Shed { boot, count } => {
                let gateway = &mut self.gateways[boot];
                let shed = gateway.queue.drain(..count.min(gateway.queue.len())).count() as u64;
                *gateway.totals.dropped.entry("queue_full".into()).or_default() += shed;
            }
            Step::Lose { boot, count } => {
                let queue = &mut self.gateways[boot].queue;
                queue.drain(..count.min(queue.len()));
            }
            Step::Send { boot, collector, count, lost } => self.send(boot, collector, count, lost),
            Step::Settle { collector, row } => self.settle(collector, row),
            Step::Kill { collector, row } => self.kill(collector, row),
            Step::Damage { collector, row } if !self.kind.deep => self.damage(collector, row),
            Step::Fold { collector, boot, runs } => self.fold(collector, boot, runs),
            Step::Evict { collector, bytes } if self.kind.evict => {
                let (now, index) = (self.now, collector % self.kind.collectors);
                let collector = &mut self.collectors[index];
                let mut edit = Edit::default();
                edit.keep(&collector.ledger, LedgerBounds { bytes, folded_runs: 2 }, now);
                for key in edit.forgotten() {
                    let account = collector.ledger.get(key);
                    collector.shared.extend(account.map(|account| (key.clone(), account)));
                }
                collector.ledger.absorb(edit);
            }
            Step::Damage { .. } | Step::Evict { .. } => {}
            Step::Replay { boot, collector, from, count } => {
                let journal = &self.gateways[boot].journal;
                let some = journal.range(from..from + count).copied().collect();
                self.replay(boot, collector, some);
            }
        }
    }

    fn make(&mut self, boot: usize, sampled: bool) {
        let older = self.kind.older[boot];
        let gateway = &mut self.gateways[boot];
        if sampled && !older {
            gateway.totals.sampled += 1;
            return;
        }
        gateway.totals.assigned += 1;
        if sampled {
            *gateway.totals.dropped.entry("sampled".into()).or_default() += 1;
        } else {
            gateway.queue.push(gateway.totals.assigned);
            gateway.journal.insert(gateway.totals.assigned);
        }
    }

    fn send(&mut self, boot: usize, collector: usize, count: usize, lost: bool) {
        let gateway = &mut self.gateways[boot];
        let count = count.min(gateway.queue.len());
        let batch = gateway.queue[..count].to_vec();
        let queued = (gateway.queue.len() - count) as u64;
        let totals = Totals { queued, at: self.now, ..gateway.totals.clone() };
        if !lost {
            gateway.queue.drain(..count);
        }
        self.append(boot, collector, batch, Some(&totals));
    }

    /// A record that may have been sent before a collector was killed does not go to another
    /// collector as well: once both have folded it, nothing could tell which of them counts it.
    fn append(
        &mut self,
        boot: usize,
        collector: usize,
        mut batch: Vec<u64>,
        totals: Option<&Totals>,
    ) {
        let now = self.now;
        let rows = self.collectors.iter().flat_map(|collector| &collector.rows);
        let sent: BTreeSet<u64> = rows
            .filter(|row| row.boot == boot && row.sent)
            .flat_map(|row| row.numbers.iter().copied())
            .collect();
        batch.retain(|number| !sent.contains(number));
        for number in &batch {
            *self.gateways[boot].rows.entry(*number).or_default() += 1;
        }
        let collector = &mut self.collectors[collector % self.kind.collectors];
        collector.change(boot, now, |account| {
            for number in &batch {
                account.numbers.accept(*number..=*number);
            }
            if let Some(totals) = totals {
                account.totals.advance(totals);
            }
        });
        if !batch.is_empty() {
            collector.rows.push(Row { boot, numbers: batch, sent: false });
        }
    }

    fn settle(&mut self, collector: usize, row: usize) {
        let (now, index) = (self.now, collector % self.kind.collectors);
        let deep = self.kind.deep;
        let collector = &mut self.collectors[index];
        let Some(row) = collector.row(row) else { return };
        let Row { boot, numbers, sent } = collector.rows.swap_remove(row);
        let gateway = &mut self.gateways[boot];
        let told = numbers.into_iter().map(|number| {
            let told = if number.is_multiple_of(POISON) && !deep {
                gateway.letters.insert(number);
                Told::Refused
            } else if gateway.stored.insert(number) {
                Told::New
            } else if sent {
                Told::Again
            } else {
                Told::Elsewhere
            };
            (number, told)
        });
        let told: Vec<_> = told.collect();
        collector.change(boot, now, |account| {
            for (number, told) in told {
                account.numbers.settle(number..=number, told);
            }
        });
        self.empty(index);
    }

    fn empty(&mut self, collector: usize) {
        let collector = &mut self.collectors[collector];
        if collector.rows.is_empty() {
            let mut edit = Edit::default();
            edit.emptied(&collector.ledger);
            collector.ledger.absorb(edit);
        }
    }

    /// Whether every record in the collector's rows is in no other row and is known to have been
    /// new: then there is nothing left to guess.
    fn certain(&self, collector: &Collector) -> bool {
        collector.rows.iter().all(|row| {
            row.numbers.iter().all(|number| {
                self.gateways[row.boot].rows[number] == 1 && !collector.is_late(row.boot, *number)
            })
        })
    }

    fn kill(&mut self, collector: usize, row: usize) {
        let index = collector % self.kind.collectors;
        let collector = &self.collectors[index];
        let Some(row) = collector.row(row).filter(|_| self.certain(collector)) else { return };
        let collector = &mut self.collectors[index];
        let Row { boot, numbers, .. } = collector.rows[row].clone();
        let deep = self.kind.deep;
        let good = numbers.into_iter().filter(|number| deep || !number.is_multiple_of(POISON));
        self.gateways[boot].stored.extend(good);
        collector.rows.iter_mut().for_each(|row| row.sent = true);
    }

    fn damage(&mut self, collector: usize, row: usize) {
        let (now, index) = (self.now, collector % self.kind.collectors);
        let collector = &self.collectors[index];
        // If a damaged row was sent before, or its gateway sends it again, its records are in the
        // database anyway, and counted twice.
        let unsent = |row: &usize| {
            collector.rows.get(*row).is_some_and(|row| {
                let queue = &self.gateways[row.boot].queue;
                !row.sent && row.numbers.iter().all(|number| !queue.contains(number))
            })
        };
        let row = collector.row(row).filter(|row| unsent(row) && self.certain(collector));
        let Some(row) = row else { return };
        let collector = &mut self.collectors[index];
        let Row { boot, numbers, .. } = collector.rows.swap_remove(row);
        self.gateways[boot].letters.extend(&numbers);
        collector.change(boot, now, |account| {
            for number in numbers {
                account.numbers.settle(number..=number, Told::Refused);
            }
        });
        self.empty(index);
    }

    fn fold(&mut self, collector: usize, boot: usize, runs: usize) {
        let (now, deep) = (self.now, self.kind.deep);
        let collector = &mut self.collectors[collector % self.kind.collectors];
        if !collector.ledger.contains(&key(boot)) {
            return;
        }
        collector.change(boot, now, |account| {
            let places = account.numbers.runs().iter().map(|run| run.place);
            let waiting = places.clone().filter(|place| *place < Place::Elsewhere).count();
            // Numbers in the dead letters are folded only when there are thousands of them.
            let refused = places.filter(|place| *place == Place::Quarantined).count();
            let least = if deep && refused == 0 { 0 } else { waiting };
            account.numbers.fold(runs.max(least));
        });
    }

    /// Replays what the collector does not know it has.
    fn replay(&mut self, boot: usize, collector: usize, numbers: Vec<u64>) {
        let account = self.collectors[collector % self.kind.collectors].ledger.get(&key(boot));
        let account = account.unwrap_or_default();
        let known: Vec<_> = account.known().collect();
        let letters = self.gateways[boot].letters.clone();
        let unknown = numbers.into_iter().filter(|number| {
            let known = known.iter().any(|(start, end)| (start..=end).contains(&number));
            !known && !letters.contains(number)
        });
        self.append(boot, collector, unknown.collect(), None);
    }

    fn settle_all(&mut self) {
        for collector in 0..self.kind.collectors {
            while !self.collectors[collector].rows.is_empty() {
                self.now += 1;
                self.settle(collector, usize::try_from(self.now).unwrap());
            }
        }
    }

    fn united(&self, boot: usize) -> Account {
        let mut united: Option<Account> = None;
        let shared = |one: &Collector| {
            let key = key(boot);
            one.ledger.get(&key).or_else(|| one.shared.get(&key).cloned())
        };
        for account in self.collectors.iter().filter_map(shared) {
            match &mut united {
                Some(known) => known.unite(&account),
                None => united = Some(account),
            }
        }
        united.unwrap_or_default()
    }

    /// The statement that an omniscient observer would make.
    fn truth(&self, boot: usize) -> Statement {
        let gateway = &self.gateways[boot];
        let mut totals = Totals::default();
        let mut known = 0;
        for account in self.collectors.iter().filter_map(|one| one.ledger.get(&key(boot))) {
            totals.advance(&account.totals);
            known = known.max(account.numbers.max());
        }
        let waiting: BTreeSet<u64> = self
            .collectors
            .iter()
            .flat_map(|collector| collector.rows.iter().filter(|row| row.boot == boot))
            .flat_map(|row| row.numbers.iter().copied())
            .filter(|number| !gateway.stored.contains(number) && !gateway.letters.contains(number))
            .collect();
        let (stored, spooled) = (gateway.stored.len() as u64, waiting.len() as u64);
        let quarantined = gateway.letters.difference(&gateway.stored).count() as u64;
        let assigned = totals.assigned.max(known);
        let told: u64 = totals.dropped.values().sum();
        let left = assigned - stored - quarantined - spooled;
        let dropped = told.min(left);
        let queued = totals.queued.min(left - dropped);
        Statement {
            assigned,
            stored,
            spooled,
            quarantined,
            dropped,
            recovered: told - dropped,
            queued,
            unknown: 0,
            missing: left - dropped - queued,
        }
    }

    fn check(&self, settled: bool) -> Result<(), TestCaseError> {
        for boot in 0..BOOTS {
            let account = self.united(boot);
            let said = account.statement(0);
            let Statement { assigned, stored, spooled, quarantined, dropped, .. } = said;
            let Statement { queued, unknown, missing, .. } = said;
            let sum = stored + spooled + quarantined + dropped + queued + unknown + missing;
            prop_assert_eq!(assigned, sum, "the identity");
            if self.kind.evict {
                prop_assert!(settled || self.kind.deep || missing <= self.most_missing(boot));
            } else if settled {
                prop_assert_eq!(&said, &self.truth(boot), "boot {}: {:?}", boot, account);
            } else if !self.kind.deep {
                prop_assert!(missing <= self.truth(boot).missing, "a loss is invented");
            }
        }
        Ok(())
    }

    /// What an omniscient observer would call missing, ignoring what forgotten accounts knew about
    /// the sender's totals.
    fn most_missing(&self, boot: usize) -> u64 {
        let gateway = &self.gateways[boot];
        let arrived = gateway.stored.union(&gateway.letters).count() as u64;
        gateway.totals.assigned.saturating_sub(arrived)
    }
}

/// Run `GATELOG_HISTORIES=10000 cargo test -p gatelog-collector model` for more.
fn histories() -> u32 {
    std::env::var("GATELOG_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(256)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(histories()))]

    #[test]
    fn the_account_is_what_one_who_saw_everything_would_say(
        kind in kind(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(kind);
        for step in &steps {
            world.step(step);
            world.check(false)?;
        }
        world.settle_all();
        world.check(true)?;
        // A full replay.
        for boot in 0..BOOTS {
            let all: Vec<u64> = world.gateways[boot].journal.iter().copied().collect();
            world.replay(boot, boot, all);
            world.settle_all();
        }
        world.check(true)?;
        for boot in (0..BOOTS).filter(|boot| !kind.older[*boot]) {
            let said = world.united(boot).statement(0);
            prop_assert_eq!(said.missing, 0, "{:?}", said);
        }
    }
}

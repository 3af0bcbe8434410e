//! The worker of each configuration on each of Envoy's threads.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use gatelog::delivery::outbox::Sender;
use gatelog::host::Host;
use gatelog::worker::Worker;

use crate::deliveries;
use crate::hand_over::WorkersEnd;
use crate::installed::Installed;
use crate::stats::{Own, STATS};

/// How many workers a thread replaces after a panic; from then on requests pass without ids and
/// records, and are counted.
const REPLACED_MAX: u32 = 16;

/// A worker, and whether it may be used.
pub(crate) struct Place {
    configuration: Arc<Installed>,
    worker: RefCell<Worker>,
    poisoned: Cell<bool>,
}

thread_local! {
/// One worker a configuration.
    static PLACES: RefCell<Vec<Rc<Place>>> = const { RefCell::new(Vec::new()) };
/// How many were replaced after a panic.
    static REPLACED: Cell<u32> = const { Cell::new(0) };
}

/// The worker of a configuration on this thread, started if there is none. `None` after too many
/// panics.
pub(crate) fn of(configuration: &Arc<Installed>, host: &dyn Host) -> Option<Rc<Place>> {
    PLACES.with_borrow_mut(|places| {
        let own = places.iter().find(|place| place.configuration.id == configuration.id);
        if let Some(place) = own.filter(|place| !place.poisoned.get()) {
            return Some(Rc::clone(place));
        }
        if own.is_some() {
            if REPLACED.get() >= REPLACED_MAX {
                return None;
            }
            REPLACED.set(REPLACED.get().saturating_add(1));
        }
        // Configurations that are gone are found when another begins.
        places.retain(|place| place.configuration.alive() && !place.poisoned.get());
        let place = Rc::new(start(configuration, host));
        places.push(Rc::clone(&place));
        Some(place)
    })
}

fn start(configuration: &Arc<Installed>, host: &dyn Host) -> Place {
    let host_name = std::env::var("HOSTNAME").ok();
    let mut worker = Worker::start(configuration.config.clone(), host, host_name);
    if let Some(policy) = &configuration.delivery {
        let sender =
            Sender { gateway: worker.settings.gateway.clone(), boot: worker.settings.boot };
        let carried = !configuration.is_logger();
        let to = deliveries::started(configuration.id, carried, policy.clone(), sender);
        worker.hand_over_to(Box::new(WorkersEnd(to)));
    }
    Place {
        configuration: Arc::clone(configuration),
        worker: RefCell::new(worker),
        poisoned: Cell::new(false),
    }
}

impl Place {
    /// Runs `act` on the worker, unless it is poisoned.
    pub(crate) fn with(&self, act: impl FnOnce(&mut Worker)) {
        match self.worker.try_borrow_mut() {
            Ok(mut worker) if !self.poisoned.get() => act(&mut worker),
            _ => STATS.count(Own::Passed, 1),
        }
    }

    /// After a panic: what it left behind is not used again.
    pub(crate) fn poison(&self) {
        self.poisoned.set(true);
    }
}

/// After a panic: the worker of a configuration on this thread is not used again.
pub(crate) fn poison(configuration: u64) {
    PLACES.with_borrow(|places| {
        places
            .iter()
            .filter(|place| place.configuration.id == configuration)
            .for_each(|place| place.poison());
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::logged::LoggedHost;

    fn configuration() -> Arc<Installed> {
        Installed::logger(b"{}").expect("the empty configuration is one")
    }

    /// A host that knows nothing: the callbacks of these tests answer nothing.
    fn host() -> LoggedHost {
        LoggedHost::of(crate::abi::logged::Logged::of(std::ptr::null_mut()))
    }

    #[test]
    fn after_a_panic_a_thread_has_a_fresh_worker_and_after_many_none() {
        let (configuration, host) = (configuration(), host());
        let mut boots = Vec::new();
        for _ in 0..=REPLACED_MAX {
            let place = of(&configuration, &host).expect("a worker");
            place.with(|worker| boots.push(worker.settings.boot));
            place.poison();
            let mut ran = false;
            place.with(|_| ran = true);
            assert!(!ran, "what a panic left behind is not used");
        }
        assert!(of(&configuration, &host).is_none());
        boots.dedup();
        assert_eq!(u32::try_from(boots.len()), Ok(REPLACED_MAX + 1));
    }

    #[test]
    fn workers_of_configurations_that_are_gone_make_room() {
        let host = host();
        for _ in 0..10 {
            let configuration = configuration();
            of(&configuration, &host).expect("a worker");
            configuration.destroyed();
        }
        let last = configuration();
        of(&last, &host).expect("a worker");
        assert_eq!(PLACES.with_borrow(Vec::len), 1);
    }
}

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
use crate::stats::STATS;

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
            _ => STATS.let_pass(),
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

//! The bootstrap extension: sends for access loggers where there is no HTTP filter, and makes Envoy wait
//! for what is queued when it ends.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::Duration;

use gatelog::envoy::headers::Headers;
use gatelog::host::Severity;

use crate::abi::callbacks::log;
use crate::abi::configuration::Configuration;
use crate::host::main_thread::MainThread;
use crate::host::monotonic_nanos;
use crate::installed::next_id;
use crate::stats::Ids;
use crate::{clock, deliveries};

/// How often it sends, and looks whether all has been sent.
const PERIOD: Duration = Duration::from_millis(200);

/// How long Envoy waits at its end for records to be sent: well within the 30 s that Kubernetes gives.
const LEAVE_NS: u64 = 5_000_000_000;

/// The extension.
pub(crate) struct Extension {
    id: u64,
    stats: Ids,
    leaving: RefCell<Option<Leave>>,
    until_ns: Cell<u64>,
}

/// What Envoy waits for; done when it is dropped, so that nothing can make Envoy wait for ever.
pub(crate) struct Leave(Option<Box<dyn FnOnce()>>);

impl Leave {
    /// Done by `completion`.
    pub(crate) fn new(completion: impl FnOnce() + 'static) -> Self {
        Self(Some(Box::new(completion)))
    }
}

impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leave")
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(completion) = self.0.take() {
            completion();
        }
    }
}

impl Extension {
    /// Installs it. It has no configuration of its own.
    pub(crate) fn install(json: &[u8], envoy: Configuration) -> Option<Self> {
        if !matches!(json.trim_ascii(), b"" | b"{}") {
            log(
                Severity::Error,
                "gatelog: the bootstrap extension has no configuration: leave it out",
            );
            return None;
        }
        let id = next_id();
        let stats = Ids::define(envoy);
        clock::start(id, envoy.scheduler(), PERIOD);
        envoy.ready();
        Some(Self { id, stats, leaving: RefCell::new(None), until_ns: Cell::new(0) })
    }

    /// Envoy has destroyed it.
    pub(crate) fn destroyed(self) {
        clock::stop(self.id);
        deliveries::destroyed(self.id);
    }

    /// A tick.
    pub(crate) fn tick(&self, envoy: Configuration) {
        clock::ran(self.id);
        deliveries::tick(self.id, &MainThread::of(envoy, &self.stats, Headers::default()));
        self.look();
    }

    /// The answer to a callout.
    pub(crate) fn answered(&self, envoy: Configuration, id: u64, answer: Headers) {
        deliveries::answered(self.id, id, &MainThread::of(envoy, &self.stats, answer));
        self.look();
    }

    /// Envoy ends: sends all there is, for a while.
    pub(crate) fn leave(&self, leave: Leave) {
        self.until_ns.set(monotonic_nanos().saturating_add(LEAVE_NS));
        deliveries::leave();
        self.leaving.replace(Some(leave));
        clock::wake(self.id);
        clock::wake_others(self.id);
    }

    /// Lets Envoy end if nothing waits any more, or it has waited long enough.
    fn look(&self) {
        if self.leaving.borrow().is_none() {
            return;
        }
        let left = deliveries::left();
        let late = monotonic_nanos() >= self.until_ns.get();
        if left == 0 || late {
            if left > 0 {
                let line = format!(
                    "gatelog: {left} records could not be sent before Envoy ended; replay them from \
                     the journal"
                );
                log(Severity::Warn, &line);
            }
            drop(self.leaving.take());
        } else {
            // Whatever their flush intervals are.
            clock::wake_others(self.id);
        }
    }
}

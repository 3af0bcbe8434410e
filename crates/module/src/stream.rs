//! One HTTP exchange, from Envoy's hooks to the core.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use gatelog::exchange::{Exchange, access_log};
use gatelog::host::Host;

use crate::host::logged::{LoggedHost, SEEN, SPACE};
use crate::host::stream::StreamHost;
use crate::installed::Installed;
use crate::journal::journal;
use crate::stats::{Own, STATS};
use crate::worker::{self, Place};

/// A stream.
pub(crate) struct Stream {
    configuration: Arc<Installed>,
    place: OnceCell<Rc<Place>>,
    exchange: RefCell<Exchange>,
}

impl Stream {
    /// A new one of a configuration.
    pub(crate) fn of(configuration: &Arc<Installed>) -> Self {
        Self {
            configuration: Arc::clone(configuration),
            place: OnceCell::new(),
            exchange: RefCell::default(),
        }
    }

    /// The request's headers arrived.
    pub(crate) fn request_headers(&self, host: &StreamHost) {
        self.with(host, |exchange, place| {
            place.with(|worker| exchange.request_headers(worker, host));
        });
    }

    /// The response's headers arrived.
    pub(crate) fn response_headers(&self, host: &StreamHost) {
        self.with(host, |exchange, place| {
            place.with(|worker| exchange.response_headers(worker, host));
        });
    }

    /// The exchange is over; the access loggers come next.
    pub(crate) fn complete(&self, host: &StreamHost) {
        self.with(host, |exchange, place| {
            place.with(|worker| {
                exchange.log(worker, host);
                worker.report_stats(host);
            });
        });
        if Installed::logged_too() {
            host.stream().set_metadata(SPACE, SEEN, "1");
        }
    }

    /// After a panic: neither the worker nor this exchange is used again.
    pub(crate) fn abandon(&self) {
        if let Some(place) = self.place.get() {
            place.poison();
        }
    }

    fn with(&self, host: &dyn Host, act: impl FnOnce(&mut Exchange, &Place)) {
        let place = match self.place.get() {
            Some(place) => Some(Rc::clone(place)),
            None => worker::of(&self.configuration, host),
        };
        match (place, self.exchange.try_borrow_mut()) {
            (Some(place), Ok(mut exchange)) => {
                act(&mut exchange, self.place.get_or_init(|| place));
            }
            _ => STATS.count(Own::Passed, 1),
        }
    }
}

/// An access logger of one thread: records streams that no filter of this module has seen.
pub(crate) struct Logger {
    configuration: Arc<Installed>,
}

impl Logger {
    /// A new one of a configuration.
    pub(crate) fn of(configuration: &Arc<Installed>) -> Self {
        Self { configuration: Arc::clone(configuration) }
    }

    /// A stream is over.
    pub(crate) fn log(&self, host: &LoggedHost) {
        if host.seen() {
            return;
        }
        let Some(place) = worker::of(&self.configuration, host) else {
            return STATS.count(Own::Passed, 1);
        };
        place.with(|worker| {
            let lines = access_log::observe(None, None, worker, host);
            if let Some(journal) = journal()
                && worker.settings.config.stdout
                && !lines.is_empty()
            {
                journal.add(&lines);
            }
            worker.report_stats(host);
        });
    }

    /// After a panic: its worker is not used again.
    pub(crate) fn abandon(&self) {
        worker::poison(self.configuration.id);
    }
}

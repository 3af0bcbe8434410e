//! The contexts that the host has created: roots, one for a configuration, and their streams.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::hostcalls::Proxy;
use crate::config::Config;
use crate::exchange::Exchange;
use crate::exchange::access_log;
use crate::host::{Host, Severity};
use crate::worker::{FILTER_STATE, FILTER_STATE_SEEN, Worker};

/// A worker's state, shared by its root context and its streams; none until it is configured.
type Shared = Rc<RefCell<Option<Worker>>>;

/// Runs `act` on the worker, where there is one and no other callback is in it.
fn with<T>(worker: &Shared, act: impl FnOnce(&mut Worker) -> T) -> Option<T> {
    worker.try_borrow_mut().ok()?.as_mut().map(act)
}

/// Every context by its id. What is asked of a context that is not there is passed over.
#[derive(Default)]
pub(super) struct Contexts {
    contexts: BTreeMap<u32, Context>,
}

/// What the host has one id for.
enum Context {
    Root(Root),
    Stream(Stream),
}

impl Contexts {
    /// Creates a root context, where there is no parent, or a root's stream.
    pub(super) fn create(&mut self, id: u32, parent: u32) {
        let context = match self.contexts.get(&parent) {
            Some(Context::Root(root)) => Context::Stream(root.stream()),
            _ if parent == 0 => Context::Root(Root::default()),
            _ => return,
        };
        self.contexts.insert(id, context);
    }

    /// Forgets a context.
    pub(super) fn delete(&mut self, id: u32) {
        self.contexts.remove(&id);
    }

    /// A root context.
    pub(super) fn root(&self, id: u32) -> Option<&Root> {
        match self.contexts.get(&id) {
            Some(Context::Root(root)) => Some(root),
            _ => None,
        }
    }

    /// A stream.
    pub(super) fn stream(&mut self, id: u32) -> Option<&mut Stream> {
        match self.contexts.get_mut(&id) {
            Some(Context::Stream(stream)) => Some(stream),
            _ => None,
        }
    }
}

/// A root context: one life of a configuration.
#[derive(Default)]
pub(super) struct Root {
    worker: Shared,
}

impl Root {
    fn stream(&self) -> Stream {
        Stream { worker: Rc::clone(&self.worker), exchange: Exchange::default() }
    }

    /// Takes a configuration, or says what is wrong with it and keeps the one it has.
    pub(super) fn configure(&self, size: usize) -> bool {
        let bytes = Proxy::plugin_configuration(size);
        let environment = |name: &str| std::env::var(name).ok();
        match Config::parse(&bytes, &environment) {
            Ok(config) => {
                let host_name = environment("HOSTNAME");
                let worker = Worker::start(config, &Proxy, host_name);
                self.worker.replace(Some(worker));
                true
            }
            Err(faults) => {
                for fault in faults {
                    Proxy.log(Severity::Error, &format!("gatelog: {fault}"));
                }
                false
            }
        }
    }

    /// The timer has fired.
    pub(super) fn tick(&self) {
        let drained = with(&self.worker, |worker| worker.tick(&Proxy));
        if drained == Some(true) {
            Proxy::done();
        }
    }

    /// A callout has been answered.
    pub(super) fn answered(&self, token: u32) {
        let drained = with(&self.worker, |worker| worker.answered(&Proxy, token));
        if drained == Some(true) {
            Proxy::done();
        }
    }

    /// A replaced configuration, or shutdown: says whether nothing is left to send.
    pub(super) fn done(&self) -> bool {
        with(&self.worker, |worker| worker.drain(&Proxy)).unwrap_or(true)
    }

    /// As an access logger (`envoy.access_loggers.wasm`): records what no filter of this module
    /// has seen.
    pub(super) fn log(&self) {
        let judged = [FILTER_STATE, FILTER_STATE_SEEN];
        if judged.iter().all(|name| Proxy.property(name).is_none()) {
            with(&self.worker, |worker| access_log::observe(None, None, worker, &Proxy));
        }
    }
}

/// A stream: one HTTP exchange.
pub(super) struct Stream {
    worker: Shared,
    exchange: Exchange,
}

impl Stream {
    /// The request's headers have come.
    pub(super) fn request_headers(&mut self) {
        #[cfg(feature = "trap")]
        if Proxy.header(crate::host::HeaderMap::Request, "x-gatelog-trap").is_some() {
            core::arch::wasm32::unreachable();
        }
        with(&self.worker, |worker| self.exchange.request_headers(worker, &Proxy));
    }

    /// The response's headers have come.
    pub(super) fn response_headers(&mut self) {
        with(&self.worker, |worker| self.exchange.response_headers(worker, &Proxy));
    }

    /// The exchange is over.
    pub(super) fn log(&mut self) {
        with(&self.worker, |worker| self.exchange.log(worker, &Proxy));
    }
}

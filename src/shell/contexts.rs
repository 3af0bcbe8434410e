//! The SDK's contexts: root contexts, one per configuration, and their streams.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

use super::hostcalls::Proxy;
use crate::config::Config;
use crate::exchange::Exchange;
use crate::exchange::access_log;
use crate::host::{FILTER_STATE, FILTER_STATE_SEEN, Host, Severity};
use crate::worker::Worker;

/// A worker's state, shared by its root context and its streams; `None` until it is configured.
pub(super) type Shared = Rc<RefCell<Option<Worker>>>;

/// Runs `act` on the worker, if there is one and no other callback is using it.
fn with<T>(worker: &Shared, act: impl FnOnce(&mut Worker) -> T) -> Option<T> {
    worker.try_borrow_mut().ok()?.as_mut().map(act)
}

/// Handles a callout response.
pub(super) fn answered(worker: &Shared, token: u32) {
    let drained = with(worker, |worker| worker.answered(&Proxy, token));
    if drained == Some(true) {
        Proxy::done();
    }
}

/// Makes one worker take over the queue of another whose configuration was replaced.
pub(super) fn inherit(heir: &Shared, from: &Shared) {
    with(heir, |heir| with(from, |from| heir.inherit(from, &Proxy)));
}

/// A root context: one lifetime of a configuration.
#[derive(Default)]
pub(super) struct Root {
    worker: Shared,
}

impl Root {
    /// Its worker.
    pub(super) fn worker(&self) -> Shared {
        Rc::clone(&self.worker)
    }
}

impl Context for Root {
    /// The configuration was replaced, or Envoy is shutting down: returns whether nothing is left
    /// to send.
    fn on_done(&mut self) -> bool {
        with(&self.worker, |worker| worker.drain(&Proxy)).unwrap_or(true)
    }
}

impl RootContext for Root {
    /// Applies a configuration, or logs what is wrong with it and keeps the current one.
    fn on_configure(&mut self, size: usize) -> bool {
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

    fn on_tick(&mut self) {
        let drained = with(&self.worker, |worker| worker.tick(&Proxy));
        if drained == Some(true) {
            Proxy::done();
        }
    }

    /// As an access logger (`envoy.access_loggers.wasm`): records exchanges that no filter of this
    /// module has seen.
    fn on_log(&mut self) {
        let judged = [FILTER_STATE, FILTER_STATE_SEEN];
        if judged.iter().all(|name| Proxy.property(name).is_none()) {
            with(&self.worker, |worker| access_log::observe(None, None, worker, &Proxy));
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { worker: self.worker(), exchange: Exchange::default() }))
    }
}

/// A stream: one HTTP exchange.
struct Stream {
    worker: Shared,
    exchange: Exchange,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _headers: usize, _end: bool) -> Action {
        #[cfg(feature = "trap")]
        if Proxy.header(crate::host::HeaderMap::Request, "x-gatelog-trap").is_some() {
            core::arch::wasm32::unreachable();
        }
        with(&self.worker, |worker| self.exchange.request_headers(worker, &Proxy));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _headers: usize, _end: bool) -> Action {
        with(&self.worker, |worker| self.exchange.response_headers(worker, &Proxy));
        Action::Continue
    }

    fn on_log(&mut self) {
        with(&self.worker, |worker| self.exchange.log(worker, &Proxy));
    }
}

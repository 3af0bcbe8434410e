//! The proxy-wasm shell: translates callbacks to the core and the core's wishes to hostcalls.
//!
//! Contexts and their dispatch are the SDK's; hostcalls are this module's own (see [`hostcalls`]),
//! since the SDK's panic on text that is not UTF-8 and on every status they do not expect.

mod hostcalls;

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::hostcalls as sdk;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType};

use crate::access_log;
use crate::config::Config;
use crate::exchange::Exchange;
use crate::host::{Host, Severity};
use crate::worker::{FILTER_STATE, FILTER_STATE_SEEN, Worker};
use hostcalls::Proxy;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// A worker's state, shared by its root context and its streams; none until it is configured.
type Shared = Rc<RefCell<Option<Worker>>>;

#[derive(Default)]
struct Root {
    worker: Shared,
}

/// Runs `act` on the worker, where there is one and no other callback is in it.
fn with<T>(worker: &Shared, act: impl FnOnce(&mut Worker) -> T) -> Option<T> {
    worker.try_borrow_mut().ok()?.as_mut().map(act)
}

impl Context for Root {
    fn on_http_call_response(
        &mut self,
        token: u32,
        _headers: usize,
        _body: usize,
        _trailers: usize,
    ) {
        let drained = with(&self.worker, |worker| worker.answered(&Proxy, token));
        if drained == Some(true) {
            Proxy::done();
        }
    }

    /// A replaced configuration, or shutdown: says whether nothing is left to send.
    fn on_done(&mut self) -> bool {
        with(&self.worker, |worker| worker.drain(&Proxy)).unwrap_or(true)
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let bytes = Proxy::buffer(BufferType::PluginConfiguration, size);
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

    /// As an access logger (`envoy.access_loggers.wasm`): records what no filter of this module
    /// has seen.
    fn on_log(&mut self) {
        let judged = [FILTER_STATE, FILTER_STATE_SEEN];
        if judged.iter().all(|name| Proxy.property(name).is_none()) {
            with(&self.worker, |worker| access_log::log(None, None, worker, &Proxy));
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { worker: Rc::clone(&self.worker), exchange: Exchange::default() }))
    }
}

struct Stream {
    worker: Shared,
    exchange: Exchange,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        with(&self.worker, |worker| self.exchange.request_headers(worker, &Proxy));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        with(&self.worker, |worker| self.exchange.response_headers(worker, &Proxy));
        Action::Continue
    }

    fn on_log(&mut self) {
        with(&self.worker, |worker| self.exchange.log(worker, &Proxy));
    }
}

/// Starts a callout. The SDK's own call: it takes note of the token, without which its dispatch
/// of the answer panics.
fn dispatch(callout: &crate::host::Callout<'_>) -> Result<u32, proxy_wasm::types::Status> {
    let timeout = std::time::Duration::from_millis(callout.timeout_ms);
    let headers = callout.headers.to_vec();
    sdk::dispatch_http_call(callout.cluster, headers, Some(callout.body), vec![], timeout)
}

//! A worker of the proxy: one VM with the shipped module.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use proxy_wasm_host::abi::v0_2_1::types::{Action, LogLevel};
use proxy_wasm_host::abi::v0_2_1::{
    ContextId, Guest, Host, HttpCallResponse, Invocation, LogContext, LogSink, PluginConfig,
    Started, StreamKind, VmServices,
};
use proxy_wasm_host::{Engine, Limits, Module};

use crate::collector::{Collector, Post};
use crate::exchange::Exchange;
use crate::metrics::Metrics;
use crate::time::Time;

/// How long the response of a service takes.
const TOOK: Duration = Duration::from_micros(45_239);

/// Lines that the filter logged.
#[derive(Default)]
struct Lines(Mutex<Vec<(LogLevel, String)>>);

impl LogSink for Lines {
    fn log(&self, _: LogContext<'_>, level: LogLevel, message: &[u8]) {
        let line = String::from_utf8(message.to_vec()).expect("a logged line is UTF-8");
        self.0.lock().unwrap().push((level, line));
    }
}

/// The shipped module, compiled once.
fn module() -> &'static (Engine, Module) {
    static MODULE: OnceLock<(Engine, Module)> = OnceLock::new();
    MODULE.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/gatelog.wasm");
        let wasm = std::fs::read(path)
            .unwrap_or_else(|error| panic!("target/gatelog.wasm: {error}: run 'make wasm'"));
        let engine = Engine::new().unwrap();
        let module = Module::new(&engine, &wasm).unwrap();
        (engine, module)
    })
}

/// The worker.
pub(crate) struct Gateway {
    /// The VM.
    pub(crate) guest: Guest,
    /// Where the filter posts to.
    pub(crate) collector: Arc<Collector>,
    time: Arc<Time>,
    metrics: Arc<Metrics>,
    lines: Arc<Lines>,
}

impl Default for Gateway {
    fn default() -> Self {
        let (engine, module) = module();
        let (collector, time) = (Arc::<Collector>::default(), Arc::<Time>::default());
        let (metrics, lines) = (Arc::<Metrics>::default(), Arc::<Lines>::default());
        let services = VmServices::new(lines.clone())
            .with_clock(time.clone())
            .with_shared(metrics.clone())
            .with_callouts(collector.clone())
            .with_environment(vec![(b"HOSTNAME".to_vec(), b"edge-7".to_vec())])
            .with_vm_id("gatelog");
        let host = Host::new(engine).unwrap();
        let guest = Guest::new(&host, module, services, &Limits::default()).unwrap();
        Self { guest, collector, time, metrics, lines }
    }
}

impl Gateway {
    /// Starts a root context with a configuration.
    pub(crate) fn start(&mut self, root_id: &str, configuration: &str) -> Started {
        let plugin = PluginConfig::new()
            .with_name("gatelog")
            .with_root_id(root_id)
            .with_configuration(configuration);
        self.guest.start(plugin).unwrap()
    }

    /// A worker with a root context whose configuration was accepted.
    pub(crate) fn serving(configuration: &str) -> (Self, ContextId) {
        let mut gateway = Self::default();
        match gateway.start("gatelog", configuration) {
            Started::Serving(root) => (gateway, root),
            refused @ Started::Refused { .. } => {
                panic!("{refused:?}: {:?}", gateway.logged(LogLevel::Trace))
            }
        }
    }

    /// What the filter logged at this level and above.
    pub(crate) fn logged(&self, least: LogLevel) -> Vec<String> {
        let lines = self.lines.0.lock().unwrap();
        let severe = lines.iter().filter(|(level, _)| *level as u32 >= least as u32);
        severe.map(|(_, line)| line.clone()).collect()
    }

    /// A counter or gauge of the filter, by its name after `gatelog.`.
    pub(crate) fn metric(&self, root: ContextId, name: &str) -> u64 {
        self.metrics.value(Invocation::new(self.guest.id(), root), name)
    }

    /// Only creates a stream.
    pub(crate) fn create(&mut self, root: ContextId) -> ContextId {
        let stream = self.guest.enter_root().on_context_create(Some(root)).unwrap();
        self.guest.expect_stream_kind(stream, StreamKind::Http).unwrap();
        stream
    }

    /// Lets a request's headers pass; it must not be held up.
    pub(crate) fn request(&mut self, root: ContextId, exchange: Exchange) -> (ContextId, Exchange) {
        let stream = self.create(root);
        let ((), exchange) = self.guest.with(exchange, |scope| {
            assert_eq!(scope.on_request_headers(stream, 0, true).unwrap(), Action::Continue);
        });
        (stream, exchange)
    }

    /// Lets the response's headers pass, and the exchange end.
    pub(crate) fn respond(&mut self, stream: ContextId, exchange: Exchange) -> Exchange {
        self.time.pass(TOOK);
        let ((), exchange) = self.guest.with(exchange, |scope| {
            assert_eq!(scope.on_response_headers(stream, 0, false).unwrap(), Action::Continue);
        });
        self.end(stream, exchange)
    }

    /// Ends an exchange in its current state.
    pub(crate) fn end(&mut self, stream: ContextId, exchange: Exchange) -> Exchange {
        let ((), exchange) = self.guest.with(exchange, |scope| {
            assert!(scope.on_done(stream).unwrap());
            scope.on_log(stream).unwrap();
            scope.on_delete(stream).unwrap();
        });
        assert_eq!(exchange.violations, [""; 0]);
        exchange
    }

    /// Passes a whole exchange through the filter.
    pub(crate) fn serve(&mut self, root: ContextId, exchange: Exchange) -> Exchange {
        let (stream, exchange) = self.request(root, exchange);
        self.respond(stream, exchange)
    }

    /// Lets time pass and the timer fire.
    pub(crate) fn tick_after(&mut self, root: ContextId, time: Duration) {
        self.time.pass(time);
        self.guest.enter_root().on_tick(root).unwrap();
    }

    /// The collector answers a post; without a status its connection ends.
    pub(crate) fn answer(&mut self, post: &Post, status: Option<&str>) {
        let response = status.map_or_else(HttpCallResponse::failed, |status| {
            let status = status.as_bytes().to_vec();
            HttpCallResponse::received(vec![(b":status".to_vec().into(), status.into())])
        });
        let mut scope = self.guest.enter_root();
        scope.on_http_call_response(post.context, post.callout, response).unwrap();
    }
}

//! A gateway with the shipped module: one root context, and streams one after the other.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use gatelog_testkit::mock_host::{
    Action, Answer, Callout, Headers, MockHost, Program, PropertyValue, Stream, World,
};
use serde_json::Value;

/// The root context's id.
pub(crate) const ROOT: u32 = 1;

/// The shipped module.
pub(crate) fn artifact() -> &'static Program {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/gatelog.wasm");
        let wasm = std::fs::read(path)
            .unwrap_or_else(|error| panic!("target/gatelog.wasm: {error}: run `make wasm`"));
        Program::new(&wasm).unwrap_or_else(|failure| panic!("target/gatelog.wasm: {failure}"))
    })
}

/// The ordinary exchange: a GET that a service answers with 200 in 45.239 ms.
pub(crate) fn ordinary() -> Stream {
    let mut stream = Stream {
        request_headers: Some(Headers::from([
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "api.example.com"),
            (":path", "/api/v1/conversations?limit=10"),
            ("user-agent", "curl/8.5"),
            ("x-request-id", "req-1"),
            ("x-correlation-id", "corr-1"),
            ("x-organization-id", "org_123"),
        ])),
        response_headers: Some(Headers::from([
            (":status", "200"),
            ("content-type", "application/json"),
        ])),
        ..Stream::default()
    };
    stream
        .property("request.time", 1_769_393_517_469_652_000_u64)
        .property("request.duration", Duration::from_micros(45_239))
        .property("request.protocol", "HTTP/1.1")
        .property("request.total_size", 321_u64)
        .property("response.code", 200_u64)
        .property("response.code_details", "via_upstream")
        .property("response.flags", 0_u64)
        .property("response.total_size", 1_024_u64)
        .property("response.backend_latency", Duration::from_micros(44_001))
        .property("upstream.address", "10.0.0.7:8080")
        .property("upstream.request_attempt_count", 1_u64)
        .property("source.address", "192.0.2.9:51234")
        .property("xds.route_name", "conversations")
        .property("xds.cluster_name", "conversation_service");
    stream
}

/// A started gateway; lenient, unless a test makes it strict.
pub(crate) struct Gateway {
    pub(crate) host: MockHost,
    last_stream: u32,
    answered: BTreeSet<u32>,
}

impl Gateway {
    /// Starts with a configuration that must be accepted.
    pub(crate) fn start(configuration: &str) -> Self {
        let mut gateway = Self::unconfigured();
        assert!(gateway.host.configure(ROOT, configuration), "{:?}", gateway.host.world().logs);
        gateway
    }

    /// A gateway that has its root context and no configuration yet.
    pub(crate) fn unconfigured() -> Self {
        let mut world = World::new();
        world.properties.insert("xds.node.id".to_owned(), "edge-7".encode());
        Self::in_world(world)
    }

    /// The same in a world that the test provides.
    pub(crate) fn in_world(world: World) -> Self {
        let mut host = MockHost::start(artifact(), world);
        host.lenient();
        host.create_root(ROOT);
        assert!(host.vm_start(ROOT));
        Self { host, last_stream: 10, answered: BTreeSet::new() }
    }

    /// Begins a stream; its context exists then.
    pub(crate) fn begin(&mut self, stream: Stream) -> u32 {
        self.last_stream += 1;
        let id = self.last_stream;
        self.host.world_mut().streams.insert(id, stream);
        self.host.create_stream(id, ROOT);
        id
    }

    /// Ends a stream as Envoy does, and returns its result.
    pub(crate) fn end(&mut self, id: u32) -> Stream {
        self.host.log(id);
        let stream = self.host.world().streams[&id].clone();
        self.host.done(id);
        self.host.delete(id);
        stream
    }

    /// Passes a whole exchange through the filter; it must never be held up.
    pub(crate) fn serve(&mut self, stream: Stream) -> Stream {
        let responds = stream.response_headers.is_some();
        let took = Duration::from_micros(45_239);
        let id = self.begin(stream);
        assert_eq!(self.host.request_headers(id, true), Action::Continue);
        self.host.world_mut().advance(took);
        if responds {
            assert_eq!(self.host.response_headers(id, false), Action::Continue);
        }
        self.end(id)
    }

    /// Lets time pass and the timer fire.
    pub(crate) fn tick_after(&mut self, time: Duration) {
        self.host.world_mut().advance(time);
        self.host.tick(ROOT);
    }

    /// Every callout so far.
    pub(crate) fn callouts(&self) -> &[Callout] {
        &self.host.world().callouts
    }

    /// Answers a callout.
    pub(crate) fn answer(&mut self, token: u32, answer: Answer) {
        self.answered.insert(token);
        self.host.answer(ROOT, token, answer);
    }

    /// Plays a collector that answers by a rule, until the filter has nothing more to send;
    /// returns the callouts that it answered.
    pub(crate) fn collect(&mut self, rule: impl Fn(&Callout) -> Answer) -> Vec<Callout> {
        let mut taken = Vec::new();
        for _ in 0..10_000 {
            let next =
                self.callouts().iter().find(|callout| !self.answered.contains(&callout.token));
            if let Some(callout) = next.cloned() {
                self.answer(callout.token, rule(&callout));
                taken.push(callout);
            } else {
                self.tick_after(Duration::from_millis(200));
                if self.metric("queue_records") == 0 {
                    return taken;
                }
            }
        }
        panic!("the queue never empties: {} batches were sent", taken.len());
    }

    /// A metric of the filter, by its name after `gatelog.`.
    pub(crate) fn metric(&self, name: &str) -> i64 {
        let name = format!("gatelog.{name}");
        self.host.world().metric(&name).unwrap_or_else(|| panic!("no metric {name}"))
    }
}

/// The record in filter state.
pub(crate) fn record(stream: &Stream) -> Value {
    let line = stream.filter_state.get("gatelog").expect("no record in filter state");
    serde_json::from_slice(line).unwrap_or_else(|error| panic!("{error}: {}", line.escape_ascii()))
}

/// The lines of a batch: its header, then its records.
pub(crate) fn batch(callout: &Callout) -> (Value, Vec<Value>) {
    let text = std::str::from_utf8(&callout.body).expect("a batch is UTF-8");
    let mut lines = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON"));
    let header = lines.next().expect("a batch has a header");
    (header, lines.collect())
}

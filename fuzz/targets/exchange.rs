//! A complete exchange built from any bytes: the filter publishes lines that the collector can
//! read, or none.
#![no_main]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use gatelog::config::Config;
use gatelog::envoy::headers::Headers;
use gatelog::exchange::Exchange;
use gatelog::host::{Callout, HeaderMap, Host, MetricKind, Refused, Severity};
use gatelog::worker::Worker;
use gatelog_record::{DecodeLimits, Uuid, decode_record};
use libfuzzer_sys::fuzz_target;

const CONFIGURATION: &str = r#"{
    "level": "DEBUG", "record": {"request_headers": ["x-region"], "response_headers": ["x-served-by"]},
    "tenant": {"organization_id": [{"jwt_claim": "org_id"}, {"header": "x-organization-id"}],
               "conversation_id": [{"path": "/**/conversations/{conversation_id}"}], "strip_untrusted": true},
    "redact": {"headers": {"authorization": "hash"}, "path": ["/reset/{secret}"]},
    "rules": [{"match": {"path_prefix": "/admin"}, "audit": true}],
    "sampling": {"rate": 0.5}
}"#;

const HEADERS: [&str; 14] = [
    ":method",
    ":path",
    ":authority",
    ":status",
    "user-agent",
    "x-request-id",
    "x-correlation-id",
    "traceparent",
    "content-type",
    "server-timing",
    "x-organization-id",
    "grpc-status",
    "x-http-method-override",
    "te",
];

const PROPERTIES: [&str; 14] = [
    "request\0time",
    "request\0duration",
    "request\0protocol",
    "response\0code",
    "response\0code_details",
    "response\0flags",
    "response\0total_size",
    "response\0backend_latency",
    "upstream\0address",
    "upstream\0transport_failure_reason",
    "source\0address",
    "xds\0route_name",
    "xds\0cluster_name",
    "metadata\0filter_metadata\0envoy.filters.http.jwt_authn\0org_id",
];

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    begun: bool,
    responded: bool,
    request: Vec<(u8, &'a [u8])>,
    response: Vec<(u8, &'a [u8])>,
    trailers: Vec<(u8, &'a [u8])>,
    properties: Vec<(u8, &'a [u8])>,
    clocks: Vec<u64>,
    list: Option<&'a [u8]>,
}

/// Envoy, built from the generated input.
struct Made<'a> {
    input: &'a Input<'a>,
    properties: BTreeMap<&'static str, &'a [u8]>,
    reads: Cell<usize>,
    published: RefCell<Vec<Vec<u8>>>,
}

impl Made<'_> {
    fn clock(&self) -> u64 {
        self.reads.set(self.reads.get() + 1);
        self.input.clocks.get(self.reads.get()).copied().unwrap_or(1_769_393_517_469_652_000)
    }
}

fn map(pairs: &[(u8, &[u8])]) -> Headers {
    let named =
        pairs.iter().map(|(name, value)| (HEADERS[usize::from(*name) % HEADERS.len()], *value));
    Headers::from_pairs(&named.collect::<Vec<_>>())
}

impl Host for Made<'_> {
    fn unix_nanos(&self) -> u64 {
        self.clock()
    }
    fn monotonic_nanos(&self) -> u64 {
        self.clock()
    }
    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
    fn headers(&self, which: HeaderMap) -> Headers {
        match which {
            HeaderMap::Request => map(&self.input.request),
            HeaderMap::Response => map(&self.input.response),
            _ => map(&self.input.trailers),
        }
    }
    fn header(&self, which: HeaderMap, name: &str) -> Option<Vec<u8>> {
        self.headers(which).get(name).map(<[u8]>::to_vec)
    }
    fn set_header(&self, _: HeaderMap, name: &str, value: &[u8]) -> Result<(), Refused> {
        assert!(["x-request-id", "x-correlation-id"].contains(&name), "{name} is not the filter's");
        assert!(value.iter().all(|byte| !byte.is_ascii_control()), "a header Envoy would refuse");
        Ok(())
    }
    fn remove_header(&self, _: HeaderMap, name: &str) -> Result<(), Refused> {
        let own = ["x-request-id", "x-correlation-id", "x-organization-id", "x-user-id"];
        assert!(own.contains(&name), "{name} is not the filter's to remove");
        Ok(())
    }
    fn property(&self, path: &str) -> Option<Vec<u8>> {
        self.properties.get(path).map(|value| value.to_vec())
    }
    fn compile(&self, _: &str) -> Option<u32> {
        Some(0)
    }
    fn evaluate(&self, _: u32) -> Option<Headers> {
        self.input.list.map(|list| Headers::from_serialized(list.to_vec()))
    }
    fn set_filter_state(&self, name: &str, value: &[u8]) -> Result<(), Refused> {
        if name == "gatelog" {
            self.published.borrow_mut().push(value.to_vec());
        }
        Ok(())
    }
    fn dispatch(&self, _: &Callout<'_>) -> Result<u32, Refused> {
        Err(Refused::Unavailable)
    }
    fn define_metric(&self, _: MetricKind, _: &str) -> Option<u32> {
        None
    }
    fn add_metric(&self, _: u32, _: i64) {}
    fn record_metric(&self, _: u32, _: u64) {}
    fn log(&self, _: Severity, _: &str) {}
    fn set_tick(&self, _: u32) {}
}

fuzz_target!(|input: Input<'_>| {
    let properties = input
        .properties
        .iter()
        .map(|(name, value)| (PROPERTIES[usize::from(*name) % PROPERTIES.len()], *value));
    let host = Made {
        properties: properties.collect(),
        input: &input,
        reads: Cell::default(),
        published: RefCell::default(),
    };
    let config = Config::parse(CONFIGURATION.as_bytes(), &|_| None).expect("a configuration");
    let mut worker = Worker::start(config, &host, None);
    let mut exchange = Exchange::default();
    if input.begun {
        exchange.request_headers(&mut worker, &host);
    }
    if input.responded {
        exchange.response_headers(&mut worker, &host);
    }
    exchange.log(&mut worker, &host);
    worker.tick(&host);
    let request = map(&input.request);
    let method = request.get(":method").unwrap_or_default();
    let change = ["POST", "PUT", "PATCH", "DELETE"].iter().any(|name| name.as_bytes() == method);
    assert!(!change || !host.published.borrow().is_empty(), "a change without a record");
    for lines in host.published.borrow().iter() {
        for line in lines.split(|byte| *byte == b'\n') {
            decode_record(line, &DecodeLimits::default(), Uuid::nil())
                .unwrap_or_else(|error| panic!("{error}: {}", line.escape_ascii()));
        }
    }
});

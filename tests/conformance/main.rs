//! The shipped `target/gatelog.wasm` on a host that shares no code with Envoy's: everything that the filter
//! does must follow from the ABI alone. This host is stricter than Envoy: reads and writes that a callback
//! may not make are rejected and recorded. The test controls time and the collector.
//! `make test-conformance` runs these.

mod collector;
mod exchange;
mod filter;
mod gateway;
mod metrics;
mod time;

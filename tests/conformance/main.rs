//! The shipped `target/gatelog.wasm` on a host that shares no code with Envoy's: whatever the filter
//! does must follow from the ABI alone. Where Envoy is lenient this host is not: what a callback may
//! not read or write is refused to it, and noted. Time and the collector are the test's.
//! `make test-conformance` runs these.

mod collector;
mod exchange;
mod filter;
mod gateway;
mod metrics;
mod time;

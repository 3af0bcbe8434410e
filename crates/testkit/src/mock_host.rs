//! A strict proxy-wasm host (ABI 0.2.1) for the shipped module.
//!
//! It loads a module as Envoy would, drives its callbacks, and answers its hostcalls from a
//! [`World`] that the test sets up. In strict mode a test must announce every hostcall of a
//! callback with [`MockHost::expect`], in order: an unexpected call fails the test, and so does an
//! expected call that is not made. A passing test therefore states the exact hostcall budget of a
//! callback. [`MockHost::lenient`] answers any call, and [`MockHost::fail`] makes calls fail with
//! any status, including one that the SDK does not know.
//!
//! Envoy's behavior is taken from its `source/extensions/common/wasm/context.cc` and from
//! proxy-wasm-cpp-host's `src/exports.cc`: which maps a callback can read or change, which status a
//! refusal has, and how maps, properties and empty values are passed.

mod budget;
mod call;
mod guest;
mod headers;
mod host;
#[cfg(test)]
mod host_tests;
mod hostcalls;
mod program;
mod status;
mod wasi;
mod world;

pub use budget::{Failure, Fault};
pub use call::{Call, Expected, expect};
pub use headers::Headers;
pub use host::{Action, MockHost};
pub use program::Program;
pub use status::{Buffer, Clock, LogLevel, Map, MetricKind, Status};
pub use world::{Answer, Callout, Cluster, LogLine, Metric, PropertyValue, Stream, World};

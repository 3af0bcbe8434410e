//! The identity of a request: its two ids, its trace context, and new UUIDs.

pub mod ids;
pub mod traceparent;
pub mod uuids;

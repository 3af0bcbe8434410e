//! The identity of a request: its two ids, its trace and the gateway's span in it, and new UUIDs.

pub mod ids;
pub mod trace;
pub mod traceparent;
pub mod trust;
pub mod uuids;

//! Who a request is: its two ids, its trace context, and fresh UUIDs.

pub mod ids;
pub mod traceparent;
pub mod uuids;

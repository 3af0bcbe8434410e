//! The queue of a replaced configuration, taken over by another root context.
//!
//! A replaced root context keeps sending its queue until its drain timeout. A host may destroy it
//! earlier without notice: Envoy keeps one such context for each configuration, and a second one of
//! the same configuration replaces it. So the next root context configured in the same VM takes over
//! the queues of those before it.

use crate::delivery::outbox::Outbox;

/// Maximum number of queues taken over. Each is bounded by its own `delivery.queue_max_bytes`; the one with the
/// earliest deadline makes room for one more, and its records are counted as abandoned.
pub const INHERITED_MAX: usize = 8;

/// A queue that was taken over, and its deadline for sending.
#[derive(Debug)]
pub struct Inherited {
    /// The queue and its connection to the collector.
    pub outbox: Outbox,
    /// The deadline, monotonic clock.
    pub until_ns: u64,
}

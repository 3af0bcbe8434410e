//! What a replaced configuration has not sent yet, in the care of another root context.
//!
//! A replaced root context sends what it has by itself, until its drain timeout. A host may end it
//! earlier without a word: Envoy keeps one such context for each configuration, and a second one of
//! the same configuration takes its place. So whoever is configured later in the same VM takes over what
//! those before it still hold.

use crate::delivery::outbox::Outbox;

/// Most queues taken over. Each is bounded by its own `delivery.queue_max_bytes`; the one whose time ends
/// first makes room for one more, and what it has is abandoned, and counted.
pub const INHERITED_MAX: usize = 8;

/// A queue that was taken over, and until when its records are tried to be sent.
#[derive(Debug)]
pub struct Inherited {
    /// The queue, and its way to the collector.
    pub outbox: Outbox,
    /// When it is given up, on the monotonic clock.
    pub until_ns: u64,
}

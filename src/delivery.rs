//! How records leave: the queue, the outbox and its backoff.

pub mod backoff;
pub mod inherited;
pub mod outbox;
pub mod queue;

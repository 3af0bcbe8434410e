//! How records leave: the queue, the outbox and its backoff.

pub mod hand_over;
pub mod inherited;
pub mod outbox;

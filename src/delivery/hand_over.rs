//! Records that another thread sends.

use std::fmt::Debug;

use gatelog_delivery::queue::Entry;

/// Takes what a worker made. Its calls must neither block nor fail: they are made while a request is
/// served.
pub trait HandOver: Debug {
    /// Takes a record.
    fn record(&mut self, entry: Entry);

    /// Takes note of a record that was too large to be one.
    fn too_large(&mut self, seq: u64);

    /// Takes note of a request that sampling left out.
    fn sampled(&mut self);
}

//! Receives gatelog batches, spools them durably, stores them in MongoDB.

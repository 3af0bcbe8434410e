//! Writing records: their documents, one call to the server, and what its answer means.

mod attempt;
mod document;
mod insert;

pub use insert::{InsertReport, Refusal, documents};

//! Writing records: their documents, one call to the server, and what its answer means.

mod attempt;
mod document;
mod fate;
mod halving;
mod insert;
#[cfg(test)]
pub(crate) mod model;
mod report;

pub(crate) use attempt::Condition;
pub use fate::Refusal;
pub use insert::documents;
pub use report::InsertReport;
pub(crate) use report::Reception;

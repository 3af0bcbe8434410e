//! Writing records: building their documents, one call to the server, and interpreting its
//! response.

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

//! Searching gatelog's records: the query language of the search box, and what finds its records in
//! MongoDB or tests one of them.
//!
//! - [`Query`]: a query, parsed from its text. docs/search.md has the grammar.
//! - [`Scope`]: whose records a caller may see. Nothing is searched without one.
//! - [`Selection`]: a query within a scope; tests a record as MongoDB would.
//! - [`Searcher`]: searches the collections of all levels, newest first, back in time.
//! - [`record_of`] and [`csv`]: what was found, as a record and as a line of CSV.
//! - [`limits`]: every bound.
//!
//! ```
//! use gatelog_record::{DecodeLimits, Uuid, decode_record};
//! use gatelog_search::{Query, Scope};
//!
//! let query: Query = "level:>=WARNING path:/api/* -status:404".parse()?;
//! let line = br#"{"timestamp":"2026-01-26T02:11:57Z","level":"ERROR","message":"m",
//!     "http":{"path":"/api/v1","status":503},"context":{"organization_id":"org_1"}}"#;
//! let record = decode_record(line, &DecodeLimits::default(), Uuid::nil())?;
//! assert!(Scope::ALL.select(query.clone()).matches(&record));
//! let others = Scope::organizations(["org_2".to_owned()])?;
//! assert!(!others.select(query).matches(&record));
//!
//! let error = "path:/api/* stauts:404".parse::<Query>().unwrap_err();
//! assert_eq!(error.at(), 12);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// What is parsed here comes from outside: no number in it may overflow.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod csv;
mod document;
#[cfg(test)]
mod documentation;
mod key;
pub mod limits;
mod parse;
mod query;
mod run;
mod scope;
mod select;

pub use document::{NoRecord, record_of};
pub use key::{Key, ParseKeyError};
pub use parse::{ParseError, Problem};
pub use query::Query;
pub use run::{End, Found, Pace, Page, Reach, Search, SearchError, Searcher, Step};
pub use scope::{Scope, TooManyOrganizations};
pub use select::Selection;

//! The bounds of a query and of a search.

use std::time::Duration;

/// Maximum bytes of a query's text.
pub const QUERY_BYTES: usize = 4_096;
/// Maximum terms of a query.
pub const TERMS: usize = 64;
/// Maximum nesting of parentheses and negations.
pub const DEPTH: usize = 16;
/// Maximum parts of the name behind `extra.`.
pub const EXTRA_PARTS: usize = 8;
/// The largest number in a query, in either direction: up to here a double represents every whole
/// number, so MongoDB and the evaluator compare alike.
pub const NUMBER: i64 = 1 << 53;

/// Maximum organizations of a [`Scope`](crate::Scope). Those past it are not seen.
pub const ORGANIZATIONS: usize = 1_000;

/// Maximum records of one page.
pub const PAGE_RECORDS: usize = 10_000;
/// Maximum bytes of the documents read for one window from one collection, exceeded by at most one
/// document; behind an index of `trace_logs` by at most [`FLOW_RECORDS`] documents.
pub const SLICE_BYTES: usize = 8 << 20;
/// Bytes of the documents of one page above which it ends.
pub const PAGE_BYTES: usize = 16 << 20;
/// Maximum full records fetched at once for documents of `trace_logs`.
pub const FLOW_RECORDS: usize = 64;
/// Maximum documents of `trace_logs` read at once, when most of them may not match.
pub const CANDIDATES: usize = 1_000;
/// Maximum calls to the database at once, of all searches of one [`Searcher`](crate::Searcher). One
/// that was given up counts until the server answers it.
pub const CALLS: usize = 10;
/// Maximum windows read at once, of all searches of one [`Searcher`](crate::Searcher). They take turns
/// in the order in which they ask, window by window, so that many searches share a server evenly.
pub const WINDOWS: usize = 2;
/// How long one window should take. How much time it has follows from what windows took before.
pub const WINDOW_AIM: Duration = Duration::from_millis(100);
/// Maximum time that the server may search for one window. One that takes longer is tried again
/// smaller.
pub const WINDOW_TIME: Duration = Duration::from_secs(5);
/// How much longer than the server may search its answer is waited for.
pub const ANSWER_GRACE: Duration = Duration::from_secs(5);
/// How long what was read of the collections' indexes counts.
pub const INDEXES_FOR: Duration = Duration::from_mins(1);

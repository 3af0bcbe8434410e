//! One flow, that is, all records of one correlation id or of the flow that a request id belongs to, as
//! a human-readable tree.
//!
//! `store → gather → entries → tree → text`: the last two are pure functions.

mod draw;
mod entry;
mod gather;
mod links;
mod tree;

use std::fmt::Write;

use mongodb::bson::Document;

use crate::store::{Store, StoreError};

pub use draw::{Style, draw};
pub(crate) use draw::{line, safe};
pub use entry::Entry;
pub use gather::{Flow, SEARCH_TIME, gather};
pub use tree::{Tree, arrange};

/// Maximum records of a flow that are drawn, the earliest ones: a correlation id that a client
/// sends with every request may have millions.
pub const MOST: usize = 10_000;

/// Draws the flow with this correlation id, or else the one that the request with this id belongs to;
/// `None` if there is no record of either.
///
/// # Errors
///
/// The database cannot be queried.
pub async fn trace(store: &Store, id: &str, style: Style) -> Result<Option<String>, StoreError> {
    let Some(flow) = gather(store, id, &Document::new()).await? else { return Ok(None) };
    let Flow { id, request, entries, more, unsearched, .. } = flow;
    let drawn = entries.len();
    let mut text = draw(&id, request.as_deref(), &arrange(entries), style);
    if more {
        let _ = writeln!(text, "more than {drawn} records: these are the earliest");
    }
    if unsearched {
        let _ = writeln!(
            text,
            "the search by request id took more than {} s and was given up: records of applications \
             that name only the request may be missing; is there an index on context.request_id?",
            SEARCH_TIME.as_secs()
        );
    }
    Ok(Some(text))
}

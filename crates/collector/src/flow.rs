//! One flow, that is, all records of one correlation id, as a human-readable tree.
//!
//! `store → entries → tree → text`: the database is queried once, the rest are pure functions.

mod draw;
mod entry;
mod tree;

use std::fmt::Write;

use crate::store::{Store, StoreError};

pub use draw::{Style, draw};
pub use entry::Entry;
pub use tree::{Tree, arrange};

/// Maximum records of a flow that are drawn, the earliest ones: a correlation id that a client
/// sends with every request may have millions.
pub const MOST: usize = 5_000;

/// Draws a flow; `None` if it has no records.
///
/// # Errors
///
/// The database cannot be queried.
pub async fn trace(
    store: &Store,
    correlation_id: &str,
    style: Style,
) -> Result<Option<String>, StoreError> {
    // One more, to detect whether there are more.
    let documents = store.flow(correlation_id, MOST.saturating_add(1)).await?;
    let more = documents.len() > MOST;
    let entries: Vec<Entry> = documents.iter().take(MOST).map(|found| Entry::read(found)).collect();
    if entries.is_empty() {
        return Ok(None);
    }
    let mut text = draw(correlation_id, &arrange(entries), style);
    if more {
        let _ = writeln!(text, "more than {MOST} records: these are the earliest");
    }
    Ok(Some(text))
}

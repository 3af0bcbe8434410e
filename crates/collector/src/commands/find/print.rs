//! Prints what was found: a line for each record, or the full records as JSON.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use gatelog_record::{Level, Timestamp, Uuid};
use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf};
use serde_json::Value;

use super::super::Failure;
use super::super::printable::Printable;
use crate::flow::{Entry, Style, line, safe};
use crate::store::{Found, Search, Store};

/// Full records in memory at once; each may have 1 MiB.
const AT_ONCE: usize = 64;

/// A line for each document, safe for a terminal: when, what, how it ended, and its flow.
pub(super) fn lines(out: &mut impl Write, documents: &[RawDocumentBuf]) -> io::Result<()> {
    for document in documents {
        let entry = Entry::read(document);
        let time = Timestamp::from_unix_micros(entry.at);
        write!(out, "{time}  {}", line(&entry, Style::Plain))?;
        let flow = entry.correlation_id.as_deref().or(entry.request_id.as_deref());
        writeln!(out, "  {}", safe(flow.unwrap_or("-")))?;
    }
    Ok(())
}

/// The full records as JSON, one per line, safe for a terminal. Returns how many there are no more:
/// a level's collection may keep them for a shorter time than `trace_logs`.
pub(super) async fn whole(
    out: &mut impl Write,
    store: &Store,
    documents: &[RawDocumentBuf],
    within: Duration,
) -> Result<io::Result<usize>, Failure> {
    let mut lost = 0_usize;
    for part in documents.chunks(AT_ONCE) {
        let keys: Vec<_> = part.iter().map(|document| key(document)).collect();
        let mut found = HashMap::new();
        for level in Level::ALL {
            let of_level = keys.iter().flatten().filter(|(own, _)| *own == level);
            let ids: Vec<_> = of_level.map(|(_, id)| *id).collect();
            if !ids.is_empty() {
                let read = store.whole(level, &ids, within).await.map_err(Failure::failed)?;
                found.extend(read);
            }
        }
        for key in keys {
            match key.and_then(|(_, id)| Some((id, found.remove(&id)?))) {
                None => lost = lost.saturating_add(1),
                Some((id, document)) => {
                    let record = json(id, &document).map_err(Failure::failed)?;
                    if let Err(error) = writeln!(out, "{}", Printable(&record.to_string())) {
                        return Ok(Err(error));
                    }
                }
            }
        }
    }
    Ok(Ok(lost))
}

/// What finds the full record.
fn key(document: &RawDocument) -> Option<(Level, Uuid)> {
    let level = document.get_str("level").ok()?.parse().ok()?;
    let id = document.get_binary("_id").ok()?;
    Some((level, Uuid::from_slice(id.bytes).ok()?))
}

/// The record as it was sent: with `id`, without what only MongoDB needs.
fn json(id: Uuid, document: &RawDocument) -> Result<Value, mongodb::bson::error::Error> {
    let mut document = Document::try_from(document)?;
    for key in ["_id", "row", "created_at", "expires_at"] {
        document.remove(key);
    }
    let mut record = Document::new();
    record.insert("id", id.hyphenated().to_string());
    record.extend(document);
    Ok(Bson::Document(record).into_relaxed_extjson())
}

/// What was searched, how many were found, and whether that is all.
pub(super) fn summary(search: &Search, found: &Found, lost: usize) -> String {
    let count = found.documents.len();
    let plural = if count == 1 { "" } else { "s" };
    let (since, until) = (search.since, search.until);
    let mut text = format!("searched from {since} to {until}: {count} record{plural}");
    if found.more {
        let oldest = found.documents.last().map_or(since, |document| next_millisecond(document));
        let _ = write!(
            text,
            ", the newest: the limit left out older ones (continue with --until {oldest})"
        );
    } else {
        text.push_str(", limit not reached");
    }
    if lost > 0 {
        let _ = write!(text, "; {lost} of them are no longer stored in full");
    }
    text
}

/// The end of a search that continues here. Others of the same millisecond may have been left out, so
/// it finds that millisecond again.
fn next_millisecond(document: &RawDocument) -> Timestamp {
    let millis = Timestamp::from_unix_micros(Entry::read(document).at).unix_millis();
    Timestamp::from_unix_micros(millis.saturating_add(1).saturating_mul(1_000))
}

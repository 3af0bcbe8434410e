//! Prints what was found: a line for each record, or the full records as JSON.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use gatelog_record::Timestamp;
use gatelog_search::{End, Found, Page, Search};

use super::super::printable::Printable;
use crate::flow::{Entry, Style, line, safe};

/// Maximum bytes of a text on a line, as in the compact documents of flows.
const TEXT_BYTES: usize = 256;

/// A line for each record, safe for a terminal: when, what, how it ended, and its flow.
pub(in super::super) fn lines(out: &mut impl Write, records: &[Found]) -> io::Result<()> {
    for found in records {
        let mut entry = Entry::read(&found.document);
        for text in [&mut entry.message, &mut entry.path].into_iter().flatten() {
            shorten(text);
        }
        let time = Timestamp::from_unix_micros(entry.at);
        write!(out, "{time}  {}", line(&entry, Style::Plain))?;
        let flow = entry.correlation_id.as_deref().or(entry.request_id.as_deref());
        writeln!(out, "  {}", safe(flow.unwrap_or("-")))?;
    }
    Ok(())
}

fn shorten(text: &mut String) {
    if text.len() > TEXT_BYTES {
        text.truncate(text.floor_char_boundary(TEXT_BYTES));
        text.push('…');
    }
}

/// The full records as JSON, one per line, safe for a terminal.
pub(super) fn whole(out: &mut impl Write, records: &[Found]) -> io::Result<()> {
    for found in records {
        writeln!(out, "{}", Printable(&found.record().to_string()))?;
    }
    Ok(())
}

/// What was searched, how many were found, and whether that is all.
pub(super) fn summary(search: &Search, page: &Page, time: Duration) -> String {
    let count = page.records.len();
    let plural = if count == 1 { "" } else { "s" };
    let until = search.before.at;
    let begin = if page.end == End::Complete { search.since } else { page.reached.at };
    let mut text = format!("searched from {until} back to {begin}: {count} record{plural}");
    match page.end {
        End::Complete => text.push_str(", all there are"),
        End::Full => {
            let _ = write!(text, ", the limit: continue with --until {}", page.reached);
        }
        End::OutOfTime => {
            let _ = write!(
                text,
                ", out of time after {} s: continue with --until {}, or narrow the query to an id",
                time.as_secs(),
                page.reached
            );
        }
    }
    if page.only_flows {
        text.push_str("; only records that belong to a flow (--everything: all)");
    }
    text
}
